"""Fleets with constraints, made from fleets without."""

from __future__ import annotations

from kvpr_opt.problem.instance import LLM, Instance

# Models of which the first is pinned and the next two are kept apart.
_STEP = 6


def constrained(instance: Instance) -> Instance:
    """A fleet with pins and groups: of every six models one is pinned, two are apart.

    Parameters
    ----------
    instance
        A fleet of models with rate and objective, without constraints.

    Returns
    -------
    Instance
        The same GPUs and models. The pinned models go to the GPUs in turn.
    """
    models = []
    for number, model in enumerate(instance.models):
        step, place = divmod(number, _STEP)
        pin = instance.gpus[step % len(instance.gpus)].name if place == 0 else None
        apart = (f"pair-{step}",) if place in (1, 2) else ()
        models.append(
            LLM(
                model.name,
                size=model.size,
                req_rate=model.req_rate,
                slo=model.slo,
                pin=pin,
                apart=apart,
            )
        )
    return Instance(instance.gpus, models)
