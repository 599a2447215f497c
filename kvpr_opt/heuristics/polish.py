"""Polishing and levelling of placements found elsewhere."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from kvpr_opt.heuristics import constrained
from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.heuristics.improvement import descend, level_off, swap_worst_pair
from kvpr_opt.heuristics.plan import StagePlan
from kvpr_opt.heuristics.repartition import repartition
from kvpr_opt.heuristics.zero_pressure import move_zeros, refill
from kvpr_opt.limits import Limits
from kvpr_opt.problem.placement import Kvpr, Placement


def polish(
    placement: Placement,
    *,
    skip: Collection[str] = frozenset(),
    limits: Limits | None = None,
) -> Placement:
    """Improve one placement by the zero-pressure passes and local search.

    In order, repeated while the maximum falls: zero-pressure moves, refill,
    moves and swaps out of the worst GPU, swaps between the two worst, exact
    repartition of the worst with one other, and relief (lower the next-worst
    GPUs, then the worst again).

    Parameters
    ----------
    placement
        Any placement, even one of infinite maximum.
    skip
        Stages to leave out, as for :func:`~kvpr_opt.heuristics.pipeline.run`;
        those of construction have no effect here.
    limits
        When to stop with what there is.

    Returns
    -------
    Placement
        A placement of lower maximum KVPR, or `placement` itself.

    Raises
    ------
    InputError
        If `skip` names an unknown stage.
    """
    fleet = FleetArrays.of(placement.instance)
    plan, limits = StagePlan.of(fleet, skip), limits or Limits()
    if placement.instance.constraints:
        return constrained.improve(placement, limits)
    candidate = _batch(fleet, placement)
    moves, swaps = plan.runs("moves"), plan.runs("swaps")
    before = None
    while len(placement.gpu_of) and candidate.maximum()[0] != before and not limits.stopped:
        before = candidate.maximum()[0]
        if plan.runs("zero_moves"):
            move_zeros(candidate, limits=limits)
        if plan.runs("refill"):
            refill(candidate, limits=limits)
        descend(candidate, moves=moves, swaps=swaps, limits=limits)
        if plan.runs("worst_pair_swaps"):
            swap_worst_pair(candidate, limits=limits)
        if plan.runs("repartition"):
            repartition(candidate, limits=limits)
        if plan.runs("relief"):
            level_off(candidate, moves=moves, swaps=swaps, limits=limits)
            descend(candidate, moves=moves, swaps=swaps, limits=limits)
    return better_of(placement, candidate)


def level(placement: Placement, *, limits: Limits | None = None) -> Placement:
    """Lower the next-worst GPUs in turn, never raising the maximum.

    Meant for a placement whose maximum is settled. Moves and swaps relieve the worst
    GPU that can still be relieved, then the next, for at most four steps per GPU.
    The only guarantee is that the KVPRs, in decreasing order, are lexicographically
    no larger than before.

    Parameters
    ----------
    placement
        Any placement.
    limits
        When to stop with what there is.
    """
    if placement.instance.constraints:
        levelled = constrained.level(placement, limits or Limits())
        return min(levelled, placement, key=_profile)
    fleet = FleetArrays.of(placement.instance)
    candidate = _batch(fleet, placement)
    if len(placement.gpu_of):
        level_off(candidate, limits=limits)
    levelled = _placement(candidate)
    return min(levelled, placement, key=_profile)


def better_of(placement: Placement, candidate: Candidates) -> Placement:
    """The candidate as a placement if its maximum is exactly lower, else `placement`."""
    result = _placement(candidate)
    return result if result.max_kvpr < placement.max_kvpr else placement


def _batch(fleet: FleetArrays, placement: Placement) -> Candidates:
    return Candidates(fleet, np.array([placement.gpu_of], dtype=np.intp))


def _placement(candidate: Candidates) -> Placement:
    return Placement(candidate.fleet.instance, candidate.assign[0].tolist())


def _profile(placement: Placement) -> list[Kvpr]:
    return sorted(placement.kvpr.values(), reverse=True)
