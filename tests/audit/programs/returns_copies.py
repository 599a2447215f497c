"""Spreads copies of the models instead of the objects that it was given."""

import copy


def compute_model_placement(gpu_num, models):
    copies = copy.deepcopy(models)
    return {gpu: copies[gpu::gpu_num] for gpu in range(gpu_num)}
