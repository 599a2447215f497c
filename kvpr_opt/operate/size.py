"""The fewest GPUs of a kind that keep a fleet within a target, with the proof that fewer do not.

At a fixed threshold this is one-dimensional bin packing with bins of one size, and the bound is
that of Gilmore and Gomory (1961, doi:10.1287/opre.9.6.849).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.limits import Limits
from kvpr_opt.operate.decision import decide
from kvpr_opt.operate.target import read_target
from kvpr_opt.problem.gpu import GPU
from kvpr_opt.problem.instance import Instance, Number
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Result

#: More GPUs than this are not tried.
MAX_GPUS = 100_000


@dataclass(frozen=True)
class Sizing:
    """How many GPUs a target takes.

    Attributes
    ----------
    gpus
        The fewest for which a placement within the target was found; ``None`` if none was found.
    lower_bound
        Fewer than this are proved not to do. ``math.inf`` where no number of them does.
    placement
        On `gpus` GPUs, within the target.
    target
        The target.
    reason
        For an infinite bound, the model that no such GPU can hold within the target.
    evidence
        The run that excluded one GPU fewer than `lower_bound`, with its certificate; ``None``
        where the volume alone, or a model alone, does.
    """

    gpus: int | None
    lower_bound: int | float
    placement: Placement | None
    target: Fraction
    reason: str = ""
    evidence: Result | None = None

    @property
    def proved(self) -> bool:
        """Whether fewer are excluded, or every number is."""
        return self.lower_bound == math.inf or self.gpus == self.lower_bound


def size(
    instance: Instance,
    target: Number,
    *,
    gpu: str | None = None,
    time_limit: float | None = 60,
) -> Sizing:
    """The fewest GPUs of a kind on which a fleet has a maximum KVPR of at most a target.

    Parameters
    ----------
    instance
        The fleet; its models and their groups count, its GPUs only as kinds.
    target
        The largest KVPR that is wanted, above 0.
    gpu
        The name of the GPU of the fleet that is multiplied; needed where its GPUs differ.
    time_limit
        Seconds, ``None`` for no limit.

    Raises
    ------
    InputError
        If the target is not above 0, the GPU is not one of the fleet, or models are tied to GPUs
        by name or to nodes, so that copies of one GPU cannot serve them.
    """
    wanted = read_target(target)
    kind = _kind(instance, gpu)
    _check_free(instance)
    limits = Limits(time_limit)
    lacking = _too_large(instance, kind, wanted)
    if lacking:
        return Sizing(None, math.inf, None, wanted, reason=lacking)
    number = _by_volume(instance, kind, wanted)
    evidence: Result | None = None
    bound = number
    while number <= MAX_GPUS:
        made = decide(_with(instance, kind, number), wanted, limits)
        if made.possible:
            return Sizing(number, bound, made.result.placement, wanted, evidence=evidence)
        if made.possible is False and bound == number:
            bound, evidence = number + 1, made.result
        if made.possible is None and limits.stopped:
            return _first_that_does(instance, kind, wanted, bound, evidence)
        number += 1
    return Sizing(None, bound, None, wanted, evidence=evidence)


def _first_that_does(
    instance: Instance, kind: GPU, target: Fraction, bound: int, evidence: Result | None
) -> Sizing:
    """After the time was up: more GPUs until the heuristic places the fleet."""
    from kvpr_opt.solve import heuristic

    number = bound
    while number <= MAX_GPUS:
        placement = heuristic(_with(instance, kind, number))
        if placement is not None and placement.max_kvpr <= target:
            return Sizing(number, bound, placement, target, evidence=evidence)
        number += max(1, number // 20)
    return Sizing(None, bound, None, target, evidence=evidence)


def _kind(instance: Instance, name: str | None) -> GPU:
    if name is not None:
        if name not in instance.gpu_index:
            raise InputError(f"the fleet has no GPU {name!r}", place="gpu")
        return instance.gpus[instance.gpu_index[name]]
    kinds = {(gpu.memory, gpu.reserved, gpu.labels) for gpu in instance.gpus}
    if len(kinds) > 1:
        raise InputError(
            f"the fleet has {len(kinds)} kinds of GPU; name the one to multiply", place="gpu"
        )
    return instance.gpus[0]


def _check_free(instance: Instance) -> None:
    tied = instance.constraints
    if tied.restrictions or tied.uses_nodes:
        raise InputError(
            "models are tied to GPUs or nodes (pin, only, never, shards, spread over nodes); the "
            "number of GPUs is known only for models that may run on any",
            place="models",
        )


def _with(instance: Instance, kind: GPU, number: int) -> Instance:
    alike = replace(kind, uuid=None, index=None, node=None)
    gpus = [replace(alike, name=f"{kind.name}-{index}") for index in range(number)]
    return instance.replace(gpus=gpus)


def _too_large(instance: Instance, kind: GPU, target: Fraction) -> str:
    """The models that are above the target alone on a GPU, in words; empty if none is."""
    names = [
        model.name
        for model in instance.models
        if model.pressure + target * model.footprint > target * kind.usable
    ]
    if not names:
        return ""
    shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if names[5:] else "")
    return f"alone on such a GPU, the target is exceeded by {shown}"


def _by_volume(instance: Instance, kind: GPU, target: Fraction) -> int:
    items = sum(model.pressure + target * model.footprint for model in instance.models)
    return max(1, math.ceil(items / (target * kind.usable)))
