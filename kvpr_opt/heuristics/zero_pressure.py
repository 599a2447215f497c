"""Two passes over the models without pressure: one moves a few of them, one repacks them all.

A model without pressure still takes memory, and so raises the KVPR of its GPU.
:func:`move_zeros` is the redistribution of the seed heuristic
*zero_n_memory_redistribution*: it looks at the worst GPU only and makes the
best single move while one helps. :func:`refill` takes all of these models out
and repacks them: for a target t, a GPU whose models with pressure have total
size M+ and total pressure N has C - M+ - N / t memory to spare, so placing the
others is bin packing with bins of these sizes.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import BoolArray, FloatArray, IntArray
from kvpr_opt.heuristics.arrays import FleetArrays, kvpr_of
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.heuristics.neighbourhood import lowest_of_each, lowest_of_group, move_values
from kvpr_opt.limits import Limits

#: Maximum moves of zero-pressure models per candidate.
ZERO_MOVES = 400

#: Targets that the refill tries at once, and how often it narrows them down.
_TARGETS, _ROUNDS = 12, 4


def move_zeros(
    candidates: Candidates,
    rows: IntArray | None = None,
    *,
    limits: Limits | None = None,
    cap: int = ZERO_MOVES,
) -> BoolArray:
    """Move zero-pressure models off the worst GPU of each candidate while that helps, in place.

    Up to `cap` times: consider the zero-pressure models on the worst GPU, largest
    first, and all GPUs with room for them, and make the single move that lowers
    the maximum KVPR most; stop when none lowers it. Ties go to the larger model,
    then to input order. If two GPUs are equally bad, no single move lowers the
    maximum and nothing happens: this is the seed's pass, unchanged.

    Returns
    -------
    array of bool, shape (B,)
        Which candidates were changed.
    """
    changed = np.zeros(len(candidates), dtype=bool)
    fleet = candidates.fleet
    live = np.arange(len(candidates)) if rows is None else rows
    largest_first = _zeros_largest_first(fleet)
    if fleet.gpus < 2 or not len(largest_first):
        return changed
    for _ in range(cap):
        if not len(live) or (limits and limits.stopped):
            break
        improved = _move_one(candidates, live, largest_first, limits)
        live = live[improved]
        changed[live] = True
    return changed


def _move_one(
    candidates: Candidates, rows: IntArray, zeros: IntArray, limits: Limits | None
) -> BoolArray:
    """Make the best move of a zero-pressure model in each row; return which rows had one."""
    source = candidates.kvpr[rows].argmax(axis=1)
    at, position = np.nonzero(candidates.assign[rows][:, zeros] == source[:, None])
    elsewhere = _largest_elsewhere(candidates.kvpr[rows], source)

    def values(part: slice) -> FloatArray:
        row = at[part]
        value = move_values(candidates, rows[row], source[row], zeros[position[part]])
        return np.maximum(value, elsewhere[row], out=value)

    found = lowest_of_each(values, len(at), candidates.fleet.gpus, limits)
    if found is None:
        return np.zeros(len(rows), dtype=bool)
    target, value = found
    pick, lowest = lowest_of_group(value, at, len(rows))
    better: BoolArray = lowest < candidates.kvpr[rows, source]
    chosen = pick[better]
    candidates.move(rows[better], zeros[position[chosen]], target[chosen])
    return better


def _largest_elsewhere(kvpr: FloatArray, source: IntArray) -> FloatArray:
    """For each row and GPU h: the largest KVPR of the GPUs other than `source` and h."""
    rows = np.arange(len(kvpr))
    others = kvpr.copy()
    others[rows, source] = -np.inf
    second = others.argmax(axis=1)
    largest = np.repeat(others[rows, second][:, None], kvpr.shape[1], axis=1)
    others[rows, second] = -np.inf
    largest[rows, second] = others.max(axis=1)
    return largest


def refill(
    candidates: Candidates, rows: IntArray | None = None, *, limits: Limits | None = None
) -> BoolArray:
    """Take out all zero-pressure models of each candidate and repack them, in place.

    The smallest target t for which best fit decreasing packs them is
    approached from both sides, several t at a time. A candidate is replaced
    only by one with a lower maximum.

    Returns
    -------
    array of bool, shape (B,)
        Which candidates were changed.

    Notes
    -----
    O(Z GPUs) per target and candidate, Z the number of zero-pressure models.
    Best fit decreasing is not monotone in t; the search treats it as if it
    were, so the t it ends at is locally the smallest.
    """
    changed = np.zeros(len(candidates), dtype=bool)
    fleet = candidates.fleet
    zeros = _zeros_largest_first(fleet)
    if fleet.gpus < 2 or not len(zeros):
        return changed
    live = np.arange(len(candidates)) if rows is None else rows
    spare, demand = _without_zeros(candidates, live, zeros)
    # No KVPR above zero is below 1 / (largest capacity): a finite floor for 1 / t.
    low = np.maximum(kvpr_of(demand, spare).max(axis=1), 1 / (fleet.capacities.max() + 1))
    high = candidates.kvpr[live].max(axis=1)
    for _ in range(_ROUNDS):
        keep = low < high * (1 - 1e-9)
        live, spare, demand, low, high = (a[keep] for a in (live, spare, demand, low, high))
        if not len(live) or (limits and limits.stopped):
            break
        targets = _targets(low, high)
        gpu_of, packed = _pack_zeros(fleet.sizes[zeros], spare, demand, targets, limits)
        each = np.arange(len(live))
        first = np.where(packed.any(axis=1), packed.argmax(axis=1), _TARGETS)
        hit = np.flatnonzero(first < _TARGETS)
        assign = candidates.assign[live[hit]]
        assign[:, zeros] = gpu_of[hit, first[hit]]
        filled = Candidates(fleet, assign)
        better = filled.maximum() < candidates.kvpr[live[hit]].max(axis=1)
        candidates.replace(live[hit[better]], filled, np.flatnonzero(better))
        changed[live[hit[better]]] = True
        high[hit] = np.minimum(targets[hit, first[hit]], candidates.kvpr[live[hit]].max(axis=1))
        low = np.where(first > 0, targets[each, first - 1], high)
    return changed


def _zeros_largest_first(fleet: FleetArrays) -> IntArray:
    order = np.argsort(-fleet.sizes, kind="stable")
    return order[fleet.zero[order]]


def _without_zeros(
    candidates: Candidates, rows: IntArray, zeros: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Free memory and pressure by GPU of each row, without its zero-pressure models."""
    free, pressure = candidates.free[rows].copy(), candidates.pressure[rows].copy()
    each = np.arange(len(rows))
    for model in zeros:
        gpu = candidates.assign[rows, model]
        free[each, gpu] += candidates.fleet.sizes[model]
        pressure[each, gpu] -= candidates.fleet.pressures[model]
    return free, pressure


def _targets(low: FloatArray, high: FloatArray) -> FloatArray:
    """Targets from `low` up towards `high`, shape (rows, targets).

    Evenly spaced in 1 / t, since the memory to spare is linear in it; `high`
    may be infinite.
    """
    parts = np.arange(_TARGETS) / _TARGETS
    inverse = (1 / low)[:, None] * (1 - parts) + (1 / high)[:, None] * parts
    return 1 / inverse


def _pack_zeros(
    sizes: FloatArray,
    spare: FloatArray,
    demand: FloatArray,
    targets: FloatArray,
    limits: Limits | None,
) -> tuple[IntArray, BoolArray]:
    """Best fit of models without pressure, in the given order, for each row and target.

    Returns the GPU by row, target and model, and whether all models fit; if stopped,
    none do.
    """
    rows, gpus = spare.shape
    # Sizes are whole, so room may be rounded down; the slack absorbs the division's error.
    room = np.floor(spare[:, None] - demand[:, None] / targets[:, :, None] * (1 - 1e-12))
    room = room.reshape(-1, gpus)
    gpu_of = np.zeros((len(room), len(sizes)), dtype=np.intp)
    packed = np.ones(len(room), dtype=bool)
    each = np.arange(len(room))
    for step, size in enumerate(sizes):
        if limits and limits.stopped:
            packed[:] = False
            break
        gpu = np.where(room >= size, room, np.inf).argmin(axis=1)
        gpu_of[:, step] = gpu
        packed &= room[each, gpu] >= size
        room[each, gpu] -= size
    return gpu_of.reshape(rows, _TARGETS, -1), packed.reshape(rows, _TARGETS)
