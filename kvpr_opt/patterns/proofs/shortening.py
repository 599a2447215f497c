"""Rounding a dual vector to small integers that still refute its question.

Points of few digits make a short proof that is quick to check. Scaling points down
and rounding them loses some of the margin of the proof; how much is chance, and at
one scale in thousands it is little. The patterns worth nearly as much as their bin
give, for all these scales at once, a lower bound on the loss. Single points of the best
scales are then lowered (:mod:`kvpr_opt.patterns.proofs.point_repair`), and the exact check, a
knapsack over all sets, is needed only for the best vector of all. If the check fails, it
yields patterns that were missing from the comparison.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.certificates.evidence import QUICK_WORK, row_work
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.lp.dual import refutes
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.pricing import Duals, price, unrounded
from kvpr_opt.patterns.problem import DualValues, PackingQuestion
from kvpr_opt.patterns.proofs.pattern_sample import PatternSample
from kvpr_opt.patterns.proofs.point_repair import repaired
from kvpr_opt.verify import row_bytes

#: The search starts at the expected number of units a GPU divided by this: with few models
#: the duals are multiples of a simple fraction, and fewer units can suffice.
_LUCK = 4

#: A vector with fewer than this many times the expected units is kept as it is, unless it is
#: more work for the checker than is quickly done.
_WORTHWHILE = 3

#: Units that leave the checker more than this share of long work are not looked for.
_SHARE = 0.25

#: Scales within this factor of the smallest are compared, where checks are cheap and where they
#: are expensive; so many of the best are repaired, and only the best of these is checked.
_STEP, _LONG_STEP, _REPAIRED = 1.7, 4.0, 8

#: Expensive exact checks that may fail, where the checker can follow the given vector and where
#: it cannot, and the length (units times items) from which a check is expensive, that is, takes
#: more than about a millisecond.
_CHECKS, _ALL_CHECKS, _LONG_CHECK = 12, 40, 200_000

#: Checks within one step, where they are cheap and where they are expensive.
_TRIES, _LONG_TRIES = 10, 4

#: Points compared at once, over all classes and scales: the minimum, the maximum, and between
#: them one for this many bytes that a check of the given vector changes; and the maximum scales.
_POINTS, _MAX_POINTS, _BYTES, _MAX_SCALES = 100_000, 4_000_000, 10, 16_000

#: All scales are first compared on a few patterns of each type, then the best ones on more.
_FEW, _SCALES, _PATTERNS = 50, 300, 5_000

#: Units a GPU up to which rounding down is compared as well, and the factor that keeps float
#: error from rounding whole numbers down.
_SIMPLE, _NEARLY = 5_000, 1 + 1e-6


class Refutation(NamedTuple):
    """A question that an LP refuted.

    Attributes
    ----------
    question, vector
        The question, and what refutes it.
    pool
        The patterns of the LP: those worth most show how far the points can be rounded.
    """

    question: PackingQuestion
    vector: DualValues
    pool: PatternPool


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
    items, room = int(question.counts.sum()), int(max(question.capacities))
    row, work = row_bytes(fullest, room), _work(question, vector, room)
    is_long = work is None or work >= QUICK_WORK
    if fullest <= 1 or (fullest < _WORTHWHILE * likely and not is_long):
        return vector
    comparison = _Comparison(question, vector, pool)
    low, long_checks = max(1.0, likely / _LUCK), 0
    allowed = _ALL_CHECKS if work is None else _CHECKS
    while long_checks < allowed and not limits.stopped:
        long = low * items >= _LONG_CHECK
        step, tries = (_LONG_STEP, _LONG_TRIES) if long else (_STEP, _TRIES)
        if step * low >= fullest:
            break
        if is_long and row_bytes(math.ceil(low), room) > _SHARE * row:
            break
        candidates = comparison.candidates(low, step * low)
        for _ in range(tries):
            values, excess = comparison.best(candidates)
            if excess <= 0 or limits.stopped:
                break
            checked = comparison.check(values, limits)
            if isinstance(checked, DualValues):
                return checked
            long_checks += long
            if not checked or long_checks >= allowed:
                break
        low *= step
    return vector


def _work(question: PackingQuestion, vector: DualValues, room: int) -> int | None:
    """Bytes that the checker changes for the given vector; ``None`` if it cannot follow it."""
    held = Counter[tuple[int, int]]()
    items = zip(question.sizes.tolist(), vector.class_values, strict=True)
    for item, number in zip(items, question.counts.tolist(), strict=True):
        held[item] += number
    return row_work(held, max(vector.type_values), room)


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


class _Comparison:
    """Compares points by the margin they leave a proof, judged by a sample of patterns."""

    def __init__(self, question: PackingQuestion, vector: DualValues, pool: PatternPool) -> None:
        fullest = max(vector.type_values)
        types = len(question.multiplicities)
        self._question = question
        self._shares = np.array(vector.class_values, dtype=np.float64) / fullest
        points = fullest * int(question.counts.sum()) // _BYTES
        points = min(max(points, _POINTS), _MAX_POINTS)
        self._scales = min(points // max(1, len(question.counts)), _MAX_SCALES)
        self._few, self._sample = PatternSample(types), PatternSample(types)
        patterns = pool.patterns
        usable = patterns.usable(question)
        for gpu_type in range(types):
            of_type = patterns.chosen(np.flatnonzero(usable & (patterns.types == gpu_type)))
            worth = of_type.sums(np.array(vector.class_values, dtype=np.int64))
            best = np.argsort(-worth, kind="stable")[:_PATTERNS]
            self._sample.add(of_type.chosen(best))
            self._few.add(of_type.chosen(best[:_FEW]))

    def candidates(self, low: float, high: float) -> Ints:
        """The points by class of the largest margins, at scales between two of them."""
        number = self._scales
        first, end = math.ceil(low), math.ceil(high)
        all_whole = 0 < end - first <= number
        scales = np.arange(first, end) if all_whole else np.linspace(low, high, number)
        # The nearest whole numbers, and where these are small, those below.
        multiples, offsets = scales.astype(np.float64), np.full(len(scales), 0.5)
        if high <= _SIMPLE:
            multiples = np.concatenate([multiples, multiples * _NEARLY])
            offsets = np.concatenate([offsets, np.zeros(len(scales))])
        # A few patterns rule out most scales.
        counts, bins = self._question.counts, self._question.multiplicities
        excess = self._few.margins_of_shares(self._shares, multiples, offsets, counts, bins)
        kept = _largest(excess, _SCALES)
        points = (np.outer(self._shares, multiples[kept]) + offsets[kept]).astype(np.int64)
        excess = self._sample.margins(points, counts, bins)
        return np.asarray(points[:, _largest(excess, _REPAIRED)])

    def best(self, candidates: Ints) -> tuple[Ints, int]:
        """The repaired points by class of the largest margin.

        Returns
        -------
        The points, and an upper bound on their margin over the bins: if it is 0 or less,
        none of the candidates works.
        """
        if candidates.shape[1] == 0:
            return np.zeros_like(self._shares, dtype=np.int64), 0
        points, excess = repaired(self._question, self._sample, candidates)
        best = int(np.argmax(excess))
        return points[:, best], int(excess[best])

    def check(self, values: Ints, limits: LimitsView) -> DualValues | bool:
        """The refutation by these points, if they give one.

        Otherwise, the patterns that invalidate them are added if they are quickly found;
        returns whether they were.
        """
        question = self._question
        tops = np.maximum(self._sample.tops(values[:, None])[:, 0], 1)
        duals = Duals(values.astype(np.float64), tops.astype(np.float64))
        grid = unrounded(question, values, int(tops.max()))
        if grid is None:
            return refutes(question, values) or False
        priced = price(question, duals, grid, limits)
        if priced is None or isinstance(priced, DualValues):
            return priced or False
        self._sample.add(priced.patterns)
        return True


def _largest(values: Ints, number: int) -> Ints:
    """The places of the largest values, in rising order."""
    return np.sort(np.argsort(-values, kind="stable")[:number])
