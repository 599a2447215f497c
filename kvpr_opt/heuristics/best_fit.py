"""A first placement of a nearly full fleet: best fit decreasing, in O(n log n) steps.

The greedy construction spreads the models and finds no room for the last ones when memory is
tight. Best fit decreasing fills GPUs instead: largest model first, each to the GPU where it
leaves the least room (Johnson 1973; at most 11/9 of the GPUs needed plus a constant). At a
threshold T the sizes are n + T m and the rooms T C; as T grows to infinity, only memory counts.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

import numpy as np

from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.limits import Limits

#: The first threshold, as a multiple of a lower bound, and those tried next while they pack.
_FIRST, _LOWER = 2.0, (1.2, 1.05, 1.02, 1.01, 1.005)

#: Rooms in one block; a block is split at twice as many.
_BLOCK = 256

#: Share of a GPU left free at a threshold, as a margin for float rounding.
_MARGIN = 1e-9


def best_fit(fleet: FleetArrays, bound: float, *, limits: Limits | None = None) -> Candidates:
    """Return one placement of finite KVPR, if best fit decreasing finds one.

    It first tries a generous threshold, then memory alone; after that the threshold falls
    while packing succeeds.

    In practice O(thresholds (models + GPUs) log GPUs); inserting into a block of rooms is a
    short memory move.

    Parameters
    ----------
    fleet
        The fleet.
    bound
        A lower bound on the maximum KVPR, above 0.
    limits
        When to stop with the first placement.

    Returns
    -------
    Candidates
        One placement, or none.
    """
    found = _at_threshold(fleet, _FIRST * bound)
    if found is None:
        sizes, pressures = fleet.sizes.tolist(), fleet.pressures.tolist()
        gpu_of = _pack(sizes, fleet.capacities.tolist(), pressures)
        rows = np.array([gpu_of] if gpu_of is not None else [], dtype=np.intp)
        return Candidates(fleet, rows.reshape(-1, fleet.models))
    for factor in _LOWER:
        if limits is not None and limits.stopped:
            break
        lower = _at_threshold(fleet, factor * bound)
        if lower is None:
            break
        found = lower
    return found


def _at_threshold(fleet: FleetArrays, threshold: float) -> Candidates | None:
    weights = fleet.pressures + threshold * fleet.sizes
    gpu_of = _pack(weights.tolist(), (threshold * fleet.capacities * (1 - _MARGIN)).tolist())
    if gpu_of is None:
        return None
    candidates = Candidates(fleet, np.array([gpu_of], dtype=np.intp))
    legal = np.isfinite(candidates.maximum()[0]) and candidates.free.min() >= 0
    return candidates if legal else None


def _pack(
    weights: Sequence[float], rooms: Sequence[float], pressures: Sequence[float] | None = None
) -> list[int] | None:
    """Best fit decreasing: the bin of each item, or ``None`` if an item found no room.

    With `pressures`, weights and rooms are whole numbers, and no bin that holds any pressure
    is filled to the last unit.
    """
    free = _Rooms(rooms)
    pressed = [False] * len(rooms)
    bin_of = [0] * len(weights)
    for item in sorted(range(len(weights)), key=lambda i: -weights[i]):
        weight = weights[item]
        under_pressure = pressures is not None and pressures[item] > 0
        found = free.take(weight + 1 if under_pressure else weight)
        if found is None:
            return None
        room, chosen = found
        if pressures is not None and room == weight and pressed[chosen]:
            # An item without pressure must not fill a bin that has some: take one with more room.
            other = free.take(weight + 1)
            free.put(room, chosen)
            if other is None:
                return None
            room, chosen = other
        pressed[chosen] = pressed[chosen] or under_pressure
        free.put(room - weight, chosen)
        bin_of[item] = chosen
    return bin_of


class _Rooms:
    """The rooms of all bins in rising order, in blocks to keep insertions cheap."""

    def __init__(self, rooms: Sequence[float]) -> None:
        entries = sorted((room, place) for place, room in enumerate(rooms))
        self._blocks = [entries[i : i + _BLOCK] for i in range(0, len(entries), _BLOCK)]
        self._largest = [block[-1] for block in self._blocks]

    def take(self, least: float) -> tuple[float, int] | None:
        """Remove the smallest room of at least `least`."""
        key = (least, -1)
        at = bisect_left(self._largest, key)
        if at == len(self._blocks):
            return None
        block = self._blocks[at]
        entry = block.pop(bisect_left(block, key))
        if not block:
            del self._blocks[at], self._largest[at]
        else:
            self._largest[at] = block[-1]
        return entry

    def put(self, room: float, place: int) -> None:
        """Insert a room."""
        entry = (room, place)
        at = min(bisect_left(self._largest, entry), len(self._blocks) - 1)
        if at < 0:
            self._blocks, self._largest = [[entry]], [entry]
            return
        block = self._blocks[at]
        insort(block, entry)
        self._largest[at] = block[-1]
        if len(block) > 2 * _BLOCK:
            upper = block[_BLOCK:]
            del block[_BLOCK:]
            self._blocks.insert(at + 1, upper)
            self._largest[at : at + 1] = [block[-1], upper[-1]]
