"""Patterns packed into 64-bit words, one field a class.

A field is wide enough for the count of its class and a guard bit above it:
``(rest | guards) - pattern`` keeps every guard iff the pattern is contained in
the rest, so that one subtraction per word compares all classes at once.
Disjoint parts of a pattern add like numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Counts, Ints, Words


@dataclass(frozen=True)
class BitPacking:
    """The layout: where each class has its field.

    Attributes
    ----------
    classes
        The classes that have items left.
    word, shift, mask
        Position of each field, and the largest count that it can hold.
    guards
        The guard bits of every word.
    """

    classes: Ints
    word: Ints
    shift: Ints
    mask: Words
    guards: Words

    @classmethod
    def of(cls, counts: Ints) -> BitPacking:
        """A layout for these counts by class."""
        classes = np.flatnonzero(counts)
        widths = [int(counts[c]).bit_length() for c in classes]
        places, used, guards = [], 0, [0]
        for width in widths:
            if used + width + 1 > 64:
                used = 0
                guards.append(0)
            places.append((len(guards) - 1, used))
            used += width + 1
            guards[-1] |= 1 << (used - 1)
        place = np.array(places, dtype=np.int64).reshape(-1, 2)
        return cls(
            classes=classes,
            word=np.ascontiguousarray(place[:, 0]),
            shift=np.ascontiguousarray(place[:, 1]),
            mask=np.array([(1 << width) - 1 for width in widths], dtype=np.uint64),
            guards=np.array(guards, dtype=np.uint64),
        )

    def pack(self, counts: NDArray[np.integer]) -> Words:
        """Rows of counts by class, as rows of words."""
        words = np.zeros((len(counts), len(self.guards)), dtype=np.uint64)
        for i, c in enumerate(self.classes):
            words[:, self.word[i]] |= counts[:, c].astype(np.uint64) << np.uint64(self.shift[i])
        return words

    def unpack(self, words: Words, classes: int) -> Counts:
        """Rows of words, as rows of counts by class."""
        counts = np.zeros((len(words), classes), dtype=np.int16)
        for i, c in enumerate(self.classes):
            field = (words[:, self.word[i]] >> np.uint64(self.shift[i])) & self.mask[i]
            counts[:, c] = field.astype(np.int16)
        return counts
