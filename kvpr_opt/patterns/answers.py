"""The answers to a packing question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kvpr_opt.kernels import Counts, Floats, Ints


@dataclass(frozen=True)
class Packing:
    """A pattern for each bin in use: counts by bin and class, and the type of each bin."""

    counts: Counts
    kinds: Ints

    @classmethod
    def empty(cls, classes: int) -> Packing:
        """No bin in use."""
        return cls(np.zeros((0, classes), dtype=np.int16), np.zeros(0, dtype=np.int64))

    def with_bins(self, other: Packing) -> Packing:
        """Both packings side by side."""
        return Packing(
            np.concatenate([self.counts, other.counts]), np.concatenate([self.kinds, other.kinds])
        )


@dataclass(frozen=True)
class NoPacking:
    """Searched through: there is none."""

    nodes: int


@dataclass(frozen=True)
class OutOfBudget:
    """Not settled within the budget of patterns, or of search."""

    patterns: bool


@dataclass(frozen=True)
class DualVector:
    """A proof that there is none: value by class and by type.

    No set that fits a bin of type k is worth more than ``type_values[k]``, and
    all items together are worth more than all bins together.
    """

    class_values: tuple[int, ...]
    type_values: tuple[int, ...]


@dataclass(frozen=True)
class Fractional:
    """There is a fractional packing: weight by pattern of the pool."""

    weights: Floats


@dataclass(frozen=True)
class Undecided:
    """Stopped, or too close to call in integers: weights as if there were a few more bins."""

    weights: Floats


Covered = Packing | NoPacking | OutOfBudget
Relaxed = Fractional | DualVector | Undecided
