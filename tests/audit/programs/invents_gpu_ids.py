"""Gives every model a GPU of its own."""


def compute_model_placement(gpu_num, models):
    return {gpu: [model] for gpu, model in enumerate(models)}
