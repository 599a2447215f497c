"""Knapsack by load: the most value of each load. Compiled kernels.

The dynamic program over the capacity (Kellerer, Pferschy and Pisinger 2004,
doi:10.1007/978-3-540-24777-7, section 2.3). Its table grows with the capacity in
integers and not at all with the values, so that where it fits, duals of the
pattern LP can be priced to the last of nine digits. Near the optimum, where all
GPUs are nearly full, that decides thresholds which duals of six digits leave open.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Counts, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.limits import LimitsView

#: Values of a set stay below this, so that one more item fits into 32 bits, too. (At the few
#: loads beyond the capacity, which fill up a byte and are never read, they may not.)
MAX_VALUE = 2**30

#: The longest table: with its flags and copies it takes nine bytes an entry.
MAX_LOADS = 50_000_000

#: Marks a load that no set has.
_NONE = np.int32(-(2**31))

#: Entries of a table between two looks at the limits: some tens of milliseconds.
_ENTRIES_AT_ONCE = 40_000_000

_Row = NDArray[np.int32]
_Bits = NDArray[np.uint8]

#: Eight bytes that are 0 or 1, times this: the top byte has them as its bits.
_GATHER = np.uint64(0x0102040810204080)


@compiled
def _with_item(without: _Row, shifted: _Row, result: _Row, value: np.int32) -> None:
    """The better of two rows: the item left out, or the item on top of the shifted loads."""
    # Without branches and in 32 bits throughout, so that it becomes vector code.
    for load in range(shifted.size):
        below = shifted[load]
        reached = np.int32(below + value) if below >= np.int32(0) else _NONE
        best = without[load]
        result[load] = reached if reached > best else best


@compiled
def _add(row: _Row, other: _Row, size: int, value: np.int32) -> None:
    """Add an item to a row; `other` becomes the row as it was."""
    other[:] = row
    size = min(size, row.size)
    _with_item(other[size:], other[: row.size - size], row[size:], value)


@compiled
def _differ(one: _Row, other: _Row, flags: _Bits) -> None:
    for load in range(one.size):
        flags[load] = one[load] != other[load]


@compiled
def _extend(row: _Row, other: _Row, flags: _Bits, sizes: Ints, values: _Row, taken: _Bits) -> None:
    """Add items to a row; `taken` gets a row for each, with a bit for each load."""
    words = flags.view(np.uint64)
    for i in range(sizes.size):
        _add(row, other, sizes[i], values[i])
        _differ(row, other, flags)
        for word in range(words.size):
            taken[i, word] = np.uint8((words[word] * _GATHER) >> np.uint64(56))


def most_by_load(
    sizes: Ints, values: Ints, capacity: int, limits: LimitsView
) -> tuple[_Row, _Bits] | None:
    """The most value of the sets of exactly each load 0..capacity, and how to reach it.

    Parameters
    ----------
    sizes, values
        By item. No set within the capacity may be worth :data:`MAX_VALUE`.
    limits
        ``None`` is returned where they came first.

    Returns
    -------
    By load the most value, negative where there is no set; and by item, a bit by
    load: whether the item is in the best set of the items up to it.
    """
    if limits.stopped:
        return None
    length = -(-(capacity + 1) // 8) * 8
    row = np.full(length, _NONE, dtype=np.int32)
    row[0] = 0
    other, flags = np.empty_like(row), np.zeros(length, dtype=np.uint8)
    taken = np.empty((len(sizes), length // 8), dtype=np.uint8)
    step = max(1, _ENTRIES_AT_ONCE // length)
    for first in range(0, len(sizes), step):
        if limits.stopped:
            return None
        some = slice(first, first + step)
        _extend(row, other, flags, sizes[some], values[some].astype(np.int32), taken[some])
    return row[: capacity + 1], taken


@compiled
def _with_items(row: _Row, other: _Row, sizes: Ints, values: _Row) -> None:
    for i in range(sizes.size):
        _add(row, other, sizes[i], values[i])


def most_values(sizes: Ints, values: Ints, capacities: Ints) -> Ints:
    """The most value of the sets within each capacity; values as in :func:`most_by_load`."""
    row = np.full(int(capacities.max()) + 1, _NONE, dtype=np.int32)
    row[0] = 0
    _with_items(row, np.empty_like(row), sizes, values.astype(np.int32))
    return np.array([row[: capacity + 1].max() for capacity in capacities], dtype=np.int64)


@compiled
def sets_of_loads(taken: _Bits, sizes: Ints, owner: Ints, loads: Ints, classes: int) -> Counts:
    """The best sets of some loads, as counts by class."""
    patterns = np.zeros((loads.size, classes), dtype=np.int16)
    for row in range(loads.size):
        load = loads[row]
        for i in range(sizes.size - 1, -1, -1):
            if (taken[i, load // 8] >> np.uint8(load % 8)) & np.uint8(1):
                patterns[row, owner[i]] += 1
                load -= sizes[i]
    return patterns
