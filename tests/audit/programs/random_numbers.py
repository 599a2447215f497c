"""Spreads the models in an order that differs from call to call."""

import random


def compute_model_placement(gpu_num, models):
    order = random.sample(models, len(models))
    return {gpu: order[gpu::gpu_num] for gpu in range(gpu_num)}
