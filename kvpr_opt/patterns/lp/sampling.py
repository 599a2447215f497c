"""Random, nearly full patterns, from which column generation starts on large fleets.

The volume alone gives duals within a ten-thousandth of the LP optimum. What is
missing at the start is columns: some for every class, and not too similar. So a few
items are drawn at random, and the last ones are chosen uniformly among all choices
that leave little enough room. Taking the first choice found instead would favour very
large and very small items and use them up.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Counts, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.limits import LimitsView
from kvpr_opt.local_search.rng import draw, seeded
from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.problem import PackingQuestion

#: Attempts for each pattern wanted, and choices of a first item when finishing each.
_TRIES, _SWEEPS = 6, 8

#: Room left to the last two or three items, in tenths of an average item.
_LAST_ITEMS = 33

#: Draws in a row that may yield an item that does not fit.
_MISSES = 50


def sample_patterns(
    question: PackingQuestion, *, each: int, seed: int, limits: LimitsView
) -> ItemLists:
    """Patterns for each class that fits a bin, some of every type.

    Parameters
    ----------
    question
        The items and bins.
    each
        How many patterns to sample for each class and type; each contains the class.
    seed
        Seed of the random choices.
    limits
        When to stop with those found so far.

    Returns
    -------
    The patterns; of the rules, groups are ignored. A pattern wastes at most half of its bin's
    share of the slack, if a few tries find one that does. Takes some ten microseconds a
    pattern for every hundred classes.
    """
    random = seeded(seed)
    patterns = ItemLists.none()
    allowed = max(0, question.slack // max(1, 2 * question.bins))
    for gpu_type in np.flatnonzero(question.multiplicities):
        capacity = int(question.capacities[gpu_type])
        fits = (question.counts > 0) & (question.sizes <= capacity) & (question.sizes > 0)
        if question.rules is not None:
            fits &= question.rules.allowed[gpu_type]
        classes = np.flatnonzero(fits)
        classes = classes[np.argsort(-question.sizes[classes], kind="stable")]
        if classes.size == 0:
            continue
        rounds = 0
        while rounds < each and not limits.stopped:
            counts = np.zeros((len(classes), len(question.counts)), dtype=np.int16)
            counts[:, classes] = _sample(
                question.sizes[classes], question.counts[classes], capacity, allowed, random
            )
            patterns = patterns.with_more(ItemLists.of(counts, np.full(len(counts), gpu_type)))
            rounds += 1
    return patterns


@compiled
def _sample(sizes: Ints, counts: Ints, capacity: int, allowed: int, random: Ints) -> Counts:
    """One pattern of a type for each class; classes are in falling order of size and all fit."""
    classes = sizes.size
    ends, volume = np.cumsum(counts), int((counts * sizes).sum())
    patterns = np.zeros((classes, classes), np.int16)
    held, left = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    chosen = np.zeros(3, np.int64)
    for row in range(classes):
        least = capacity + 1
        for _ in range(_TRIES):
            held[:] = 0
            held[row] = 1
            room = capacity - sizes[row]
            room = _draw_items(sizes, counts, ends, volume, room, random, held)
            left[:] = counts - held
            waste, size = _finish(sizes, left, room, allowed, random, chosen)
            if waste < least:
                least = waste
                patterns[row, :] = held
                for i in range(size):
                    patterns[row, chosen[i]] += 1
            if least <= allowed:
                break
    return patterns


@compiled
def _draw_items(
    sizes: Ints, counts: Ints, ends: Ints, volume: int, room: int, random: Ints, held: Ints
) -> int:
    """Add random items until the room left fits about three more; return that room."""
    total, misses = int(ends[ends.size - 1]), 0
    while 10 * room * total > _LAST_ITEMS * volume and misses < _MISSES:
        c = np.searchsorted(ends, draw(random, total), side="right")
        misses += 1
        if held[c] < counts[c] and sizes[c] <= room:
            held[c] += 1
            room -= sizes[c]
            misses = 0
    return room


@compiled
def _finish(
    sizes: Ints, left: Ints, room: int, allowed: int, random: Ints, chosen: Ints
) -> tuple[int, int]:
    """Choose up to three items that leave at most `allowed`, or the least found.

    Returns the room left and the number of items; ``chosen`` gets their classes.
    """
    classes = sizes.size
    best, size, hits = room, 0, 0
    pair = np.zeros(2, np.int64)
    for sweep in range(_SWEEPS):
        first, rest = -1, room
        if sweep > 0 or room > 2 * sizes[0]:
            first = draw(random, classes)
            if left[first] == 0 or sizes[first] > room:
                continue
            rest -= sizes[first]
            left[first] -= 1
        waste, items, found = _best_pair(sizes, left, rest, allowed, random, pair)
        if first >= 0:
            left[first] += 1
        # Every choice that wastes little enough is kept with equal probability.
        hits += found
        if (found > 0 and draw(random, hits) < found) or (hits == 0 and waste < best):
            best, size = waste, items
            for i in range(items):
                chosen[i] = pair[i]
            if first >= 0:
                chosen[size] = first
                size += 1
    return best, size


@compiled
def _best_pair(
    sizes: Ints, left: Ints, room: int, allowed: int, random: Ints, pair: Ints
) -> tuple[int, int, int]:
    """As :func:`_finish` for up to two items, with the number of choices within `allowed`.

    Two pointers, from the largest class down and from the smallest up, pass the best
    partner of each class.
    """
    best, size, hits = room, 0, 1 if room <= allowed else 0
    large, small = 0, sizes.size - 1
    alone = -1
    while large <= small:
        rest = room - sizes[large]
        if left[large] == 0 or rest < 0:
            large += 1
            continue
        items = 0
        if alone < large:  # try it once on its own
            alone = large
            waste, items = rest, 1
        elif left[small] == 0 or (large == small and left[large] < 2):
            small -= 1
            continue
        else:
            waste = rest - sizes[small]
            if waste < 0:
                large += 1
                continue
            items = 2
        better = waste < best and hits == 0
        if waste <= allowed:
            hits += 1
            better = draw(random, hits) == 0
        if better:
            best, size = waste, items
            pair[0], pair[1] = large, small
        if items == 2:
            small -= 1
    return best, size, hits
