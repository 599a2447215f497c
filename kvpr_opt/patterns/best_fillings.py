"""The best fillings of a bin, and how a filling is judged; compiled.

A filling is worth what it leaves for the other bins: the expected number of packings of
the items left. If these were dealt out at random to g bins, each load would be about
normal, and all of them together so close to the capacities that only the slack S is
wasted with a density that is known. Up to a constant, the logarithm of the expected
number is

    n ln g - (g - 1)/2 ln Q + (g - 1) ln S

for n items whose squared sizes add up to Q.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Floats, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.rng import draw

#: The most items that a search lists by halves, and the most subsets of a half.
HALVED, SUBSETS = 48, 1 << 14

#: Items from which a filling is chosen; of more, a sample is drawn.
POOL = 256

#: The most items of a filling, and the most that are drawn at random.
_MOST, DRAWN = 32, 8


class Best(NamedTuple):
    """The best fillings found, as a heap with the worst one on top.

    Attributes
    ----------
    scores, wastes, lengths
        How good each is, what it leaves free, and how many items it has.
    members
        Positions of its items, in rising order.
    """

    scores: Floats
    wastes: Ints
    lengths: Ints
    members: Ints


class Scratch(NamedTuple):
    """Working space.

    Attributes
    ----------
    sums, sets
        Sizes of the subsets of two halves, in rising order, and the subsets as bits; the
        third row is for merging.
    places, sizes
        Positions of the items considered, and their sizes, falling.
    picked
        Those of a filling, as indices into `places`.
    """

    sums: Ints
    sets: Ints
    places: Ints
    sizes: Ints
    picked: Ints


class Bin(NamedTuple):
    """The bin to fill, with its largest item in it.

    Attributes
    ----------
    room, window
        What is free, and how much may stay so.
    slack
        What all bins left, including this one, may waste.
    items, bins
        How many are left without the largest item and this bin.
    squares
        Sum of the squared sizes of these items, in units of a bin.
    unit
        Capacity of an average bin.
    noise
        The weight of chance in the scores.
    """

    room: int
    window: int
    slack: int
    items: int
    bins: int
    squares: float
    unit: float
    noise: float


def new_best(states: int, most: int) -> Best:
    """Room for so many fillings of each of several states."""
    return Best(
        np.zeros((states, most)),
        np.zeros((states, most), np.int64),
        np.zeros((states, most), np.int64),
        np.zeros((states, most, _MOST), np.int64),
    )


def new_scratch() -> Scratch:
    """Working space for any fleet."""
    return Scratch(
        np.zeros((3, SUBSETS), np.int64),
        np.zeros((3, SUBSETS), np.int64),
        np.zeros(POOL, np.int64),
        np.zeros(POOL, np.int64),
        np.zeros(max(HALVED, DRAWN + 3), np.int64),
    )


@compiled
def worth(items: int, bins: int, squares: float, slack: float) -> float:
    """Logarithm of the expected number of packings, up to a constant for so many bins."""
    if bins <= 1:
        return 0.0
    slack, squares = max(slack, 1e-15), max(squares, 1e-15)
    return items * math.log(bins) + (bins - 1) * (math.log(slack) - math.log(squares) / 2)


@compiled
def keep(
    best: Best, scratch: Scratch, target: Bin, waste: int, count: int, squares: float, random: Ints
) -> None:
    """Keep a filling of `count` items beside the largest if it is among the best."""
    score = worth(
        target.items - count, target.bins, target.squares - squares,
        (target.slack - waste) / target.unit,
    )  # fmt: skip
    if target.noise > 0:
        chance = (draw(random, 1 << 30) + 0.5) / (1 << 30)
        score -= target.noise * math.log(-math.log(chance))
    if score <= best.scores[0] or count >= _MOST:
        return
    # Take the place of the worst one.
    size, at = best.scores.size, 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and best.scores[child + 1] < best.scores[child]:
            child += 1
        if best.scores[child] >= score:
            break
        best.scores[at], best.wastes[at] = best.scores[child], best.wastes[child]
        best.lengths[at], best.members[at] = best.lengths[child], best.members[child]
        at = child
    best.scores[at], best.wastes[at], best.lengths[at] = score, waste, count + 1
    members = best.members[at]
    members[0] = scratch.places[0]
    for index in range(count):
        members[index + 1] = scratch.places[scratch.picked[index]]
    members[: count + 1].sort()
