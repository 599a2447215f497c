"""The patterns found so far, shared by every threshold and every part of the search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Counts, Floats, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.problem.rules import Rules

#: Entries of a block of counts.
_BLOCK = 4_000_000


class PatternPool:
    """A growing set of patterns: counts by class, and the GPU type each one is for.

    Parameters
    ----------
    classes
        Number of model classes.
    rules
        Where there are any, what breaks them is not taken.
    """

    def __init__(self, classes: int, rules: Rules | None = None) -> None:
        self._rules = rules
        self._counts: Counts = np.zeros((256, classes), dtype=np.int16)
        self._types: Ints = np.zeros(256, dtype=np.int64)
        self._known: dict[tuple[int, bytes], int] = {}
        self.size = 0

    @property
    def counts(self) -> Counts:
        """Counts by pattern and class."""
        return self._counts[: self.size]

    @property
    def types(self) -> Ints:
        """GPU type by pattern."""
        return self._types[: self.size]

    def add(self, patterns: Counts, types: Ints) -> Ints:
        """Take the patterns that are not in the pool yet; the places of all that may be one."""
        if self._rules is not None:
            kept = self._rules.keep(patterns, types)
            patterns, types = patterns[kept], types[kept]
        places = np.empty(len(types), dtype=np.int64)
        for row, (pattern, gpu_type) in enumerate(zip(patterns, types, strict=True)):
            key = (int(gpu_type), pattern.tobytes())
            place = self._known.setdefault(key, self.size)
            places[row] = place
            if place < self.size:
                continue
            if self.size == len(self._types):
                self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
                self._types = np.concatenate([self._types, np.zeros_like(self._types)])
            self._counts[self.size] = pattern
            self._types[self.size] = gpu_type
            self.size += 1
        return places

    def usable(self, question: PackingQuestion) -> NDArray[np.bool_]:
        """Which patterns fit, and take no more of a class than there is (none left is fine)."""
        counts = self.counts
        fits = loads(counts, question.sizes) <= question.capacities[self.types]
        left = question.counts
        short = (left > 0) & (left < counts.max(axis=0, initial=0))
        if short.any():
            fits &= (counts[:, short] <= left[short]).all(axis=1)
        return np.asarray(fits)


def loads(counts: NDArray[np.integer], sizes: Ints, most: Ints | None = None) -> Ints:
    """The load of each row of counts, of which no more than `most` of a class may count.

    In blocks, as numpy widens the counts before it multiplies.
    """
    step = max(1, _BLOCK // max(1, len(sizes)))
    total = np.empty(len(counts), dtype=np.int64)
    for start in range(0, len(counts), step):
        rows = counts[start : start + step]
        total[start : start + step] = (rows if most is None else np.minimum(rows, most)) @ sizes
    return total


@compiled
def worths(counts: Counts, values: Floats) -> Floats:
    """What each row of counts is worth, from the values by class.

    Not by numpy, which widens the counts first and starts threads for the product.
    """
    total = np.zeros(len(counts))
    for row in range(len(counts)):
        worth = 0.0
        for c in range(values.size):
            worth += counts[row, c] * values[c]
        total[row] = worth
    return total
