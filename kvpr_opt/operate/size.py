"""The fewest GPUs of a type that keep a fleet within a target, with the proof that fewer do not.

At a fixed threshold this is one-dimensional bin packing with bins of one size, and the bound is
that of Gilmore and Gomory (1961, doi:10.1287/opre.9.6.849).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from kvpr_opt.drawing.rows import amount, counted
from kvpr_opt.errors import InputError
from kvpr_opt.limits import Limits
from kvpr_opt.operate.decision import decide
from kvpr_opt.operate.target import read_target
from kvpr_opt.problem.exact import exact_sum
from kvpr_opt.problem.gpu import GPU
from kvpr_opt.problem.instance import Instance, Number
from kvpr_opt.problem.llm import LLM
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Result
from kvpr_opt.text import listed

#: Maximum number of GPUs to try.
MAX_GPUS = 100_000

# Maximum names listed; beyond that, only their number.
_MAX_NAMES = 5


@dataclass(frozen=True)
class Sizing:
    """How many GPUs a target requires.

    Attributes
    ----------
    gpus
        The fewest for which a placement within the target was found; ``None`` if none was found.
    lower_bound
        Fewer GPUs than this are proved insufficient. ``math.inf`` if no number is enough.
    placement
        A placement on `gpus` GPUs within the target.
    target
        The target.
    reason
        A sentence: why fewer are not enough or, for an infinite bound, which models no such
        GPU can serve within the target.
    evidence
        The run that excluded one GPU fewer than `lower_bound`, with its certificate; ``None``
        if no run was needed, or the time was up.
    """

    gpus: int | None
    lower_bound: int | float
    placement: Placement | None
    target: Fraction
    reason: str = ""
    evidence: Result | None = None

    @property
    def proved(self) -> bool:
        """Whether fewer GPUs are excluded, or every number of them."""
        return self.lower_bound == math.inf or self.gpus == self.lower_bound


def size(
    instance: Instance,
    target: Number,
    *,
    gpu: str | None = None,
    time_limit: float | None = 60,
) -> Sizing:
    """The fewest GPUs of one type on which a fleet's maximum KVPR is at most a target.

    Parameters
    ----------
    instance
        The fleet: its models and their groups; its GPUs matter only as types.
    target
        The largest acceptable KVPR, above 0.
    gpu
        The name of the GPU of the fleet to multiply; required if its GPUs differ.
    time_limit
        Seconds, ``None`` for no limit.

    Raises
    ------
    InputError
        If the target is not above 0, the GPU is not one of the fleet, or models are tied to GPUs
        by name or to nodes, so that copies of one GPU cannot serve them.
    """
    wanted = read_target(target)
    template = _template(instance, gpu)
    _check_free(instance)
    limits = Limits(time_limit)
    lacking = _too_large(instance, template, wanted)
    if lacking:
        return Sizing(None, math.inf, None, wanted, reason=lacking)
    with limits.heeding_signals():
        return _search(instance, template, wanted, limits)


def _search(instance: Instance, template: GPU, target: Fraction, limits: Limits) -> Sizing:
    """One GPU more at a time, from the fewest that the volume allows."""
    number = bound = _by_volume(instance, template, target)
    evidence: Result | None = None
    placement: Placement | None = None
    while placement is None and number <= MAX_GPUS:
        made = decide(_with(instance, template, number), target, limits)
        if made.possible:
            placement = made.result.placement
            break
        if made.possible is False and bound == number:
            bound, evidence = number + 1, made.result
        if made.possible is None and limits.stopped:
            number, placement = _first_that_does(instance, template, target, bound)
            break
        number += 1
    if evidence is None and bound > 1 and not limits.stopped:
        # The volume bound already shows it: this run ends at once and gives the certificate.
        evidence = decide(_with(instance, template, bound - 1), target, limits).result
    return Sizing(
        None if placement is None else number,
        bound,
        placement,
        target,
        reason=_reason(instance, template, target, bound),
        evidence=evidence,
    )


def _first_that_does(
    instance: Instance, template: GPU, target: Fraction, number: int
) -> tuple[int, Placement | None]:
    """After the time is up: add GPUs until the heuristic places the fleet."""
    from kvpr_opt.solve import heuristic

    while number <= MAX_GPUS:
        placement = heuristic(_with(instance, template, number))
        if placement is not None and placement.max_kvpr <= target:
            return number, placement
        number += max(1, number // 20)
    return number, None


def _template(instance: Instance, name: str | None) -> GPU:
    """The GPU to multiply."""
    if name is not None:
        if name not in instance.gpu_index:
            raise InputError(f"the fleet has no GPU {name!r}", place="gpu")
        return instance.gpus[instance.gpu_index[name]]
    types = {(gpu.memory, gpu.reserved, gpu.labels) for gpu in instance.gpus}
    if len(types) > 1:
        raise InputError(
            f"the fleet has {len(types)} types of GPU; name the one to multiply", place="gpu"
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


def _with(instance: Instance, template: GPU, number: int) -> Instance:
    """The models of a fleet on so many copies of a GPU; where they run now is of no matter."""
    alike = replace(template, uuid=None, index=None, node=None)
    gpus = [replace(alike, name=f"{template.name}-{index}") for index in range(number)]
    return instance.replace(
        gpus=gpus,
        models=[
            replace(model, current=()) if model.current else model for model in instance.declared
        ],
    )


def _too_large(instance: Instance, template: GPU, target: Fraction) -> str:
    """The models that exceed the target even alone on a GPU, as text; empty if there are none."""
    names = [m.name for m in instance.models if _room(m, target) > template.usable]
    if not names:
        return ""
    shown = listed(map(repr, names), _MAX_NAMES)
    return f"even alone on a GPU like {template.name!r}, the target is exceeded by {shown}"


def _room(model: LLM, target: Fraction) -> Fraction:
    """Memory that a model needs within a target: its own, and what must stay free for it."""
    return model.footprint + model.pressure / target


def _volume(instance: Instance, target: Fraction) -> Fraction:
    return exact_sum(_room(model, target) for model in instance.models)


def _by_volume(instance: Instance, template: GPU, target: Fraction) -> int:
    return max(1, math.ceil(_volume(instance, target) / template.usable))


def _reason(instance: Instance, template: GPU, target: Fraction, bound: int) -> str:
    """Why fewer GPUs than a bound are not enough."""
    if bound == 1:
        return "there is no fewer than one"
    fewer = counted(bound - 1, "GPU")
    if bound > _by_volume(instance, template, target):
        return f"on {fewer}, no placement is within the target"
    unit = f" {instance.unit}" if instance.unit else ""
    return (
        f"within the target the models take {amount(_volume(instance, target))}{unit}, memory that "
        f"must stay free for their KV caches included; {fewer} {'has' if bound == 2 else 'have'} "
        f"{amount((bound - 1) * template.usable)}{unit}"
    )
