"""Knapsack by value: the least load that reaches each value. Compiled kernels.

Pricing asks for the most valuable sets of items within each capacity. With integer
values the dynamic program over the value reached (Kellerer, Pferschy and
Pisinger 2004, doi:10.1007/978-3-540-24777-7, section 2.3) is exact whatever
the size of the weights, and one table answers every capacity at once. Its rows
are monotone (least load of a value of *at least* v), so a table of the first
items and one of the last items combine, in one sweep, into the best set through
each item.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Counts, Ints, Words
from kvpr_opt.kernels import compiled

#: Pairs of values compared at once by :func:`best_split`.
PAIRS = 256


@compiled
def value_limit(sizes: Ints, values: Ints, capacity: int) -> int:
    """An upper bound on the value of any set of items within the capacity (fractional)."""
    order = np.argsort(-(values / np.maximum(sizes, 1)), kind="mergesort")
    room, total = capacity, 0
    for i in order:
        if sizes[i] <= room:
            room -= sizes[i]
            total += values[i]
        else:
            # Rounded up, with a margin for the float error of the ratio.
            return total + int(np.ceil(values[i] * (room / sizes[i]) * (1 + 1e-9))) + 1
    return int(total)


@compiled
def _extend(below: Ints, above: Ints, size: int, value: int) -> None:
    """Add an item: `above` becomes the least loads with it; `below` holds those without."""
    edge = min(value, below.size - 1) + 1
    above[0] = 0
    above[1:edge] = size
    # Two plain loops, which compile to vector code in the width of the rows.
    _on_top(below[1:], above[edge:], size)
    _lower_of(below, above)


@compiled
def _on_top(below: Ints, above: Ints, size: int) -> None:
    for v in range(above.size):
        above[v] = below[v] + size


@compiled
def _lower_of(below: Ints, above: Ints) -> None:
    for v in range(below.size):
        without, taken = below[v], above[v]
        above[v] = taken if taken < without else without


@compiled
def least_loads(sizes: Ints, values: Ints, top: int, limit: int) -> Ints:
    """Least load of each value 0..top over all sets of items; `limit` + 1 means above `limit`."""
    row = np.full(top + 1, limit + 1, dtype=np.int64)
    row[0] = 0
    other = np.empty_like(row)
    for i in range(sizes.size):
        _extend(row, other, sizes[i], values[i])
        row, other = other, row
    return row


def least_loads_by_prefix(sizes: Ints, values: Ints, top: int, limit: int) -> Ints:
    """Row i: least loads over the first i items, in 32 bits if these suffice."""
    wide = limit >= 1 << 30
    table = np.empty((sizes.size + 1, top + 1), dtype=np.int64 if wide else np.int32)
    _tabulate(sizes, values, limit, table)
    return table


@compiled
def _tabulate(sizes: Ints, values: Ints, limit: int, table: Ints) -> None:
    table[0, :] = limit + 1
    table[0, 0] = 0
    for i in range(sizes.size):
        _extend(table[i], table[i + 1], sizes[i], values[i])


@compiled
def best_value(loads: Ints, capacity: int) -> int:
    """The largest value whose least load is within the capacity."""
    return int(np.searchsorted(loads, capacity, side="right")) - 1


@compiled
def distinct_values(loads: Ints, capacity: int, wanted: int, keep: int) -> Ints:
    """The largest values above `wanted` whose least loads are within the capacity.

    Of values with the same least load only the largest is returned; at most `keep` in all.
    """
    reached = np.empty(keep, dtype=np.int64)
    number, load = 0, -1
    for value in range(best_value(loads, capacity), max(wanted, 0), -1):
        if number == keep:
            break
        if loads[value] != load:
            reached[number] = value
            number, load = number + 1, loads[value]
    return reached[:number]


@compiled
def _unwind(
    table: Ints, rows: int, value: int, values: Ints, owner: Ints, copies: Ints, pattern: Ints
) -> None:
    """Add to `pattern` a set of the first `rows` items that reaches `value` with least load."""
    v = value
    for i in range(rows - 1, -1, -1):
        if v <= 0:
            return
        if table[i + 1, v] != table[i, v]:
            pattern[owner[i]] += copies[i]
            v = max(0, v - values[i])


@compiled
def _fill(pattern: Ints, room: int, sizes: Ints, owner: Ints, copies: Ints, counts: Ints) -> None:
    """Add items that still fit, in the order given: a larger set covers no less."""
    for i in range(sizes.size):
        c = owner[i]
        if sizes[i] <= room and pattern[c] + copies[i] <= counts[c]:
            pattern[c] += copies[i]
            room -= sizes[i]


@compiled
def _least_sum(before: Ints, after: Ints, sums: Ints) -> int:
    """The least sum of an entry of `before` and its counterpart from the end of `after`."""
    # Two plain loops, which compile to vector code in the width of the rows.
    for j in range(before.size):
        sums[j] = before[j] + after[before.size - 1 - j]
    least = sums[0]
    for j in range(before.size):
        value = sums[j]
        least = value if value < least else least
    return int(least)


@compiled
def best_split(before: Ints, after: Ints, sums: Ints, room: int, wanted: int) -> tuple[int, int]:
    """The pair of values of largest sum whose least loads in two rows fit together.

    If no sum is above `wanted`, the pair returned has that sum. `sums` is overwritten.
    """
    top, end = before.size - 1, best_value(before, room) + 1
    at, reach = 0, best_value(after, room)
    if reach < wanted:
        at, reach = -1, wanted
    # A larger sum is looked for by blocks: in most there is none.
    for first in range(max(0, reach + 1 - top), end, sums.size):
        start, last = max(first, reach + 1 - top), min(first + sums.size, end)
        if start >= last:
            continue
        far = last > reach + 2  # values of `before` that are enough alone
        if not far:
            others = after[reach + 2 - last : reach + 2 - start]
            if _least_sum(before[start:last], others, sums) > room:
                continue
        for u in range(start, last):
            v = reach + 1 - u
            while v <= top and (v < 0 or before[u] + after[v] <= room):
                at, v = u, v + 1
            reach = u + v - 1
    return at, reach - at


def best_through_each(
    sizes: Ints, values: Ints, owner: Ints, copies: Ints, counts: Ints, capacities: Ints,
    wanted: Ints, top: int,
) -> tuple[Counts, Ints, Ints]:  # fmt: skip
    """For each item and capacity, the most valuable set that contains it.

    Parameters
    ----------
    sizes, values, owner, copies
        By item. An item stands for `copies` copies of the class `owner`.
    counts
        By class: how many copies a set may hold.
    capacities, wanted
        By type; only sets worth more than `wanted` are returned.
    top
        An upper bound on the value of every set.

    Returns
    -------
    The sets (counts by class), the type of each, and the largest value by type.
    """
    limit = int(capacities.max())
    first = least_loads_by_prefix(sizes, values, top, limit)
    last = least_loads_by_prefix(sizes[::-1].copy(), values[::-1].copy(), top, limit)
    return _through_each(sizes, values, owner, copies, counts, capacities, wanted, first, last)


@compiled
def _through_each(
    sizes: Ints, values: Ints, owner: Ints, copies: Ints, counts: Ints, capacities: Ints,
    wanted: Ints, first: Ints, last: Ints,
) -> tuple[Counts, Ints, Ints]:  # fmt: skip
    """As :func:`best_through_each`, given the tables of the first and of the last items."""
    n, types = sizes.size, capacities.size
    best = np.empty(types, dtype=np.int64)
    for k in range(types):
        best[k] = best_value(first[n], capacities[k])
    patterns = np.zeros((n * types, counts.size), dtype=np.int16)
    kind_of = np.empty(n * types, dtype=np.int64)
    found = 0
    pattern = np.zeros(counts.size, dtype=np.int64)
    sums = np.empty(PAIRS, dtype=first.dtype)
    for i in range(n):
        before, after = first[i], last[n - 1 - i]
        for k in range(types):
            room = capacities[k] - sizes[i]
            if room < 0:
                continue
            u, v = best_split(before, after, sums, room, wanted[k] - values[i])
            if values[i] + u + v <= wanted[k]:
                continue
            pattern[:] = 0
            pattern[owner[i]] = copies[i]
            _unwind(first, i, u, values, owner, copies, pattern)
            _unwind(last, n - 1 - i, v, values[::-1], owner[::-1], copies[::-1], pattern)
            _fill(pattern, room - before[u] - after[v], sizes, owner, copies, counts)
            patterns[found, :] = pattern
            kind_of[found] = k
            found += 1
    return patterns[:found], kind_of[:found], best


@compiled
def _loads_and_choices(sizes: Ints, values: Ints, top: int, limit: int) -> tuple[Ints, Words]:
    """Least loads over all items, and a bit per entry: whether the item lowered the load."""
    row = np.full(top + 1, limit + 1, dtype=np.int64)
    row[0] = 0
    other = np.empty_like(row)
    taken = np.zeros((sizes.size, top // 64 + 1), dtype=np.uint64)
    for i in range(sizes.size):
        _extend(row, other, sizes[i], values[i])
        for block in range(top // 64 + 1):
            bits = np.uint64(0)
            start = block * 64
            for v in range(start, min(start + 64, top + 1)):
                bits |= np.uint64(other[v] < row[v]) << np.uint64(v - start)
            taken[i, block] = bits
        row, other = other, row
    return row, taken


@compiled
def best_of_all(
    sizes: Ints, values: Ints, owner: Ints, copies: Ints, counts: Ints, capacities: Ints,
    wanted: Ints, top: int, keep: int,
) -> tuple[Counts, Ints, Ints]:  # fmt: skip
    """The most valuable sets for each capacity, for values too fine for a whole table.

    As :func:`best_through_each`, but returns sets of different values, not one for each
    item; at most `keep` per type.
    """
    n, types = sizes.size, capacities.size
    loads, taken = _loads_and_choices(sizes, values, top, capacities.max())
    best = np.empty(types, dtype=np.int64)
    patterns = np.zeros((keep * types, counts.size), dtype=np.int16)
    kind_of = np.empty(keep * types, dtype=np.int64)
    pattern = np.zeros(counts.size, dtype=np.int64)
    found = 0
    for k in range(types):
        best[k] = best_value(loads, capacities[k])
        for reach in distinct_values(loads, capacities[k], wanted[k], keep):
            pattern[:] = 0
            v = reach
            for i in range(n - 1, -1, -1):
                if v > 0 and (taken[i, v // 64] >> np.uint64(v % 64)) & np.uint64(1):
                    pattern[owner[i]] += copies[i]
                    v = max(0, v - values[i])
            _fill(pattern, capacities[k] - loads[reach], sizes, owner, copies, counts)
            patterns[found, :] = pattern
            kind_of[found] = k
            found += 1
    return patterns[:found], kind_of[:found], best
