"""Compiled search for fillings: sets of items that leave next to nothing of one bin free.

Each contains the largest item that fits, since that is the hardest one to place. Among
few items all sets are listed, by halves; among many, sets of up to five, more of them
only if a bin holds more on average. :mod:`kvpr_opt.patterns.best_fillings` judges them.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.rng import draw
from kvpr_opt.patterns.best_fillings import (
    DRAWN,
    HALVED,
    POOL,
    SUBSETS,
    Best,
    Bin,
    Scratch,
    keep,
)

#: The work spent on the larger fillings, in items looked at.
_LARGER = 20_000

#: Items of a filling beside the largest, from which some of them are drawn at random, in
#: halves.
_MANY = 11

#: A filling may waste this many shares of the slack, and at most this part of a bin; more only
#: if there are too few.
_SHARES, _PART = 20, 1000


@compiled
def finish_pairs(
    best: Best, scratch: Scratch, target: Bin, start: int, stop: int,
    room: int, picked: int, squares: float, random: Ints,
) -> int:  # fmt: skip
    """Complete the picked items by pairs from `start` on that fill a room; return the work."""
    sizes, unit = scratch.sizes, target.unit
    small, hits = stop - 1, 0
    for large in range(start, stop - 1):
        left = room - sizes[large]
        if left < 0:
            continue
        # Its partner grows as it gets smaller.
        while small > large and sizes[small] < left - target.window:
            small -= 1
        if small <= large:
            break
        other = small
        while other > large and sizes[other] <= left:
            scratch.picked[picked], scratch.picked[picked + 1] = large, other
            both = (sizes[large] / unit) ** 2 + (sizes[other] / unit) ** 2
            waste = left - sizes[other]
            keep(best, scratch, target, waste, picked + 2, squares + both, random)
            hits += 1
            other -= 1
    return stop - start + 10 * hits


@compiled
def finish_triples(
    best: Best, scratch: Scratch, target: Bin, start: int, stop: int,
    room: int, picked: int, squares: float, random: Ints,
) -> int:  # fmt: skip
    """Complete the picked items by triples from `start` on; return the work."""
    work = 0
    for first in range(start, stop - 2):
        size = scratch.sizes[first]
        left = room - size
        if left < 0:
            continue
        if left - 2 * size > target.window:
            break  # the other two are no larger
        scratch.picked[picked] = first
        more = squares + (size / target.unit) ** 2
        work += finish_pairs(best, scratch, target, first + 1, stop, left, picked + 1, more, random)
    return work


@compiled
def sum_of_last(sizes: Ints, count: int, number: int) -> int:
    """Sum of the smallest few of so many falling sizes."""
    total = 0
    for index in range(count - number, count):
        total += sizes[index]
    return total


@compiled
def finish_fours(best: Best, scratch: Scratch, target: Bin, count: int, random: Ints) -> int:
    """Fillings of four items beside the largest: all, or some at random; return the work."""
    sizes, work = scratch.sizes, 0
    if count < 5 or sum_of_last(sizes, count, 4) > target.room:
        return 0
    everything = count * count * count <= 6 * _LARGER or count < 8
    if everything:
        for first in range(1, count - 3):
            room = target.room - sizes[first]
            if room < 0:
                continue
            if room - 3 * sizes[first] > target.window:
                break
            scratch.picked[0] = first
            square = (sizes[first] / target.unit) ** 2
            work += finish_triples(best, scratch, target, first + 1, count, room, 1, square, random)
        return work
    while work < _LARGER:
        work += 5
        first = 1 + draw(random, count - 5)
        second = first + 1 + draw(random, count - 3 - first)
        room = target.room - sizes[first] - sizes[second]
        if room < 0 or room - 2 * sizes[second] > target.window:
            continue
        scratch.picked[0], scratch.picked[1] = first, second
        squares = (sizes[first] / target.unit) ** 2 + (sizes[second] / target.unit) ** 2
        work += finish_pairs(best, scratch, target, second + 1, count, room, 2, squares, random)
    return work


@compiled
def finish_many(
    best: Best, scratch: Scratch, target: Bin, count: int, most: int, random: Ints
) -> int:
    """Fillings of more items: all but three are drawn, of rising position; return the work."""
    sizes, picked, work = scratch.sizes, scratch.picked, 0
    while work < 2 * _LARGER:
        work += 10
        drawn = min(DRAWN, max(1, most - draw(random, 2)))
        for index in range(drawn):
            picked[index] = 1 + draw(random, count - 1)
        picked[:drawn].sort()
        room, squares, fits = target.room, 0.0, True
        for index in range(drawn):
            fits = fits and (index == 0 or picked[index] > picked[index - 1])
            room -= sizes[picked[index]]
            squares += (sizes[picked[index]] / target.unit) ** 2
        if fits and room >= 0:
            start = picked[drawn - 1] + 1
            work += finish_triples(
                best, scratch, target, start, count, room, drawn, squares, random
            )
    return work


@compiled
def list_sums(scratch: Scratch, half: int, first: int, stop: int, most: int) -> int:
    """Sums of the subsets of every second item from `first` on, up to a limit, in rising order.

    Returns how many there are; -1 if too many.
    """
    sums, sets = scratch.sums[half], scratch.sets[half]
    spare, spare_sets = scratch.sums[2], scratch.sets[2]
    sums[0], sets[0], size = 0, 0, 1
    for index in range(first, stop, 2):
        weight, bit = scratch.sizes[index], 1 << index
        for at in range(size):
            spare[at], spare_sets[at] = sums[at], sets[at]
        plain, grown, at = 0, 0, 0
        while True:
            larger = grown < size and spare[grown] + weight <= most
            if plain < size and (not larger or spare[plain] <= spare[grown] + weight):
                sums[at], sets[at] = spare[plain], spare_sets[plain]
                plain += 1
            elif larger:
                sums[at], sets[at] = spare[grown] + weight, spare_sets[grown] | bit
                grown += 1
            else:
                break
            at += 1
            if at == SUBSETS and (plain < size or grown < size):
                return -1
        size = at
    return size


@compiled
def finish_by_halves(best: Best, scratch: Scratch, target: Bin, count: int, random: Ints) -> int:
    """Fillings of any number of items; return the work, negative if there are too many subsets."""
    low = list_sums(scratch, 0, 1, count, target.room)
    high = list_sums(scratch, 1, 2, count, target.room)
    if low < 0 or high < 0:
        return -5 * SUBSETS
    work, start = 5 * (low + high), high
    for index in range(low):
        room = target.room - scratch.sums[0, index]
        while start > 0 and scratch.sums[1, start - 1] >= room - target.window:
            start -= 1
        at = start
        while at < high and scratch.sums[1, at] <= room:
            subset = scratch.sets[0, index] | scratch.sets[1, at]
            picked, squares = 0, 0.0
            for place in range(1, count):
                if (subset >> place) & 1:
                    scratch.picked[picked] = place
                    squares += (scratch.sizes[place] / target.unit) ** 2
                    picked += 1
            keep(best, scratch, target, room - scratch.sums[1, at], picked, squares, random)
            work += 40
            at += 1
    return work


@compiled
def finish_few(best: Best, scratch: Scratch, target: Bin, count: int, random: Ints) -> int:
    """Fillings of up to four items beside the largest; return the work."""
    room, sizes = target.room, scratch.sizes
    if room <= target.window:
        keep(best, scratch, target, room, 0, 0.0, random)
    for index in range(1, count):
        left = room - sizes[index]
        if 0 <= left <= target.window:
            scratch.picked[0] = index
            square = (sizes[index] / target.unit) ** 2
            keep(best, scratch, target, left, 1, square, random)
    work = count + finish_pairs(best, scratch, target, 1, count, room, 0, 0.0, random)
    work += finish_triples(best, scratch, target, 1, count, room, 0, 0.0, random)
    return work + finish_fours(best, scratch, target, count, random)


@compiled
def finish(best: Best, scratch: Scratch, target: Bin, count: int, drawn: int, random: Ints) -> int:
    """Find fillings in the way that suits the number of items; return the work."""
    work = 0
    if count <= HALVED:
        work = finish_by_halves(best, scratch, target, count, random)
        if work >= 0:
            return work
    if drawn > 0 and count > drawn + 3:
        return finish_many(best, scratch, target, count, drawn, random) - work
    return finish_few(best, scratch, target, count, random) - work


@compiled
def list_items(scratch: Scratch, sizes: Ints, items: Ints, capacity: int, random: Ints) -> int:
    """List the largest item that fits, and smaller ones: all, or a sample; return how many."""
    head = 0
    while head < len(items) and sizes[items[head]] > capacity:
        head += 1
    if head == len(items):
        return 0
    scratch.places[0], scratch.sizes[0] = head, sizes[items[head]]
    start = head + 1
    while start < len(items) and sizes[items[start]] > capacity - scratch.sizes[0]:
        start += 1
    others = len(items) - start
    count = 1 + min(others, POOL - 1)
    turn = draw(random, 1 << 20)
    for index in range(1, count):
        # Evenly spaced, from a random start.
        place = ((index - 1) * others + (turn * others >> 20)) // (count - 1)
        scratch.places[index] = start + min(place, others - count + index)
        scratch.sizes[index] = sizes[items[scratch.places[index]]]
    return count


@compiled
def find_fillings(
    best: Best, scratch: Scratch, sizes: Ints, items: Ints, capacity: int, bins: int,
    slack: int, squares: float, unit: float, noise: float, random: Ints,
) -> int:  # fmt: skip
    """Find the best fillings of one bin.

    Parameters
    ----------
    best
        Gets them; what it held is lost. A score of minus infinity marks no filling.
    scratch
        Working space.
    sizes, items
        Sizes of all items, and the items left, by falling size.
    capacity, bins
        Of this bin, and how many are left, with this one.
    slack
        What they may waste in all.
    squares
        Sum of the squared sizes of the items left, in units of an average bin.
    unit, noise
        The capacity of an average bin, and the weight of chance in the scores.
    random
        State of the random generator.

    Returns
    -------
    The work done; about 1e8 a second.
    """
    best.scores[:] = -np.inf
    count = list_items(scratch, sizes, items, capacity, random)
    if count == 0:
        return 1
    room = capacity - scratch.sizes[0]
    squares -= (scratch.sizes[0] / unit) ** 2
    work, window = 1, min(slack, _SHARES * (slack // bins), capacity // _PART)
    # How many to draw if a bin holds many.
    drawn = len(items) // bins - 3 if 2 * len(items) > _MANY * bins else 0
    while True:
        target = Bin(room, window, slack, len(items) - 1, bins - 1, squares, unit, noise)
        work += finish(best, scratch, target, count, drawn, random)
        if best.scores[0] > -np.inf or window == slack:
            return work
        window = slack
        best.scores[:] = -np.inf
