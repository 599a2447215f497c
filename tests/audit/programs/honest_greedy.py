"""Most pressing model first, each where the pressure rises least."""

GPU_MEM_SIZE = 80


def compute_model_placement(gpu_num, models):
    placement = {gpu: [] for gpu in range(gpu_num)}
    free = [GPU_MEM_SIZE] * gpu_num
    pressure = [0.0] * gpu_num
    for model in sorted(models, key=lambda model: model.req_rate / model.slo, reverse=True):
        own = model.req_rate / model.slo
        gpu = min(
            (gpu for gpu in range(gpu_num) if free[gpu] > model.model_size),
            key=lambda gpu: (pressure[gpu] + own) / (free[gpu] - model.model_size),
        )
        placement[gpu].append(model)
        free[gpu] -= model.model_size
        pressure[gpu] += own
    return placement
