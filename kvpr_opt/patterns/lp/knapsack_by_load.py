"""Knapsack by load: the largest value at each load. Compiled kernels.

The dynamic program over the capacity (Kellerer, Pferschy and Pisinger 2004,
doi:10.1007/978-3-540-24777-7, section 2.3). Its table grows with the capacity in
integers but not with the values. If it fits in memory, duals of the pattern LP can
be priced to nine digits. Near the optimum, where all GPUs are nearly full, that
decides thresholds which duals of six digits leave open.

One row is updated in place, item after item, from the highest load down and in
blocks that stay in the fastest cache, at about four entries a nanosecond.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Counts, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.limits import LimitsView

#: Values of a set stay below this, so that adding one more item still fits into 32 bits. (At the
#: few loads beyond the capacity, which pad a byte and are never read, they may exceed it.)
MAX_VALUE = 2**30

#: Maximum table length: with its flags a table takes five bytes an entry, and a bit per item.
MAX_LOADS = 50_000_000

#: Marks a load that no set has; it stays negative whatever is added to it.
_NONE = np.int32(-(2**31))

#: Table entries computed between checks of the limits: some tens of milliseconds.
_ENTRIES_AT_ONCE = 200_000_000

#: Loads updated at once; a multiple of eight.
BLOCK = 4096

_Row = NDArray[np.int32]
_Bits = NDArray[np.uint8]

#: Multiplying eight bytes of 0 or 1 by this gathers them as the bits of the top byte.
_GATHER = np.uint64(0x0102040810204080)


@compiled
def _raise_block(row: _Row, below: _Row, flags: _Bits, value: np.int32) -> None:
    """Add an item to the loads below wherever that is worth more, and flag those loads."""
    # Branch-free and in 32 bits throughout, so that it compiles to vector code.
    for load in range(row.size):
        reached = np.int32(below[load] + value)
        best = row[load]
        better = reached > best
        row[load] = reached if better else best
        flags[load] = better


@compiled
def add_item(row: _Row, size: int, value: np.int32, flags: _Bits, taken: _Bits) -> None:
    """Add an item to a row in place; `taken`, unless empty, gets a bit for each load."""
    words = flags.view(np.uint64)
    first = (row.size - 1) // BLOCK * BLOCK
    while first >= 0:
        end = min(first + BLOCK, row.size)
        start = max(first, size)
        if start >= end:
            taken[: min(end, taken.size * 8) // 8] = 0
            break
        flags[: start - first] = 0
        below = row[start - size : end - size]
        if size < BLOCK:
            below = below.copy()  # the block itself overwrites these
        _raise_block(row[start:end], below, flags[start - first : end - first], value)
        if taken.size:
            for word in range((end - first) // 8):
                taken[first // 8 + word] = np.uint8((words[word] * _GATHER) >> np.uint64(56))
        first -= BLOCK


@compiled
def _add_items(row: _Row, sizes: Ints, values: _Row, taken: _Bits) -> None:
    """Add items to a row; `taken`, unless empty, gets a row of bits for each."""
    flags = np.zeros(BLOCK, np.uint8)
    for i in range(sizes.size):
        add_item(row, sizes[i], values[i], flags, taken[i])


def empty_row(capacity: int) -> _Row:
    """A row for the loads 0..capacity with no items yet, padded to a multiple of eight."""
    row = np.full(-(-(capacity + 1) // 8) * 8, _NONE, dtype=np.int32)
    row[0] = 0
    return row


def most_by_load(
    sizes: Ints, values: Ints, capacity: int, limits: LimitsView
) -> tuple[_Row, _Bits] | None:
    """The largest value of a set of exactly each load 0..capacity, and how to reach it.

    Parameters
    ----------
    sizes, values
        By item. No set within the capacity may be worth :data:`MAX_VALUE`.
    limits
        ``None`` is returned if they stop the work.

    Returns
    -------
    By load, the largest value, negative if there is no set; and by item, a bit per
    load: whether the item is in the best set of the items up to it.
    """
    row = empty_row(capacity)
    taken = np.empty((len(sizes), len(row) // 8), dtype=np.uint8)
    step = max(1, _ENTRIES_AT_ONCE // len(row))
    for first in range(0, len(sizes), step):
        if limits.stopped:
            return None
        some = slice(first, first + step)
        _add_items(row, sizes[some], values[some].astype(np.int32), taken[some])
    return row[: capacity + 1], taken


def most_values(sizes: Ints, values: Ints, capacities: Ints) -> Ints:
    """The largest value of a set within each capacity; values as in :func:`most_by_load`."""
    row = empty_row(int(capacities.max()))
    _add_items(row, sizes, values.astype(np.int32), np.empty((len(sizes), 0), dtype=np.uint8))
    return np.array([row[: capacity + 1].max() for capacity in capacities], dtype=np.int64)


@compiled
def best_loads(row: _Row, lowest: int, highest: int, wanted: int, most: int) -> Ints:
    """At most `most` loads from `lowest` to `highest` worth more than `wanted`, best first.

    Takes time linear in the loads scanned; meant for keeping only a few.
    """
    loads, values = np.empty(most, np.int64), np.empty(most, np.int64)
    kept = 0
    for load in range(highest, max(lowest, 0) - 1, -1):
        value = np.int64(row[load])
        if value <= wanted or (kept == most and value <= values[kept - 1]):
            continue
        at = min(kept, most - 1)
        while at > 0 and values[at - 1] < value:
            loads[at], values[at] = loads[at - 1], values[at - 1]
            at -= 1
        loads[at], values[at] = load, value
        kept = min(kept + 1, most)
    return loads[:kept]


@compiled
def sets_of_loads(
    taken: _Bits, sizes: Ints, owner: Ints, copies: Ints, loads: Ints, classes: int
) -> Counts:
    """The best sets of some loads, as counts by class; an item stands for copies of its class."""
    patterns = np.zeros((loads.size, classes), dtype=np.int16)
    for row in range(loads.size):
        load = loads[row]
        for i in range(sizes.size - 1, -1, -1):
            if (taken[i, load // 8] >> np.uint8(load % 8)) & np.uint8(1):
                patterns[row, owner[i]] += copies[i]
                load -= sizes[i]
    return patterns
