"""The two neighbourhoods of local search, evaluated for all candidates at once.

For a *source* GPU in each candidate: move any of its models to any other GPU, or
swap it with any model elsewhere. The pairs of a candidate and a model on its source
GPU form one flat list, so there is no Python loop over models, GPUs or candidates,
except over blocks of the list if it is long.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kvpr_opt._types import BoolArray, FloatArray, IntArray
from kvpr_opt.heuristics.arrays import kvpr_of
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.limits import Limits

#: Values evaluated at once: a few dozen megabytes and a few hundredths of a second.
_BLOCK = 1 << 20


def make_best_move(
    candidates: Candidates, rows: IntArray, source: IntArray, limits: Limits | None = None
) -> BoolArray:
    """Make the best improving move of one model out of the source GPU of each row, in place.

    The best move minimises the larger KVPR of the two GPUs; it is improving if
    that is below the KVPR of the source. Ties go to the first model, then to the
    first GPU.

    Parameters
    ----------
    candidates
        The batch.
    rows
        Which of its candidates, all distinct.
    source
        By row: the GPU to relieve.
    limits
        If stopped on the way, no move is made.

    Returns
    -------
    array of bool
        By row: whether a move was made.
    """
    at, model = np.nonzero(candidates.assign[rows] == source[:, None])

    def values(part: slice) -> FloatArray:
        return move_values(candidates, rows[at[part]], source[at[part]], model[part])

    found = lowest_of_each(values, len(at), candidates.fleet.gpus, limits)
    if found is None:
        return np.zeros(len(rows), dtype=bool)
    target, value = found
    pick, lowest = lowest_of_group(value, at, len(rows))
    better: BoolArray = lowest < candidates.kvpr[rows, source]
    chosen = pick[better]
    candidates.move(rows[better], model[chosen], target[chosen])
    return better


def make_best_swap(
    candidates: Candidates,
    rows: IntArray,
    source: IntArray,
    partner: IntArray | None = None,
    limits: Limits | None = None,
) -> BoolArray:
    """Make the best improving swap of two models in each row, in place.

    One model is on the source GPU, the other on `partner` or, without one, on any other GPU.
    Best, improving, ties, limits and the result are as for :func:`make_best_move`.
    """
    at, model = np.nonzero(candidates.assign[rows] == source[:, None])

    def values(part: slice) -> FloatArray:
        row = rows[at[part]]
        value = _swap_values(candidates, row, source[at[part]], model[part])
        if partner is not None:
            value[candidates.assign[row] != partner[at[part]][:, None]] = np.inf
        return value

    found = lowest_of_each(values, len(at), candidates.fleet.models, limits)
    if found is None:
        return np.zeros(len(rows), dtype=bool)
    other, value = found
    pick, lowest = lowest_of_group(value, at, len(rows))
    better: BoolArray = lowest < candidates.kvpr[rows, source]
    chosen = pick[better]
    candidates.swap(rows[better], model[chosen], other[chosen])
    return better


def move_values(
    candidates: Candidates, row: IntArray, source: IntArray, model: IntArray
) -> FloatArray:
    """The larger KVPR of the two GPUs after a move, for each pair and target GPU.

    A pair is a candidate `row` and a `model` on its GPU `source`. Shape (pairs,
    GPUs); ``inf`` where the model does not fit, and for the source itself.
    """
    fleet = candidates.fleet
    size, load = fleet.sizes[model], fleet.pressures[model]
    left = kvpr_of(candidates.pressure[row, source] - load, candidates.free[row, source] + size)
    free = candidates.free[row] - size[:, None]
    value = kvpr_of(candidates.pressure[row] + load[:, None], free)
    np.maximum(value, left[:, None], out=value)
    value[free < 0] = np.inf
    value[np.arange(len(row)), source] = np.inf
    return value


def _swap_values(
    candidates: Candidates, row: IntArray, source: IntArray, model: IntArray
) -> FloatArray:
    """As :func:`move_values`, for a swap with each model: shape (pairs, models)."""
    fleet = candidates.fleet
    size = fleet.sizes[model][:, None] - fleet.sizes
    load = fleet.pressures[model][:, None] - fleet.pressures
    near_free = candidates.free[row, source][:, None] + size
    near = kvpr_of(candidates.pressure[row, source][:, None] - load, near_free)
    gpu = candidates.assign[row]
    cell = (row[:, None], gpu)
    far_free = candidates.free[cell] - size
    far = kvpr_of(candidates.pressure[cell] + load, far_free)
    value = np.maximum(near, far)
    value[(near_free < 0) | (far_free < 0) | (gpu == source[:, None])] = np.inf
    return value


def lowest_of_each(
    values: Callable[[slice], FloatArray], pairs: int, width: int, limits: Limits | None
) -> tuple[IntArray, FloatArray] | None:
    """Position and value of the first minimum in each row of a table computed block by block.

    Parameters
    ----------
    values
        Some rows of the table.
    pairs, width
        Its shape.
    limits
        Checked between blocks.

    Returns
    -------
    positions and values, or None
        ``None`` if there is no row, or the limits stopped it.
    """
    if not pairs:
        return None
    position, lowest = np.empty(pairs, dtype=np.intp), np.empty(pairs)
    rows = max(1, _BLOCK // max(width, 1))
    for first in range(0, pairs, rows):
        if first and limits and limits.stopped:
            return None
        part = slice(first, first + rows)
        value = values(part)
        position[part] = value.argmin(axis=1)
        lowest[part] = value[np.arange(len(value)), position[part]]
    return position, lowest


def lowest_of_group(value: FloatArray, group: IntArray, groups: int) -> tuple[IntArray, FloatArray]:
    """Position and value of the first minimum in each group.

    `group` is ascending. A group without entries gets the value ``inf``.
    """
    pick = np.zeros(groups, dtype=np.intp)
    lowest = np.full(groups, np.inf)
    order = np.lexsort((value, group))
    first = np.ones(len(order), dtype=bool)
    first[1:] = group[1:] != group[:-1]
    pick[group[first]] = order[first]
    lowest[group[first]] = value[order[first]]
    return pick, lowest
