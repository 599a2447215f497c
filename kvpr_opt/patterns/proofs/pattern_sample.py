"""Patterns by which the worth of a bin is judged, for many vectors of points."""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Floats, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.patterns.lp.item_lists import ItemLists


class PatternSample:
    """Patterns of all GPU types.

    Attributes
    ----------
    patterns
        Those added so far.
    """

    def __init__(self, types: int) -> None:
        self._number = types
        self.patterns = ItemLists.none()

    def add(self, patterns: ItemLists) -> None:
        """Add patterns."""
        self.patterns = self.patterns.with_more(patterns)

    def by_class(self, classes: int) -> tuple[Ints, Ints, Ints]:
        """For each class, where its patterns start; the patterns, and their items of the class."""
        known = self.patterns
        order = np.argsort(known.classes, kind="stable")
        pattern_of = np.repeat(np.arange(known.number), np.diff(known.starts))
        starts = np.searchsorted(known.classes[order], np.arange(classes + 1))
        return starts, pattern_of[order], known.copies[order]

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
        return np.asarray(_margins(shares, scales, offsets, counts, bins, *self.patterns))

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
        _raise(most, *self.patterns, by_class)
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
