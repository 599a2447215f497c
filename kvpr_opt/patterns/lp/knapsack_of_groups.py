"""Knapsack with groups from which at most one item is taken. Compiled kernels.

The multiple-choice knapsack problem (Kellerer, Pferschy and Pisinger 2004,
doi:10.1007/978-3-540-24777-7, chapter 11): a table gets one row for each *stage*, and a
stage has options of which at most one is taken. The items of a group are the options of
one stage; so are one, two, three, ... copies of a class that is in no group. As for the
knapsack without groups, there are tables by value and by load.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Counts, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.patterns.lp.knapsack_by_load import BLOCK, add_item, best_loads, empty_row
from kvpr_opt.patterns.lp.knapsack_by_value import (
    PAIRS,
    best_split,
    best_value,
    distinct_values,
)

_Choices = NDArray[np.int16]
_Row = NDArray[np.int32]
_Table = NDArray[np.int8]
_Bits = NDArray[np.uint8]


@compiled
def _add_stage(below: Ints, above: Ints, sizes: Ints, values: Ints, begin: int, end: int) -> None:
    """Add a stage: `above` becomes the least loads with it; `below` holds those without."""
    above[:] = below
    for o in range(begin, end):
        size, value = sizes[o], values[o]
        edge = min(value, below.size - 1) + 1
        for v in range(1, edge):
            above[v] = min(above[v], size)
        _on_top(below[: below.size - edge + 1][1:], above[edge:], size)


@compiled
def _on_top(below: Ints, above: Ints, size: int) -> None:
    # A plain loop of one operation, which compiles to vector code.
    for v in range(above.size):
        load, known = below[v] + size, above[v]
        above[v] = load if load < known else known


@compiled
def least_loads_by_stage(
    sizes: Ints, values: Ints, starts: Ints, backwards: bool, top: int, limit: int
) -> Ints:
    """Row s: least load of each value 0..top over the first (or last) s stages.

    Parameters
    ----------
    sizes, values
        By option.
    starts
        By stage, its first option; then the total number of options.
    backwards
        Whether to start from the last stage.
    """
    stages = starts.size - 1
    table = np.empty((stages + 1, top + 1), dtype=np.int64)
    table[0, :] = limit + 1
    table[0, 0] = 0
    for i in range(stages):
        s = stages - 1 - i if backwards else i
        _add_stage(table[i], table[i + 1], sizes, values, starts[s], starts[s + 1])
    return table


@compiled
def _unwind(
    table: Ints, rows: int, value: int, sizes: Ints, values: Ints, owner: Ints, copies: Ints,
    starts: Ints, backwards: bool, pattern: Ints,
) -> None:  # fmt: skip
    """Add to `pattern` a set of the first `rows` stages of a table that reaches the value."""
    stages, v = starts.size - 1, value
    for i in range(rows - 1, -1, -1):
        if v <= 0:
            return
        least = table[i + 1, v]
        if least == table[i, v]:
            continue
        s = stages - 1 - i if backwards else i
        for o in range(starts[s], starts[s + 1]):
            if table[i, max(0, v - values[o])] + sizes[o] == least:
                pattern[owner[o]] += copies[o]
                v = max(0, v - values[o])
                break


@compiled
def _fill(pattern: Ints, room: int, sizes: Ints, usable: Ints, counts: Ints, member: Ints) -> None:
    """Add items that still fit and break no rule: a larger set covers no less."""
    taken = np.zeros(member.shape[0], dtype=np.int64)
    for g in range(taken.size):
        for c in range(pattern.size):
            taken[g] += member[g, c] * pattern[c]
    for c in usable:
        while sizes[c] <= room and pattern[c] < counts[c]:
            free = True
            for g in range(taken.size):
                if member[g, c] and taken[g]:
                    free = False
            if not free:
                break
            pattern[c] += 1
            room -= sizes[c]
            for g in range(taken.size):
                taken[g] += member[g, c]


@compiled
def best_through_options(
    sizes: Ints, values: Ints, owner: Ints, copies: Ints, starts: Ints, first: Ints, last: Ints,
    of_class: Ints, usable: Ints, counts: Ints, member: Ints, capacities: Ints, wanted: Ints,
    begin: int, end: int,
) -> tuple[Counts, Ints]:  # fmt: skip
    """For each option of some stages and each capacity, the most valuable set that contains it.

    Parameters
    ----------
    sizes, values, owner, copies
        By option: its size and value, its class, and its number of items.
    first, last
        The tables of :func:`least_loads_by_stage`, forwards and backwards.
    of_class, usable, counts, member
        Sizes by class; the classes that may be added, largest first; how many items of
        each class a set may hold; and by group and class, whether the class is a member.
    capacities, wanted
        By bin; only sets worth more than `wanted` are returned.
    begin, end
        The first of the stages, and the one after the last.

    Returns
    -------
    The sets (counts by class), and the bin of each.
    """
    stages, bins = starts.size - 1, capacities.size
    most = (starts[end] - starts[begin]) * bins
    patterns = np.zeros((most, counts.size), dtype=np.int16)
    bin_of = np.empty(most, dtype=np.int64)
    found = 0
    pattern = np.zeros(counts.size, dtype=np.int64)
    sums = np.empty(PAIRS, dtype=first.dtype)
    for s in range(begin, end):
        before, after = first[s], last[stages - 1 - s]
        for o in range(starts[s], starts[s + 1]):
            for k in range(bins):
                room = capacities[k] - sizes[o]
                if room < 0:
                    continue
                u, v = best_split(before, after, sums, room, wanted[k] - values[o])
                if values[o] + u + v <= wanted[k]:
                    continue
                pattern[:] = 0
                pattern[owner[o]] = copies[o]
                _unwind(first, s, u, sizes, values, owner, copies, starts, False, pattern)
                _unwind(
                    last, stages - 1 - s, v, sizes, values, owner, copies, starts, True, pattern
                )
                _fill(pattern, room - before[u] - after[v], of_class, usable, counts, member)
                patterns[found, :] = pattern
                bin_of[found] = k
                found += 1
    return patterns[:found], bin_of[:found]


@compiled
def _with_choices(
    sizes: Ints, values: Ints, starts: Ints, top: int, limit: int
) -> tuple[Ints, _Choices]:
    """Least loads over all stages and, by stage and value, the option taken or -1."""
    stages = starts.size - 1
    row = np.full(top + 1, limit + 1, dtype=np.int64)
    row[0] = 0
    other = np.empty_like(row)
    choices = np.full((stages, top + 1), -1, dtype=np.int16)
    for s in range(stages):
        other[:] = row
        for o in range(starts[s], starts[s + 1]):
            size, value, choice = sizes[o], values[o], np.int16(o - starts[s])
            for v in range(1, top + 1):
                load = row[max(0, v - value)] + size
                if load < other[v]:
                    other[v] = load
                    choices[s, v] = choice
        row, other = other, row
    return row, choices


@compiled
def best_by_value(
    sizes: Ints, values: Ints, owner: Ints, copies: Ints, starts: Ints, of_class: Ints,
    usable: Ints, counts: Ints, member: Ints, capacities: Ints, wanted: Ints, top: int, keep: int,
) -> tuple[Counts, Ints, Ints]:  # fmt: skip
    """At most `keep` most valuable sets for each capacity, of different values.

    As :func:`best_through_options`, for values too fine for two whole tables.
    """
    bins = capacities.size
    loads, choices = _with_choices(sizes, values, starts, top, capacities.max())
    best = np.empty(bins, dtype=np.int64)
    patterns = np.zeros((keep * bins, counts.size), dtype=np.int16)
    bin_of = np.empty(keep * bins, dtype=np.int64)
    pattern = np.zeros(counts.size, dtype=np.int64)
    found = 0
    for k in range(bins):
        best[k] = best_value(loads, capacities[k])
        for reach in distinct_values(loads, capacities[k], wanted[k], keep):
            pattern[:] = 0
            v = reach
            for s in range(starts.size - 2, -1, -1):
                if v > 0 and choices[s, v] >= 0:
                    o = starts[s] + choices[s, v]
                    pattern[owner[o]] += copies[o]
                    v = max(0, v - values[o])
            _fill(pattern, capacities[k] - loads[reach], of_class, usable, counts, member)
            patterns[found, :] = pattern
            bin_of[found] = k
            found += 1
    return patterns[:found], bin_of[:found], best


@compiled
def _take_option(
    below: _Row, above: _Row, choices: NDArray[np.int8], value: np.int32, choice: np.int8
) -> None:
    """Add an option: improve the values by load, and mark the loads that use it."""
    # Branch-free, so that it compiles to vector code.
    for load in range(above.size):
        reached, known = np.int32(below[load] + value), above[load]
        better = reached > known
        above[load] = reached if better else known
        choices[load] = choice if better else choices[load]


@compiled
def _add_stages(
    row: _Row, sizes: Ints, values: _Row, starts: Ints, taken: _Bits, choices: _Table
) -> None:
    """Add all stages to a row of values by load, in place.

    For a stage of one option, `taken` gets a row of bits, as in the knapsack without groups;
    for a stage of several, `choices` gets the option of each load, or -1. An array without
    columns is left alone.
    """
    flags = np.zeros(BLOCK, np.uint8)
    before = np.empty_like(row)
    single, several = 0, 0
    for s in range(starts.size - 1):
        begin, end = starts[s], starts[s + 1]
        if end - begin == 1:
            add_item(row, sizes[begin], values[begin], flags, taken[single])
            single += 1
            continue
        before[:] = row
        for o in range(begin, end):
            size = sizes[o]
            below, above = before[: row.size - size], row[size:]
            if choices.shape[1]:
                of_option = np.int8(o - begin)
                _take_option(below, above, choices[several, size:], values[o], of_option)
            else:
                _raise_row(below, above, values[o])
        several += 1


@compiled
def _raise_row(below: _Row, above: _Row, value: np.int32) -> None:
    """Add an option of a stage: improve the values by load."""
    for load in range(above.size):
        reached, known = np.int32(below[load] + value), above[load]
        above[load] = reached if reached > known else known


@compiled
def _sets_of_loads(
    sizes: Ints, owner: Ints, copies: Ints, starts: Ints, taken: _Bits, choices: _Table,
    loads: Ints, classes: int,
) -> Counts:  # fmt: skip
    """The best sets of some loads, as counts by class."""
    patterns = np.zeros((loads.size, classes), dtype=np.int16)
    for place in range(loads.size):
        left = loads[place]
        single, several = taken.shape[0], choices.shape[0]
        for s in range(starts.size - 2, -1, -1):
            o = starts[s]
            if starts[s + 1] - o == 1:
                single -= 1
                if not (taken[single, left // 8] >> np.uint8(left % 8)) & np.uint8(1):
                    continue
            else:
                several -= 1
                if choices[several, left] < 0:
                    continue
                o += choices[several, left]
            patterns[place, owner[o]] += copies[o]
            left -= sizes[o]
    return patterns


def best_by_load(
    sizes: Ints, values: Ints, owner: Ints, copies: Ints, starts: Ints, classes: int,
    capacities: Ints, wanted: Ints, keep: int,
) -> tuple[Counts, Ints, Ints]:  # fmt: skip
    """At most `keep` most valuable sets for each capacity, of different loads.

    No set within a capacity may be worth :data:`MAX_VALUE`. Returns the sets (counts by
    class), the bin of each, and the largest value by bin.
    """
    row = empty_row(int(capacities.max()))
    several = int((np.diff(starts) > 1).sum())
    taken = np.empty((starts.size - 1 - several, row.size // 8), dtype=np.uint8)
    choices = np.full((several, row.size), -1, dtype=np.int8)
    _add_stages(row, sizes, values.astype(np.int32), starts, taken, choices)
    patterns, bin_of, best = [], [], []
    for k, capacity in enumerate(capacities.tolist()):
        best.append(int(row[: capacity + 1].max()))
        loads = best_loads(row, 0, capacity, max(int(wanted[k]), 0), keep)
        patterns.append(
            _sets_of_loads(sizes, owner, copies, starts, taken, choices, loads, classes)
        )
        bin_of.append(np.full(loads.size, k, dtype=np.int64))
    return np.concatenate(patterns), np.concatenate(bin_of), np.array(best, dtype=np.int64)


def most_by_load(sizes: Ints, values: Ints, starts: Ints, capacities: Ints) -> Ints:
    """The largest value of a set within each capacity; values as in :func:`best_by_load`."""
    row = empty_row(int(capacities.max()))
    several = int((np.diff(starts) > 1).sum())
    taken = np.empty((starts.size - 1 - several, 0), dtype=np.uint8)
    choices = np.empty((several, 0), dtype=np.int8)
    _add_stages(row, sizes, values.astype(np.int32), starts, taken, choices)
    return np.array([row[: capacity + 1].max() for capacity in capacities], dtype=np.int64)


@compiled
def most_of_stages(sizes: Ints, values: Ints, starts: Ints, top: int, limit: int) -> Ints:
    """Least load of each value 0..top over all stages; entries above `limit` mean "more"."""
    row = np.full(top + 1, limit + 1, dtype=np.int64)
    row[0] = 0
    other = np.empty_like(row)
    for s in range(starts.size - 1):
        _add_stage(row, other, sizes, values, starts[s], starts[s + 1])
        row, other = other, row
    return row
