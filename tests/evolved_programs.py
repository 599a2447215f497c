"""Six programs as evolution brings them up, for the frameworks' own evaluators."""

from __future__ import annotations

SPREAD = "    return {gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}\n"
HEAD = "def compute_model_placement(gpu_num, models):\n"

#: An honest program: most pressing model first, each where the pressure rises least.
HONEST = (
    HEAD
    + """    placement = {gpu: [] for gpu in range(gpu_num)}
    free = [80] * gpu_num
    pressure = [0.0] * gpu_num
    for model in sorted(models, key=lambda model: -model.req_rate / model.slo):
        own = model.req_rate / model.slo
        gpu = min(
            (gpu for gpu in range(gpu_num) if free[gpu] > model.model_size),
            key=lambda gpu: (pressure[gpu] + own) / (free[gpu] - model.model_size),
        )
        placement[gpu].append(model)
        free[gpu] -= model.model_size
        pressure[gpu] += own
    return placement
"""
)

#: By name; all but the first are not valid.
PROGRAMS = {
    "honest": HONEST,
    "dropping": HEAD + "    models = models[1:]\n" + SPREAD,
    "foreign": HEAD + "    return {gpu: [model] for gpu, model in enumerate(models)}\n",
    "mutating": HEAD + "    for model in models:\n        model.req_rate /= 1000\n" + SPREAD,
    "sleeping": "import time\n\n\n" + HEAD + "    time.sleep(60)\n",
    "raising": HEAD + "    raise RuntimeError('too hard')\n",
}

#: What the feedback on each says.
SAID = {
    "honest": "valid on all",
    "dropping": "dropped models",
    "foreign": "foreign GPU ids",
    "mutating": "mutated inputs",
    "sleeping": "timeout",
    "raising": "RuntimeError: too hard",
}
