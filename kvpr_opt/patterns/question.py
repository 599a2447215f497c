"""The packing question of one threshold, by classes of models and types of GPUs.

Everything in this package works on it: int64 arrays, one entry a class or a
type, so that identical models and identical GPUs are never told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kvpr_opt.kernels import Ints
from kvpr_opt.scaled import ScaledInstance, Threshold, fit_range

#: Every sum of item sizes or capacities stays below two to this power.
RANGE_BITS = 60


@dataclass(frozen=True)
class Question:
    """Whether these items can be packed into these bins.

    Attributes
    ----------
    sizes
        Item size by class of identical models.
    counts
        How many items of each class are to be packed. Those of no size are
        left out: they fit anywhere.
    capacities
        Bin capacity by GPU type.
    numbers
        How many bins of each type there are.
    threshold
        The threshold that is asked.
    exact
        Sizes by class and capacities by type of any length, where the above were
        rounded down to fit 64 bits: an answer "no" still holds then, a packing
        need not be a placement.
    """

    sizes: Ints
    counts: Ints
    capacities: Ints
    numbers: Ints
    threshold: Threshold
    exact: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    @classmethod
    def of(cls, scaled: ScaledInstance, threshold: Threshold) -> Question:
        """The question that a threshold asks of a fleet."""
        whole = scaled.packing(threshold)
        packing = fit_range(whole, RANGE_BITS)
        first = [group.models[0] for group in scaled.classes]
        gpus = [kind.gpus[0] for kind in scaled.types]
        sizes = _ints([packing.sizes[model] for model in first])
        counts = _ints([len(group.models) for group in scaled.classes])
        long = tuple(whole.sizes[i] for i in first), tuple(whole.capacities[g] for g in gpus)
        return cls(
            sizes=sizes,
            counts=np.where(sizes > 0, counts, 0),
            capacities=_ints([packing.capacities[gpu] for gpu in gpus]),
            numbers=_ints([len(kind.gpus) for kind in scaled.types]),
            threshold=threshold,
            exact=None if packing.exact else long,
        )

    @property
    def slack(self) -> int:
        """Capacity beyond the total size: what may be wasted; negative if too little."""
        return int(self.numbers @ self.capacities) - int(self.counts @ self.sizes)

    @property
    def bins(self) -> int:
        """Number of bins."""
        return int(self.numbers.sum())

    def fit(self, counts: Ints, kinds: Ints, waste: Ints) -> NDArray[np.bool_]:
        """Which patterns fit in exact numbers; `waste` is what they leave in rounded ones.

        Each item and the capacity lose less than one in the rounding, so a
        pattern that leaves as much as it has items fits in any case.
        """
        fits = np.ones(len(counts), dtype=bool)
        if self.exact is None:
            return fits
        sizes, capacities = self.exact
        for row in np.flatnonzero(waste < counts.sum(axis=1)):
            load = sum(int(counts[row, c]) * sizes[c] for c in np.flatnonzero(counts[row]))
            fits[row] = load <= capacities[kinds[row]]
        return fits

    def left(self, counts: Ints, numbers: Ints) -> Question:
        """The same question for a part of the items and bins."""
        return replace(self, counts=counts, numbers=numbers)


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)
