"""The best placement that a compiled search has found so far, measured exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.local_search.weights import Weights
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.bounds import volume_bound

#: Called with every better placement, or with the last of several in quick succession.
OnImprovement = Callable[[Placement], None]

#: Minimum seconds between reports: building an object for each of a thousand small
#: steps would cost more than the steps themselves.
_BETWEEN_REPORTS = 0.05


class Incumbent:
    """The best placement so far, and the best lower bound known.

    Parameters
    ----------
    instance
        The fleet.
    bound
        A proven lower bound from elsewhere; the volume bound is always used as well.
    on_improvement
        Called with better placements.

    Attributes
    ----------
    value
        The maximum KVPR; ``math.inf`` until a finite placement is found.
    """

    def __init__(
        self,
        instance: Instance,
        bound: Fraction | float | None = None,
        on_improvement: OnImprovement | None = None,
    ) -> None:
        self.instance = instance
        self.weights = Weights(instance.scaled)
        volume = volume_bound(instance.scaled).value
        self.volume = volume
        self.bound = volume if bound is None else max(bound, volume)
        self.value: Fraction | float = math.inf
        self._on_improvement = on_improvement
        self._gpu_of: Ints | None = None
        self._reported: Fraction | float = math.inf
        self._reported_at = -math.inf

    @property
    def done(self) -> bool:
        """Whether nothing better exists: the value equals the bound, or no placement exists."""
        return self.value <= self.bound

    @property
    def gpu_of(self) -> Ints | None:
        """The GPU of each model; ``None`` until a finite placement is found."""
        return None if self._gpu_of is None else self._gpu_of.copy()

    def offer(self, gpu_of: Ints) -> bool:
        """Accept it if it improves the incumbent; return whether it did."""
        value = self.weights.max_kvpr(gpu_of)
        if value >= self.value:
            return False
        self.value, self._gpu_of = value, np.array(gpu_of, dtype=np.int64)
        if time.monotonic() >= self._reported_at + _BETWEEN_REPORTS:
            self.report()
        return True

    def report(self) -> None:
        """Report the best placement unless it was already reported."""
        placement = None if self._on_improvement is None else self.placement()
        if placement is None or self._on_improvement is None or self.value >= self._reported:
            return
        self._on_improvement(placement)
        self._reported, self._reported_at = self.value, time.monotonic()

    def placement(self) -> Placement | None:
        """The best placement, validated again by its own constructor."""
        return None if self._gpu_of is None else Placement(self.instance, self._gpu_of.tolist())
