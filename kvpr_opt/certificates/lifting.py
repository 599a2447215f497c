"""From a bound of the rounded fleet to the exact value of a placement.

Where pressures are rounded down (see :mod:`kvpr_opt.problem.scaled`), the best bound falls
short of the best placement by the rounding, even where that placement is optimal. But points
and counts that refute everything below a value mostly do so in finer numbers, too. So the
pressures are rounded once more, to a unit that divides those on the worst GPUs: these GPUs
keep their exact KVPR, and the same argument is tried just below it.
"""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction

from kvpr_opt.certificates.certificate import as_points
from kvpr_opt.certificates.evidence import (
    Counting,
    DualVector,
    LowerBound,
    Refuted,
    Rounded,
    Tree,
    Volume,
)
from kvpr_opt.limits import Limits
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import PackingProblem, ScaledInstance
from kvpr_opt.verify import LIMITS, Bins, Item, refute

#: Bits of the finer unit, times the models, up to which it is tried.
MAX_BITS = 1 << 25


def lift(placement: Placement, bound: LowerBound, limits: Limits) -> LowerBound | None:
    """The value of a placement as a bound, by the argument of a bound a little below it.

    Parameters
    ----------
    placement
        A placement of finite KVPR.
    bound
        A certified bound of its fleet, whose pressures are rounded.
    limits
        Looked at before the work; a Ctrl-C ends it.

    Returns
    -------
    LowerBound or None
        ``None`` where the argument does not hold there, which proves nothing.
    """
    instance, value = placement.instance, placement.max_kvpr
    if isinstance(value, float) or isinstance(bound.evidence, Rounded) or limits.stopped:
        return None
    unit = _unit(placement)
    if unit.denominator.bit_length() * len(instance.models) > MAX_BITS:
        return None
    scaled = instance.rounded(unit)
    if isinstance(scaled, ConstrainedInstance):
        return None  # the routine knows no constraints
    problem = scaled.packing(scaled.below(value))
    proof = _again(scaled, problem, value, bound, limits)
    return None if proof is None else LowerBound(value, Rounded(unit, proof))


def _unit(placement: Placement) -> Fraction:
    """A unit as fine as the rounding that divides all pressures on the worst GPUs."""
    instance = placement.instance
    rounding = instance.scaled.rounding
    assert rounding is not None, "the pressures of the fleet are rounded"
    worst = {gpu.name for gpu in instance.gpus if placement.kvpr[gpu.name] == placement.max_kvpr}
    denominators = [
        model.pressure.denominator
        for model in instance.models
        if placement.assignment[model.name] in worst
    ]
    return Fraction(1, math.lcm(rounding.denominator, *denominators))


def _again(
    scaled: ScaledInstance,
    problem: PackingProblem,
    value: Fraction,
    bound: LowerBound,
    limits: Limits,
) -> Volume | Counting | DualVector | Tree | None:
    """The argument of a bound for another packing problem, if it holds there."""
    match bound.evidence:
        case Volume():
            return Volume() if sum(problem.sizes) > sum(problem.capacities) else None
        case Counting() as counting:
            points = as_points(scaled, value, counting)
            return counting if _refuted(scaled, problem, points, 0, limits) else None
        case DualVector() as points:
            work = points.row_work(problem.sizes, max(problem.capacities))
            if work is None or not _refuted(scaled, problem, points, 0, limits):
                return None
            return points
        case Tree() as tree:
            refuted = _refuted(scaled, problem, tree, LIMITS.cases, limits)
            return refuted and Tree(tree.models, tree.gpus, refuted)
    return None


def _refuted(
    scaled: ScaledInstance,
    problem: PackingProblem,
    points: DualVector | Tree,
    cases: int,
    limits: Limits,
) -> Refuted | None:
    """What the routine of the checker says to points."""
    items: tuple[Item, ...] = tuple(zip(problem.sizes, points.models, strict=True))
    bins: tuple[Bins, ...] = tuple(
        (len(gpu_type.gpus), problem.capacities[gpu_type.gpus[0]], limit)
        for gpu_type, limit in zip(scaled.types, points.gpus, strict=True)
    )

    def look() -> str:
        # It refuses where this proves nothing, or is too much work.
        with suppress(ValueError, TimeoutError):
            return refute(items, bins, cases)
        return ""

    said = limits.call_interruptibly(look, seconds=limits.remaining)
    return Refuted(items, bins, said) if said else None
