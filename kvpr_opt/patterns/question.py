"""The packing question of one threshold, by classes of models and types of GPUs.

Everything in this package works on it: int64 arrays, one entry a class or a
type, so that identical models and identical GPUs are never told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

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
        False where sizes and capacities were rounded down to fit 64 bits: an
        answer "no" still holds, a packing need not be a placement.
    """

    sizes: Ints
    counts: Ints
    capacities: Ints
    numbers: Ints
    threshold: Threshold
    exact: bool = True

    @classmethod
    def of(cls, scaled: ScaledInstance, threshold: Threshold) -> Question:
        """The question that a threshold asks of a fleet."""
        packing = fit_range(scaled.packing(threshold), RANGE_BITS)
        classes, types = scaled.classes, scaled.types
        sizes = _ints([packing.sizes[group.models[0]] for group in classes])
        counts = _ints([len(group.models) for group in classes])
        return cls(
            sizes=sizes,
            counts=np.where(sizes > 0, counts, 0),
            capacities=_ints([packing.capacities[kind.gpus[0]] for kind in types]),
            numbers=_ints([len(kind.gpus) for kind in types]),
            threshold=threshold,
            exact=packing.exact,
        )

    @property
    def slack(self) -> int:
        """Capacity beyond the total size: what may be wasted; negative if too little."""
        return int(self.numbers @ self.capacities) - int(self.counts @ self.sizes)

    @property
    def bins(self) -> int:
        """Number of bins."""
        return int(self.numbers.sum())

    def left(self, counts: Ints, numbers: Ints) -> Question:
        """The same question for a part of the items and bins."""
        return replace(self, counts=counts, numbers=numbers)


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)
