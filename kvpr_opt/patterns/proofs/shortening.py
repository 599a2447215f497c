"""Rounding a dual vector to small integers that still refute its question.

Points of few digits make a short proof that is quick to check. Scaling points down
and rounding them loses some of the margin of the proof; how much is chance, and at
one scale in thousands it is little. The patterns worth nearly as much as their bin
give, for all these scales at once, a lower bound on the loss. So the exact check, a
knapsack over all sets, is needed only for the best scale. If the check fails, it
yields patterns that were missing from the comparison. Where points are large, single ones
are lowered before they are checked (:mod:`kvpr_opt.patterns.proofs.point_repair`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Counts, Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.lp.dual import refutes
from kvpr_opt.patterns.lp.pool import PatternPool, loads
from kvpr_opt.patterns.lp.pricing import Duals, price, unrounded
from kvpr_opt.patterns.problem import DualValues, PackingQuestion
from kvpr_opt.patterns.proofs.point_repair import repaired

#: The search starts at the expected number of units a GPU divided by this: with few models
#: the duals are multiples of a simple fraction, and fewer units can suffice.
_LUCK = 4

#: A vector with fewer than this many times the expected units is kept as it is, unless it is
#: long. Length is units times items; the checker handles a hundred million a second.
_WORTHWHILE, _LONG = 3, 30_000_000

#: Scales within this factor of the smallest are compared, and only the best is checked.
_STEP = 1.5

#: Expensive exact checks that may fail, at all scales and at one of them, and the length (units
#: times items) from which a check is expensive, that is, takes more than about a millisecond.
_CHECKS, _TRIES, _LONG_CHECK = 24, 8, 200_000

#: What the items of long points may be short of the bins, for each bin, to be worth repairing.
_REPAIRABLE = 0.5

#: Points compared at once, over all classes and scales: the minimum, the maximum, and between
#: them one for this many bytes that a check of the given vector changes.
_POINTS, _MAX_POINTS, _BYTES = 100_000, 1_000_000, 10

#: All scales are first compared on a few patterns of each type, then the best ones on more.
_FEW, _SCALES, _PATTERNS = 50, 1000, 5_000

#: Units a GPU up to which rounding down is compared as well, and the factor that keeps float
#: error from rounding whole numbers down.
_SIMPLE, _NEARLY = 5_000, 1 + 1e-6


def shorten_dual(
    question: PackingQuestion, vector: DualValues, pool: PatternPool, limits: LimitsView
) -> DualValues:
    """Return a vector of smaller numbers that refutes the same question, if one is found soon.

    Parameters
    ----------
    question, vector
        A question, and what refutes it.
    pool
        Patterns by which scales are compared; ideally those of the LP that the vector is
        a dual solution of.
    limits
        When to give up and return the given vector.
    """
    fullest, likely = max(vector.type_values), _likely(question, vector)
    items = int(question.counts.sum())
    long = fullest * items >= _LONG
    if fullest <= 1 or (fullest < _WORTHWHILE * likely and not long):
        return vector
    patterns = _Comparison(question, vector, pool)
    low, long_checks = max(1.0, likely / _LUCK), 0
    while _STEP * low < fullest and long_checks < _CHECKS and not limits.stopped:
        values, excess = patterns.best(low)
        is_long = low * items >= _LONG_CHECK
        for _ in range(_TRIES if is_long else 2):
            if is_long and excess > -question.bins * _REPAIRABLE:
                values, excess = repaired(question, patterns.counts, values)
            if excess <= 0:
                break
            smaller = refutes(question, values)
            if smaller is not None:
                return smaller
            long_checks += is_long
            if not patterns.learn(values, limits):
                break
            if not is_long:
                values, excess = patterns.best(low)
        low *= _STEP
    return vector


def _likely(question: PackingQuestion, vector: DualValues) -> int:
    """Estimate the fewest units a GPU that suffice.

    In whole numbers the items exceed the bins by at least one. With this many units a
    GPU, a margin of one is the same share as in `vector`; with luck, fewer suffice.
    """
    bins = sum(
        int(n) * value for n, value in zip(question.multiplicities, vector.type_values, strict=True)
    )
    items = sum(
        int(n) * value for n, value in zip(question.counts, vector.class_values, strict=True)
    )
    # On rounded sizes the vector may no longer refute anything.
    return bins // (max(items - bins, 1) * question.bins)


class _Set(NamedTuple):
    """The classes in a pattern, and how many items of each."""

    classes: Ints
    copies: Ints

    @classmethod
    def of(cls, pattern: Counts) -> _Set:
        """The classes that a pattern has any items of."""
        classes = np.flatnonzero(pattern)
        return cls(classes, pattern[classes].astype(np.int64))

    def worth(self, points: Ints) -> Ints:
        """The points of the set, from those of each class."""
        return np.asarray(self.copies @ points[self.classes])


class _Comparison:
    """Compares scales by the margin they leave a proof, judged by a sample of patterns.

    Attributes
    ----------
    counts
        The patterns, by GPU type.
    """

    def __init__(self, question: PackingQuestion, vector: DualValues, pool: PatternPool) -> None:
        fullest = max(vector.type_values)
        self._question = question
        self._shares = np.array(vector.class_values, dtype=np.float64) / fullest
        points = fullest * int(question.counts.sum()) // _BYTES
        self._scales = min(max(points, _POINTS), _MAX_POINTS) // max(1, len(question.counts))
        self.counts: list[Counts] = []
        self._sets: list[list[_Set]] = []
        usable = pool.usable(question)
        for gpu_type in range(len(question.multiplicities)):
            of_type = pool.counts[usable & (pool.types == gpu_type)]
            worth = loads(of_type, np.array(vector.class_values, dtype=np.int64))
            best = np.argsort(-worth, kind="stable")[:_PATTERNS]
            self.counts.append(of_type[best])
            self._sets.append([_Set.of(pattern) for pattern in of_type[best]])

    def best(self, low: float) -> tuple[Ints, int]:
        """The points by class with the largest margin, at scales from `low` up to a step above.

        Returns
        -------
        The points, and an upper bound on their margin over the bins: if it is 0 or less,
        none of the scales compared works.
        """
        high, number = _STEP * low, self._scales
        first, end = math.ceil(low), math.ceil(high)
        all_whole = 0 < end - first <= number
        scales = np.arange(first, end) if all_whole else np.linspace(low, high, number)
        exact = np.outer(self._shares, scales)
        points = np.rint(exact)
        if high <= _SIMPLE:
            points = np.concatenate([points, np.floor(exact * _NEARLY)], axis=1)
        points = points.astype(np.int64)
        # A few patterns rule out most scales.
        excess = self._excess(points, _FEW)
        points = points[:, np.sort(np.argsort(-excess, kind="stable")[:_SCALES])]
        excess = self._excess(points, None)
        if len(excess) == 0:
            return np.zeros_like(self._shares, dtype=np.int64), 0
        best = int(np.argmax(excess))
        return points[:, best], int(excess[best])

    def _excess(self, points: Ints, most: int | None) -> Ints:
        """By how much points exceed what the bins hold, judged by `most` patterns a type."""
        excess = np.asarray(self._question.counts @ points)
        for number, sets in zip(self._question.multiplicities, self._sets, strict=True):
            top = np.zeros_like(excess)
            # One by one: patterns are short, so this is less work than a product of matrices.
            for held in sets[:most]:
                np.maximum(top, held.worth(points), out=top)
            excess -= number * top
        return excess

    def learn(self, values: Ints, limits: LimitsView) -> bool:
        """Add the patterns that invalidate the points, if they are quickly found."""
        question = self._question
        tops = [max([1, *(int(held.worth(values)) for held in sets)]) for sets in self._sets]
        duals = Duals(values.astype(np.float64), np.array(tops, dtype=np.float64))
        grid = unrounded(question, values, max(tops))
        priced = None if grid is None else price(question, duals, grid, limits)
        if priced is None or isinstance(priced, DualValues):
            return False
        for pattern, gpu_type in zip(priced.patterns, priced.types, strict=True):
            self._sets[gpu_type].insert(0, _Set.of(pattern))
            self.counts[gpu_type] = np.vstack([pattern[None, :], self.counts[gpu_type]])
        return True
