"""The packing question of one threshold, by classes of models and types of GPUs.

Everything in this package works on it: int64 arrays with one entry per class or
type, so that identical models and identical GPUs are never distinguished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Counts, Floats, Ints
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.rules import Rules
from kvpr_opt.problem.scaled import ScaledInstance, Threshold, fit_range

#: Maximum copies of one model (these and one more are counted in 16 bits), and maximum entries
#: (models times GPU types times classes) of the patterns that one round of pricing may find.
MAX_COPIES, MAX_PATTERN_ENTRIES = 2**15 - 2, 100_000_000

#: Every sum of item sizes or capacities stays below two to this power.
RANGE_BITS = 60


@dataclass(frozen=True)
class PackingQuestion:
    """The question whether these items can be packed into these bins.

    Attributes
    ----------
    sizes
        Item size by class of identical models.
    counts
        How many items of each class are to be packed. Items of size 0 are
        left out: they fit anywhere.
    capacities
        Bin capacity by GPU type.
    multiplicities
        How many bins of each type there are.
    threshold
        The threshold that is asked.
    exact
        Unrounded sizes by class and capacities by type, if the above were rounded
        down to fit 64 bits: "no" still holds then, but a packing need not be a
        placement.
    rules
        Which patterns are allowed, if not every set that fits is one.
    """

    sizes: Ints
    counts: Ints
    capacities: Ints
    multiplicities: Ints
    threshold: Threshold
    exact: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    rules: Rules | None = None

    @classmethod
    def of(cls, scaled: ScaledInstance, threshold: Threshold) -> PackingQuestion:
        """The packing question for a fleet at a threshold."""
        whole = scaled.packing(threshold)
        packing = fit_range(whole, RANGE_BITS)
        first = [group.models[0] for group in scaled.classes]
        gpus = [gpu_type.gpus[0] for gpu_type in scaled.types]
        sizes = _ints([packing.sizes[model] for model in first])
        counts = _ints([len(group.models) for group in scaled.classes])
        long = tuple(whole.sizes[i] for i in first), tuple(whole.capacities[g] for g in gpus)
        return cls(
            sizes=sizes,
            counts=np.where(sizes > 0, counts, 0),
            # Below 0 if too much is pinned; a separate bound covers that.
            capacities=_ints([max(0, packing.capacities[gpu]) for gpu in gpus]),
            multiplicities=_ints([len(gpu_type.gpus) for gpu_type in scaled.types]),
            threshold=threshold,
            exact=None if packing.exact else long,
            rules=scaled.rules if isinstance(scaled, ConstrainedInstance) else None,
        )

    @property
    def slack(self) -> int:
        """Capacity beyond the total size: what may be wasted; negative if too little."""
        return int(self.multiplicities @ self.capacities) - int(self.counts @ self.sizes)

    @property
    def bins(self) -> int:
        """Number of bins."""
        return int(self.multiplicities.sum())

    def fit(self, counts: Ints, types: Ints, waste: Ints) -> NDArray[np.bool_]:
        """Which patterns fit in exact numbers; `waste` is what they leave in rounded ones.

        Each item and the capacity lose less than one in the rounding, so a
        pattern whose waste is at least its number of items fits in any case.
        """
        fits = np.ones(len(counts), dtype=bool)
        if self.exact is None:
            return fits
        sizes, capacities = self.exact
        for row in np.flatnonzero(waste < counts.sum(axis=1)):
            load = sum(int(counts[row, c]) * sizes[c] for c in np.flatnonzero(counts[row]))
            fits[row] = load <= capacities[types[row]]
        return fits

    def rounded_up(self, loads: int) -> PackingQuestion:
        """The question in at most `loads` units: any packing of it is one of this question.

        Sizes are rounded up and capacities down, so "no" says nothing about this one.
        """
        unit = self._unit(loads)
        sizes, capacities = -(-self.sizes // unit), self.capacities // unit
        return self if unit == 1 else replace(self, sizes=sizes, capacities=capacities, exact=None)

    def rounded_down(self, loads: int) -> PackingQuestion:
        """The question in at most `loads` units: if its answer is "no", so is this one's.

        Sizes and capacities are rounded down: what fits still fits, since the rounded
        sizes add up to no more than their rounded sum.
        """
        unit = self._unit(loads)
        sizes, capacities = self.sizes // unit, self.capacities // unit
        counts = np.where(sizes > 0, self.counts, 0)
        rounded = replace(self, sizes=sizes, counts=counts, capacities=capacities, exact=None)
        return self if unit == 1 else rounded

    def _unit(self, loads: int) -> int:
        """The size of one unit, such that the largest bin has at most `loads` of them."""
        return max(1, -(-int(self.capacities.max()) // loads))

    def left(self, counts: Ints, numbers: Ints) -> PackingQuestion:
        """The same question for a part of the items and bins."""
        return replace(self, counts=counts, multiplicities=numbers)


def beyond_patterns(counts: Sequence[int], types: int) -> str:
    """Why a fleet is too large for patterns; empty if it is not.

    Parameters
    ----------
    counts
        Models by class.
    types
        Number of GPU types.
    """
    copies = max(counts, default=0)
    if copies > MAX_COPIES:
        return f"{copies} identical models, more than {MAX_COPIES}"
    entries = sum(counts) * types * len(counts)
    if entries > MAX_PATTERN_ENTRIES:
        return f"tables of {entries} entries, more than {MAX_PATTERN_ENTRIES}"
    return ""


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


@dataclass(frozen=True)
class Packing:
    """A pattern for each bin in use: counts by bin and class, and the type of each bin."""

    counts: Counts
    types: Ints

    @classmethod
    def empty(cls, classes: int) -> Packing:
        """No bin in use."""
        return cls(np.zeros((0, classes), dtype=np.int16), np.zeros(0, dtype=np.int64))

    def with_bins(self, other: Packing) -> Packing:
        """Both packings side by side."""
        return Packing(
            np.concatenate([self.counts, other.counts]), np.concatenate([self.types, other.types])
        )


@dataclass(frozen=True)
class NoPacking:
    """The search was complete: there is no packing."""

    nodes: int


@dataclass(frozen=True)
class OutOfBudget:
    """Not settled within the budget of patterns or of search."""

    patterns: bool


@dataclass(frozen=True)
class DualValues:
    """A proof that there is no packing: value by class and by type.

    No set that fits a bin of type k is worth more than ``type_values[k]``, and
    all items together are worth more than all bins together.
    """

    class_values: tuple[int, ...]
    type_values: tuple[int, ...]


@dataclass(frozen=True)
class Fractional:
    """A fractional packing exists: weight by pattern of the pool."""

    weights: Floats


@dataclass(frozen=True)
class Undecided:
    """Stopped, or too close to call in integers: weights for slightly more bins than there are."""

    weights: Floats


Covered = Packing | NoPacking | OutOfBudget
Relaxed = Fractional | DualValues | Undecided
