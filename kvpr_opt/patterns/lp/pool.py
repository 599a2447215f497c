"""The patterns found so far, shared by every threshold and every part of the search."""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Counts, Ints
from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.problem.rules import Rules


class PatternPool:
    """A growing set of patterns: the items of each, and the GPU type it is for.

    Parameters
    ----------
    classes
        Number of model classes.
    rules
        If given, patterns that break them are not accepted.
    """

    def __init__(self, classes: int, rules: Rules | None = None) -> None:
        self._number, self._rules = classes, rules
        # With room for more at the end.
        self._types: Ints = np.zeros(256, dtype=np.int64)
        self._starts: Ints = np.zeros(257, dtype=np.int64)
        self._classes: Ints = np.zeros(1024, dtype=np.int64)
        self._copies: Ints = np.zeros(1024, dtype=np.int64)
        self._known: dict[tuple[int, bytes], int] = {}
        self.size = 0

    @property
    def patterns(self) -> ItemLists:
        """The patterns known by now; another thread may add more."""
        return self.since(0)

    def since(self, first: int) -> ItemLists:
        """The patterns from a position on."""
        size = self.size
        starts = self._starts[first : size + 1]
        items = slice(int(starts[0]), int(starts[-1]))
        return ItemLists(
            self._types[first:size], starts - starts[0] if first else starts,
            self._classes[items], self._copies[items],
        )  # fmt: skip

    def counts(self, patterns: Ints) -> Counts:
        """Counts of some patterns, by class."""
        return self.patterns.chosen(patterns).counts(self._number)

    def add(self, patterns: ItemLists) -> Ints:
        """Add the patterns that are new; return the pool positions of all acceptable ones."""
        if self._rules is not None:
            kept = self._rules.keep(patterns.counts(self._number), patterns.types)
            patterns = patterns.chosen(np.flatnonzero(kept))
        places, new = self._places(patterns)
        if new:
            self._append(patterns.chosen(np.array(new, dtype=np.int64)))
        return places

    def _places(self, patterns: ItemLists) -> tuple[Ints, list[int]]:
        """The positions that patterns have or get, and which of them are new."""
        places = np.empty(patterns.number, dtype=np.int64)
        new: list[int] = []
        items = np.column_stack([patterns.classes, patterns.copies]).tobytes()
        ends = (patterns.starts * (len(items) // max(1, len(patterns.classes)))).tolist()
        for row, gpu_type in enumerate(patterns.types.tolist()):
            key = (gpu_type, items[ends[row] : ends[row + 1]])
            free = self.size + len(new)
            places[row] = place = self._known.setdefault(key, free)
            if place == free:
                new.append(row)
        return places, new

    def _append(self, patterns: ItemLists) -> None:
        size, items = self.size, int(self._starts[self.size])
        last, end = size + patterns.number, items + len(patterns.classes)
        self._types = _with_room(self._types, last)
        self._starts = _with_room(self._starts, last + 1)
        self._classes = _with_room(self._classes, end)
        self._copies = _with_room(self._copies, end)
        self._types[size:last] = patterns.types
        self._starts[size + 1 : last + 1] = items + patterns.starts[1:]
        self._classes[items:end], self._copies[items:end] = patterns.classes, patterns.copies
        self.size = last


def _with_room(values: Ints, length: int) -> Ints:
    """The values, in an array of at least a length, at least doubled if it has to grow."""
    if length <= len(values):
        return values
    return np.concatenate([values, np.zeros(max(length, 2 * len(values)) - len(values), np.int64)])
