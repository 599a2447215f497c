"""Where to look for the threshold: float lower bounds and the search for the smallest T.

The bounds here only start the search; the certified ones are computed with
exact numbers in :mod:`kvpr_opt.search.bounds`.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import FloatArray
from kvpr_opt.heuristics.arrays import FleetArrays, kvpr_of
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.heuristics.construction import RECIPES, Rows, pack
from kvpr_opt.limits import Limits

#: Thresholds that the sharing bound tries at once.
_GRID = 32

#: Rounds of the sharing bound, each starting from the largest threshold refuted.
_PASSES = 12

#: Relative precision at which the search for the smallest threshold ends.
_CLOSE = 1e-2


def lower_bound(fleet: FleetArrays) -> float:
    """A lower bound on the maximum KVPR, in float arithmetic; above 0.

    The maximum of: total pressure over the memory that all weights leave free;
    the KVPR of a model alone on the largest GPU; and the sharing bound, which
    says that of the k G + 1 largest items at a threshold T some k + 1 must
    share a GPU, so the k + 1 smallest of them must fit on the largest. This
    covers pairs and triples that cannot share a GPU, and k large models that
    need k GPUs.
    """
    largest = fleet.capacities.max()
    spare = np.array([fleet.capacities.sum() - fleet.sizes.sum()])
    volume = kvpr_of(np.array([fleet.pressures.sum()]), spare)[0]
    alone = kvpr_of(fleet.pressures, largest - fleet.sizes).max(initial=0.0)
    # No KVPR above zero is below 1 / (largest capacity); no finite one is above all pressure.
    bound = max(float(volume), float(alone), 1 / (largest + 1))
    bound = min(bound, max(float(fleet.pressures.sum()), 1.0))
    return _sharing_bound(fleet, bound)


def _sharing_bound(fleet: FleetArrays, bound: float) -> float:
    """Raise `bound` while the sharing argument refutes a threshold above it."""
    k = np.arange(1, (fleet.models - 1) // fleet.gpus + 1)
    if not len(k):
        return bound
    last = k * fleet.gpus + 1
    for _ in range(_PASSES):
        grid = bound * (1 + np.geomspace(1e-3, 1.0, _GRID))
        items = -np.sort(-(fleet.pressures + grid[:, None] * fleet.sizes), axis=1)
        below = np.concatenate([np.zeros((_GRID, 1)), items.cumsum(axis=1)], axis=1)
        shared = below[:, last] - below[:, last - (k + 1)]
        refuted = (shared > grid[:, None] * fleet.capacities.max() * (1 + 1e-9)).any(axis=1)
        if not refuted.any():
            break
        bound = float(grid[refuted].max())
    return bound


def search(
    fleet: FleetArrays,
    low: float,
    high: float,
    *,
    sections: int,
    rounds: int,
    limits: Limits | None = None,
) -> tuple[Candidates, float]:
    """Find, for each recipe, the smallest threshold at which it packs.

    Instead of bisecting one recipe forty times, each round tries `sections`
    thresholds per recipe at once, in even ratios, and keeps the interval below
    the smallest that packs.

    Parameters
    ----------
    fleet
        The fleet.
    low
        A lower bound above 0.
    high
        The upper end, such as the maximum of a placement; may be infinite.
    sections
        Thresholds per recipe and round.
    rounds
        Maximum number of rounds.
    limits
        Checked in every step.

    Returns
    -------
    candidates
        All placements built on the way, packed or not.
    threshold
        The smallest T at which a recipe packed, ``inf`` if it never did.
    """
    # No finite KVPR exceeds the total pressure over one unit of memory.
    most = max(low, float(fleet.pressures.sum())) if np.isinf(high) else high
    lows: FloatArray = np.full(len(RECIPES), low)
    highs: FloatArray = np.full(len(RECIPES), max(most, low) * (1 + 1e-9))
    found = np.zeros(len(RECIPES), dtype=bool)
    each = np.arange(len(RECIPES))
    batches: list[Candidates] = []
    for _ in range(rounds):
        thresholds = _between(lows, highs, sections)
        built = pack(fleet, Rows.of(thresholds), limits=limits)
        batches.append(built.candidates)
        table = built.packed.reshape(len(RECIPES), sections)
        hit = table.any(axis=1)
        first = np.where(hit, table.argmax(axis=1), sections - 1)
        found |= hit
        lows = np.where(hit & (first > 0), thresholds[each, first - 1], lows)
        highs = np.where(hit, thresholds[each, first], highs)
        if not found.any() or (highs / lows)[found].max() < 1 + _CLOSE:
            break
        if limits and limits.stopped:
            break
    return Candidates.joined(fleet, batches), float(highs[found].min(initial=np.inf))


def _between(lows: FloatArray, highs: FloatArray, sections: int) -> FloatArray:
    """Thresholds from just above each low up to its high, in equal ratios."""
    parts = np.arange(1, sections + 1) / sections
    thresholds: FloatArray = lows[:, None] * (highs / lows)[:, None] ** parts
    return thresholds
