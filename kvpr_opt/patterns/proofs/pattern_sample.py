"""Patterns as lists of items, by which the worth of a bin is judged for many vectors of points."""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Counts, Floats, Ints
from kvpr_opt.kernels import compiled


class PatternSample:
    """Patterns of all GPU types, each stored as its classes and the number of items of each.

    Attributes
    ----------
    types
        GPU type by pattern.
    starts, classes, copies
        Pattern p has `copies` items of `classes`, both from `starts[p]` up to `starts[p + 1]`.
    """

    def __init__(self, types: int) -> None:
        self._number = types
        self.types: Ints = np.zeros(0, dtype=np.int64)
        self.starts: Ints = np.zeros(1, dtype=np.int64)
        self.classes: Ints = np.zeros(0, dtype=np.int64)
        self.copies: Ints = np.zeros(0, dtype=np.int64)

    def add(self, counts: Counts, types: Ints) -> None:
        """Add patterns, given by their counts by class, and their GPU types."""
        rows, classes = np.nonzero(counts)
        ends = np.searchsorted(rows, np.arange(len(counts)), side="right")
        self.types = np.concatenate([self.types, np.asarray(types, dtype=np.int64)])
        self.starts = np.concatenate([self.starts, self.starts[-1] + ends])
        self.classes = np.concatenate([self.classes, classes])
        self.copies = np.concatenate([self.copies, counts[rows, classes].astype(np.int64)])

    def by_class(self, classes: int) -> tuple[Ints, Ints, Ints]:
        """For each class, where its patterns start; the patterns, and their items of the class."""
        order = np.argsort(self.classes, kind="stable")
        pattern_of = np.repeat(np.arange(len(self.types)), np.diff(self.starts))
        starts = np.searchsorted(self.classes[order], np.arange(classes + 1))
        return starts, pattern_of[order], self.copies[order]

    def worths(self, points: Ints) -> Ints:
        """What each pattern is worth, from the points of the classes."""
        ends = np.concatenate([[0], np.cumsum(self.copies * points[self.classes])])
        return np.asarray(ends[self.starts[1:]] - ends[self.starts[:-1]])

    def margins(self, points: Ints, counts: Ints, bins: Ints) -> Ints:
        """By how much the items exceed the bins, by vector.

        An upper bound: a pattern that is not in the sample may be worth more.

        Parameters
        ----------
        points
            Points by class and vector.
        counts, bins
            Items by class, and bins by GPU type.
        """
        return np.asarray(counts @ points - bins @ self.tops(points))

    def margins_of_shares(
        self, shares: Floats, scales: Floats, offsets: Floats, counts: Ints, bins: Ints
    ) -> Ints:
        """As :meth:`margins`, for points that are shares of a scale, of many scales.

        Parameters
        ----------
        shares
            By class.
        scales, offsets
            By vector: its points are the shares times the scale, plus the offset, rounded down.
        counts, bins
            Items by class, and bins by GPU type.
        """
        return np.asarray(
            _margins(
                shares, scales, offsets, counts, bins,
                self.types, self.starts, self.classes, self.copies,
            )
        )  # fmt: skip

    def tops(self, points: Ints) -> Ints:
        """The most that a pattern of each type is worth, at least 0.

        Parameters
        ----------
        points
            Points by class and vector.

        Returns
        -------
        By GPU type and vector.
        """
        most = np.zeros((self._number, points.shape[1]), dtype=np.int64)
        by_class = np.ascontiguousarray(points)
        _raise(most, self.types, self.starts, self.classes, self.copies, by_class)
        return most


@compiled
def _raise(
    most: Ints, types: Ints, starts: Ints, classes: Ints, copies: Ints, points: Ints
) -> None:
    """Raise the maxima by type and vector to what the patterns are worth."""
    worth = np.zeros(points.shape[1], np.int64)
    for p in range(len(types)):
        worth[:] = 0
        for place in range(starts[p], starts[p + 1]):
            worth += copies[place] * points[classes[place]]
        most[types[p]] = np.maximum(most[types[p]], worth)


@compiled
def _margins(
    shares: Floats, scales: Floats, offsets: Floats, counts: Ints, bins: Ints, types: Ints,
    starts: Ints, classes: Ints, copies: Ints,
) -> Ints:  # fmt: skip
    """As :meth:`PatternSample.margins_of_shares`; no table of all points is written."""
    margins = np.zeros(scales.size, np.int64)
    points, most = np.zeros(shares.size, np.int64), np.zeros(bins.size, np.int64)
    for vector in range(scales.size):
        margin = 0
        for c in range(shares.size):
            points[c] = np.int64(shares[c] * scales[vector] + offsets[vector])
            margin += counts[c] * points[c]
        most[:] = 0
        for p in range(types.size):
            worth = 0
            for place in range(starts[p], starts[p + 1]):
                worth += copies[place] * points[classes[place]]
            most[types[p]] = max(most[types[p]], worth)
        for gpu_type in range(bins.size):
            margin -= bins[gpu_type] * most[gpu_type]
        margins[vector] = margin
    return margins
