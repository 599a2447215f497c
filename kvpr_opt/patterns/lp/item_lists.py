"""Patterns as lists of items: a pattern has a few of hundreds of classes."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Counts, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.patterns.problem import PackingQuestion

_Number = TypeVar("_Number", np.int64, np.float64)


class ItemLists(NamedTuple):
    """Patterns, each with its GPU type and its items.

    Attributes
    ----------
    types
        GPU type by pattern.
    starts, classes, copies
        Pattern p has ``copies[i]`` items of ``classes[i]``, for i from ``starts[p]`` up to
        ``starts[p + 1]``; its classes ascend.
    """

    types: Ints
    starts: Ints
    classes: Ints
    copies: Ints

    @classmethod
    def of(cls, counts: NDArray[np.integer], types: Ints) -> ItemLists:
        """The lists for counts by pattern and class."""
        return cls(np.asarray(types, dtype=np.int64), *_lists(counts))

    @classmethod
    def none(cls) -> ItemLists:
        """No patterns."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(empty, np.zeros(1, dtype=np.int64), empty, empty)

    @property
    def number(self) -> int:
        """How many patterns there are."""
        return len(self.types)

    @property
    def alone(self) -> NDArray[np.bool_]:
        """Which patterns are a single item."""
        alone = np.asarray(np.diff(self.starts) == 1)
        alone[alone] = self.copies[self.starts[:-1][alone]] == 1
        return alone

    def counts(self, classes: int) -> Counts:
        """Counts by pattern and class."""
        counts = np.zeros((self.number, classes), dtype=np.int16)
        counts[np.repeat(np.arange(self.number), np.diff(self.starts)), self.classes] = self.copies
        return counts

    def chosen(self, patterns: Ints) -> ItemLists:
        """Some of the patterns, in the order given."""
        return ItemLists(
            self.types[patterns], *_chosen(self.starts, self.classes, self.copies, patterns)
        )

    def of_classes(self, wanted: NDArray[np.bool_]) -> ItemLists:
        """Without the items of classes that are not wanted."""
        kept = wanted[self.classes]
        starts = np.concatenate([[0], np.cumsum(kept)])[self.starts]
        return self._replace(starts=starts, classes=self.classes[kept], copies=self.copies[kept])

    def with_more(self, more: ItemLists) -> ItemLists:
        """These patterns, then others."""
        return ItemLists(
            np.concatenate([self.types, more.types]),
            np.concatenate([self.starts, self.starts[-1] + more.starts[1:]]),
            np.concatenate([self.classes, more.classes]),
            np.concatenate([self.copies, more.copies]),
        )

    def sums(self, values: NDArray[_Number]) -> NDArray[_Number]:
        """What the items of each pattern sum to, given a value by class."""
        return np.asarray(_sums(self.starts, self.classes, self.copies, values))

    def usable(self, question: PackingQuestion) -> NDArray[np.bool_]:
        """Which patterns fit and take no more of a class than is left (unless none is left)."""
        most = np.where(question.counts > 0, question.counts, _ANY)
        return np.asarray(_usable(*self, question.sizes, most, question.capacities))


#: More than any count.
_ANY = 2**15


@compiled
def _lists(counts: NDArray[np.integer]) -> tuple[Ints, Ints, Ints]:
    """Starts, classes and copies."""
    patterns, classes = counts.shape
    starts = np.zeros(patterns + 1, np.int64)
    for p in range(patterns):
        length = 0
        for c in range(classes):
            length += counts[p, c] != 0
        starts[p + 1] = starts[p] + length
    held, copies = np.empty(starts[patterns], np.int64), np.empty(starts[patterns], np.int64)
    for p in range(patterns):
        at = starts[p]
        if at == starts[p + 1]:
            continue
        for c in range(classes):
            if counts[p, c] != 0:
                held[at], copies[at] = c, counts[p, c]
                at += 1
    return starts, held, copies


@compiled
def _chosen(starts: Ints, classes: Ints, copies: Ints, patterns: Ints) -> tuple[Ints, Ints, Ints]:
    """Starts, classes and copies of some patterns."""
    new = np.zeros(patterns.size + 1, np.int64)
    for row in range(patterns.size):
        p = patterns[row]
        new[row + 1] = new[row] + starts[p + 1] - starts[p]
    held, number = np.empty(new[patterns.size], np.int64), np.empty(new[patterns.size], np.int64)
    for row in range(patterns.size):
        at = new[row]
        for place in range(starts[patterns[row]], starts[patterns[row] + 1]):
            held[at], number[at] = classes[place], copies[place]
            at += 1
    return new, held, number


@compiled
def _sums(starts: Ints, classes: Ints, copies: Ints, values: NDArray[_Number]) -> NDArray[_Number]:
    sums = np.zeros(starts.size - 1, values.dtype)
    for p in range(sums.size):
        for place in range(starts[p], starts[p + 1]):
            sums[p] += copies[place] * values[classes[place]]
    return sums


@compiled
def _usable(
    types: Ints, starts: Ints, classes: Ints, copies: Ints, sizes: Ints, most: Ints,
    capacities: Ints,
) -> NDArray[np.bool_]:  # fmt: skip
    fits = np.zeros(types.size, np.bool_)
    for p in range(types.size):
        room = capacities[types[p]]
        few = True
        for place in range(starts[p], starts[p + 1]):
            room -= copies[place] * sizes[classes[place]]
            few = few and copies[place] <= most[classes[place]]
        fits[p] = few and room >= 0
    return fits
