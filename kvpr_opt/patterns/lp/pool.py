"""The patterns found so far, shared by every threshold and every part of the search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Counts, Floats, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.problem.rules import Rules


class PatternPool:
    """A growing set of patterns: counts by class, and the GPU type each one is for.

    Parameters
    ----------
    classes
        Number of model classes.
    rules
        If given, patterns that break them are not accepted.
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

    def snapshot(self) -> tuple[Counts, Ints]:
        """Counts and types of the patterns known by now, while another thread may add more."""
        size = self.size
        return self._counts[:size], self._types[:size]

    def add(self, patterns: Counts, types: Ints) -> Ints:
        """Add the patterns that are new; return the pool positions of all acceptable ones."""
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
        """Which patterns fit and take no more of a class than is left (unless none is left)."""
        return _usable(
            self.counts, self.types, question.sizes, question.counts, question.capacities
        )


def loads(counts: Counts, sizes: Ints, most: Ints | None = None) -> Ints:
    """The load of each row of counts, counting at most `most` items of each class."""
    return _loads(counts, sizes, np.full(len(sizes), _ANY) if most is None else most)


#: More than any count.
_ANY = 2**15


# Rows are long and sparse. Compiled, because numpy would widen all entries before multiplying.


@compiled
def _loads(counts: Counts, sizes: Ints, most: Ints) -> Ints:
    total = np.zeros(len(counts), np.int64)
    for row in range(len(counts)):
        load = 0
        for c in range(sizes.size):
            if counts[row, c]:
                load += min(np.int64(counts[row, c]), most[c]) * sizes[c]
        total[row] = load
    return total


@compiled
def _usable(
    counts: Counts, types: Ints, sizes: Ints, left: Ints, capacities: Ints
) -> NDArray[np.bool_]:
    fits = np.zeros(len(counts), np.bool_)
    for row in range(len(counts)):
        room = capacities[types[row]]
        for c in range(sizes.size):
            held = np.int64(counts[row, c])
            room -= held * sizes[c]
            if held > left[c] > 0:
                room = -1
                break
        fits[row] = room >= 0
    return fits


@compiled
def worths(counts: Counts, values: Floats) -> Floats:
    """The worth of each row of counts, in a single thread, unlike matrix products in numpy."""
    total = np.zeros(len(counts))
    for row in range(len(counts)):
        worth = 0.0
        for c in range(values.size):
            worth += counts[row, c] * values[c]
        total[row] = worth
    return total
