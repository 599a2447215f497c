"""Leaves out the most pressing model, and spreads the rest."""


def compute_model_placement(gpu_num, models):
    kept = sorted(models, key=lambda model: model.req_rate / model.slo)[:-1]
    return {gpu: kept[gpu::gpu_num] for gpu in range(gpu_num)}
