"""All patterns that a packing can use, under two budgets of waste.

The bins of a packing can together waste only the capacity beyond the total size,
so a pattern that wastes more is in no packing. The same holds for any other values
of the items; for the duals of the pattern LP it says that a variable whose reduced
cost exceeds the gap is zero (Nemhauser and Wolsey 1988,
doi:10.1002/9781118627372, section II.1.5). Near the optimum few patterns pass both
tests.

Patterns of small fleets are found as pairs of half patterns whose loads add up to a
narrow window (Horowitz and Sahni 1974, doi:10.1145/321812.321823). Those of larger
fleets are enumerated depth first in falling order of size, pruned by a bound from a
knapsack table of the values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kvpr_opt._types import Counts, Ints, Words
from kvpr_opt.kernels import compiled
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.cover.bitpacking import BitPacking
from kvpr_opt.patterns.lp.dual import Items
from kvpr_opt.patterns.lp.knapsack_by_value import best_value, least_loads_by_prefix, value_limit
from kvpr_opt.patterns.problem import PackingQuestion

#: Entries of the table that bounds the depth-first enumeration.
_TABLE_ENTRIES = 6_000_000

#: Search nodes of the depth-first enumeration for each pattern allowed, and between checks of
#: the limits: some tens of milliseconds.
_NODES_EACH, _NODES_AT_ONCE = 20, 500_000

#: Patterns unpacked between checks of the limits.
CHUNK = 1 << 14

#: Indices into the cursor of the depth-first enumeration.
_DEPTH, _ITEM, _ROOM, _VALUE, _FRESH, _NUMBER = range(6)


@dataclass(frozen=True)
class WasteBudget:
    """Values of items, and how much of these all bins together can waste.

    Attributes
    ----------
    values
        By class.
    most
        The largest value of a pattern, by type.
    slack
        Sum of `most` over all bins, minus the value of all items.
    """

    values: Ints
    most: Ints
    slack: int

    @classmethod
    def of(cls, question: PackingQuestion, values: Ints, most: Ints) -> WasteBudget:
        """The budget of a question for these values."""
        slack = int(most @ question.multiplicities) - int(values @ question.counts)
        return cls(values, most, slack)


@dataclass(frozen=True)
class Patterns:
    """Packed patterns, their waste in each budget, and their GPU types."""

    words: Words
    waste: Ints
    types: Ints


def enumerate_patterns(
    question: PackingQuestion,
    bits: BitPacking,
    budgets: list[WasteBudget],
    most: int,
    limits: LimitsView,
) -> Patterns | None:
    """The patterns of a question that stay within all budgets, least waste first.

    If the question is rounded, patterns that exceed a capacity in exact numbers are
    left out, so that an exhaustive search over the rest is exact.

    Parameters
    ----------
    budgets
        The first one is that of the sizes.
    most
        ``None`` is returned if there are more patterns, or more halves.
    limits
        When to give up and return ``None``.
    """
    found = _by_halves(question, bits, most, limits)
    if found is None and not limits.stopped:
        tightest = min(budgets, key=lambda budget: budget.slack / max(int(budget.most.max()), 1))
        found = _depth_first(question, bits, tightest, most, limits)
    if found is None:
        return None
    return _within(budgets, question, bits, found, limits)


def _within(
    budgets: list[WasteBudget],
    question: PackingQuestion,
    bits: BitPacking,
    found: tuple[Words, Ints],
    limits: LimitsView,
) -> Patterns | None:
    """The patterns that stay within all budgets and fit in exact numbers, least waste first."""
    words, types = found
    slack = [budget.slack for budget in budgets]
    kept: list[Ints] = [np.zeros(0, np.int64)]
    wasted: list[Ints] = [np.zeros((0, len(budgets)), np.int64)]
    for first in range(0, len(types), CHUNK):
        if limits.stopped:
            return None
        gpu_types = types[first : first + CHUNK]
        counts = bits.unpack(words[first : first + CHUNK], len(question.counts)).astype(np.int64)
        waste = np.column_stack([b.most[gpu_types] - counts @ b.values for b in budgets])
        keep: Ints = np.flatnonzero((waste <= slack).all(axis=1))
        keep = keep[question.fit(counts[keep], gpu_types[keep], waste[keep, 0])]
        if question.rules is not None:
            keep = keep[question.rules.keep(counts[keep], gpu_types[keep])]
        kept.append(first + keep)
        wasted.append(waste[keep])
    of_all, waste = np.concatenate(kept), np.concatenate(wasted)
    order = np.argsort(waste[:, 0], kind="stable")
    chosen = of_all[order]
    return Patterns(words[chosen], waste[order], types[chosen])


def _by_halves(
    question: PackingQuestion, bits: BitPacking, most: int, limits: LimitsView
) -> tuple[Words, Ints] | None:
    """Patterns within the waste of the sizes, as pairs of halves; also ``None`` if stopped."""
    falling = np.argsort(-question.sizes[bits.classes], kind="stable")
    capacity = int(question.capacities[question.multiplicities > 0].max())
    halves = []
    for at in (falling[0::2], falling[1::2]):
        part = bits.classes[at]
        loads, packed, number = _half(
            question.sizes[part], question.counts[part], bits.word[at], bits.shift[at],
            len(bits.guards), capacity, most,
        )  # fmt: skip
        if number < 0 or limits.stopped:
            return None
        order = np.argsort(loads[:number], kind="stable")
        halves.append((loads[:number][order], packed[:number][order]))
    (left, left_words), (right, right_words) = halves
    words, types = [], []
    for k in np.flatnonzero(question.multiplicities):
        high = int(question.capacities[k])
        # A pattern holds at least one item: the empty one would just be an unused bin.
        low = max(high - question.slack, 1)
        i, j, number = _pairs(left, right, low, high, most)
        if number < 0 or limits.stopped:
            return None
        words.append(left_words[i[:number]] + right_words[j[:number]])
        types.append(np.full(number, k, dtype=np.int64))
    return np.concatenate(words), np.concatenate(types)


@compiled
def _half(
    sizes: Ints, counts: Ints, word: Ints, shift: Ints, words: int, capacity: int, most: int
) -> tuple[Ints, Words, int]:
    """Every choice of copies from these classes within the capacity, up to `most` of them."""
    loads = np.zeros(most, dtype=np.int64)
    packed = np.zeros((most, words), dtype=np.uint64)
    number = 1
    for c in range(sizes.size):
        base = number
        for copies in range(1, counts[c] + 1):
            extra = sizes[c] * copies
            if extra > capacity:
                break
            bits = np.uint64(copies) << np.uint64(shift[c])
            for i in range(base):
                if loads[i] + extra <= capacity:
                    if number == most:
                        return loads, packed, -1
                    loads[number] = loads[i] + extra
                    packed[number, :] = packed[i, :]
                    packed[number, word[c]] += bits
                    number += 1
    return loads, packed, number


@compiled
def _pairs(left: Ints, right: Ints, low: int, high: int, most: int) -> tuple[Ints, Ints, int]:
    """Pairs of sorted loads that add up to low..high; number -1 if there are more than `most`."""
    number = 0
    begin = end = right.size
    for i in range(left.size):
        while begin > 0 and right[begin - 1] + left[i] >= low:
            begin -= 1
        while end > 0 and right[end - 1] + left[i] > high:
            end -= 1
        number += end - begin
        if number > most:
            return left[:0], right[:0], -1
    of_left, of_right = np.empty(number, dtype=np.int64), np.empty(number, dtype=np.int64)
    number = 0
    begin = end = right.size
    for i in range(left.size):
        while begin > 0 and right[begin - 1] + left[i] >= low:
            begin -= 1
        while end > 0 and right[end - 1] + left[i] > high:
            end -= 1
        for j in range(begin, end):
            of_left[number] = i
            of_right[number] = j
            number += 1
    return of_left, of_right, number


def _depth_first(
    question: PackingQuestion, bits: BitPacking, budget: WasteBudget, most: int, limits: LimitsView
) -> tuple[Words, Ints] | None:
    """Patterns within the budget of some values: for each type, by their first item."""
    items = Items.of(question, question.counts > 0)
    worth = budget.values[items.owner]
    unit = -(-max(int(budget.most.max()), 1) // max(_TABLE_ENTRIES // len(items.sizes), 1))
    coarse = -(-worth // unit)
    limit = int(question.capacities.max())
    top = value_limit(items.sizes, coarse, limit)
    table = least_loads_by_prefix(items.sizes, coarse, top, limit)
    words, types = [], []
    room, work = most, most * _NODES_EACH
    for k in np.flatnonzero(question.multiplicities):
        least = int(budget.most[k]) - budget.slack
        for first in range(len(items.sizes)):
            found: Counts = np.zeros((64, len(question.counts)), dtype=np.int16)
            chosen, cursor = _start(items, worth, first, int(question.capacities[k]))
            while cursor[_DEPTH]:
                if work <= 0 or limits.stopped:
                    return None
                found, nodes = _valuable(
                    items.sizes, worth, items.owner, table, unit, least, room,
                    min(work, _NODES_AT_ONCE), found, chosen, cursor,
                )  # fmt: skip
                work -= nodes
                if cursor[_NUMBER] > room:
                    return None
            number = int(cursor[_NUMBER])
            room -= number
            words.append(bits.pack(found[:number]))
            types.append(np.full(number, k, dtype=np.int64))
    return np.concatenate(words), np.concatenate(types)


def _start(items: Items, worth: Ints, first: int, capacity: int) -> tuple[Ints, Ints]:
    """The initial choice and cursor of a search for the sets whose last item is `first`."""
    sizes, owner = items.sizes, items.owner
    chosen = np.zeros(len(sizes) + 1, dtype=np.int64)
    chosen[0] = first
    copy_after = first + 1 < len(sizes) and owner[first + 1] == owner[first]
    depth = 0 if sizes[first] > capacity or copy_after else 1
    cursor = (depth, first, capacity - sizes[first], worth[first], 1, 0)
    return chosen, np.array(cursor, dtype=np.int64)


@compiled
def _valuable(
    sizes: Ints, values: Ints, owner: Ints, table: Ints, unit: int, least: int,
    most: int, work: int, found: Counts, chosen: Ints, cursor: Ints,
) -> tuple[Counts, int]:  # fmt: skip
    """Find every set that is worth at least `least`, within the work allowed.

    The table counts values in multiples of `unit`, rounded up, so that it bounds
    what the earlier items can add. Copies of a class are taken from the last one
    on. The depth in the cursor is 0 if there are no more sets, or more than `most`.
    Returns the sets and the number of nodes.
    """
    depth, j, room = cursor[_DEPTH], cursor[_ITEM], cursor[_ROOM]
    value, fresh, number = cursor[_VALUE], cursor[_FRESH] == 1, cursor[_NUMBER]
    nodes = 0
    while depth > 0 and nodes < work:
        if fresh and value >= least:
            number += 1
            if number > most:
                depth = 0
                break
            found = _noted(found, number - 1, owner[chosen[:depth]])
        fresh = False
        nodes += 1
        if j == 0 or value + best_value(table[j], room) * unit < least:
            depth -= 1
            if depth > 0:
                j = chosen[depth]
                room += sizes[j]
                value -= values[j]
            continue
        j -= 1
        skipped = owner[j + 1] == owner[j] and chosen[depth - 1] != j + 1
        if sizes[j] <= room and not skipped:
            chosen[depth] = j
            depth += 1
            room -= sizes[j]
            value += values[j]
            fresh = True
    cursor[_DEPTH], cursor[_ITEM], cursor[_ROOM] = depth, j, room
    cursor[_VALUE], cursor[_FRESH], cursor[_NUMBER] = value, int(fresh), number
    return found, nodes


@compiled
def _noted(found: Counts, number: int, classes: Ints) -> Counts:
    """Append one more set, doubling the space if it is full."""
    if number == len(found):
        larger = np.zeros((2 * number, found.shape[1]), dtype=np.int16)
        larger[:number] = found
        found = larger
    for c in classes:
        found[number, c] += 1
    return found
