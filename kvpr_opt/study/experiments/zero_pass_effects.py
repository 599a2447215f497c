"""What the zero-pressure passes are worth, measured at each position where they could run.

The worth of a pass depends on what ran before it. After a descent by single
moves, for instance, a pass that moves single models off the worst GPU has
nothing left to do, but right after construction it may help. This module takes
the constructions of a fleet one by one and applies each pass at each position to
the same placement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kvpr_opt._types import BoolArray
from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.heuristics.construction import ORDERS, POLICIES, RECIPES, Rows, greedy, pack
from kvpr_opt.heuristics.improvement import descend
from kvpr_opt.heuristics.insertion import memory_packing, regret_insertion
from kvpr_opt.heuristics.thresholds import lower_bound
from kvpr_opt.heuristics.zero_pressure import move_zeros, refill
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Kvpr, Placement

#: What runs before a pass: only the construction, also the descent by moves, or
#: the descent by moves and swaps.
MEASURED_AFTER = ("construction", "moves", "moves_and_swaps")

_PASSES: dict[str, Callable[[Candidates], BoolArray]] = {
    "zero_moves": move_zeros,
    "refill": refill,
}


@dataclass(frozen=True)
class Effect:
    """One pass applied to one placement.

    Attributes
    ----------
    construction
        Where the placement comes from, a key of :func:`starts`.
    measured_after
        What ran before the pass, of :data:`MEASURED_AFTER`.
    zero_pass
        ``"zero_moves"`` or ``"refill"``.
    before, after
        Maximum KVPR, exact; `after` is never above `before`.
    """

    construction: str
    measured_after: str
    zero_pass: str
    before: Kvpr
    after: Kvpr


def starts(instance: Instance) -> dict[str, Placement]:
    """One placement from each construction, by name; those that found none are omitted.

    ``greedy``; the nine recipes of parametric packing, as ``order/policy``, at
    the lower bound on the maximum KVPR; ``regret``; ``memory/...`` four ways.
    Maxima may be infinite.
    """
    batch, names = _starts(FleetArrays.of(instance))
    return dict(zip(names, _placements(batch), strict=True))


def zero_pass_effects(instance: Instance) -> tuple[Effect, ...]:
    """Apply each zero-pressure pass to each start of a fleet, at each position.

    Parameters
    ----------
    instance
        The fleet.

    Returns
    -------
    tuple of Effect
        By position, then pass, then construction.
    """
    batch, names = _starts(FleetArrays.of(instance))
    effects = []
    for position in MEASURED_AFTER:
        if position != "construction":
            descend(batch, swaps=position == "moves_and_swaps")
        before = [placement.max_kvpr for placement in _placements(batch)]
        for name, apply in _PASSES.items():
            copy = batch.take(np.arange(len(batch)))
            apply(copy)
            after = [placement.max_kvpr for placement in _placements(copy)]
            effects += [
                Effect(construction, position, name, *values)
                for construction, *values in zip(names, before, after, strict=True)
            ]
    return tuple(effects)


def _starts(fleet: FleetArrays) -> tuple[Candidates, list[str]]:
    if not fleet.may_fit:
        return Candidates.joined(fleet, []), []
    low = lower_bound(fleet)
    first, regret = greedy(fleet, low), regret_insertion(fleet, low)
    packing = pack(fleet, Rows.of(np.array([low])))
    memory, ways = memory_packing(fleet)
    recipes = [RECIPES[row] for row in packing.row]
    names = [
        *["greedy"] * len(first),
        *(f"{ORDERS[order]}/{POLICIES[policy]}" for order, policy in recipes),
        *["regret"] * len(regret),
        *(f"memory/{way}" for way in ways),
    ]
    return Candidates.joined(fleet, [first, packing.candidates, regret, memory]), names


def _placements(batch: Candidates) -> list[Placement]:
    return [Placement(batch.fleet.instance, row.tolist()) for row in batch.assign]
