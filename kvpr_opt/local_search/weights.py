"""Thresholds as packing problems in machine integers, and placements measured exactly."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.problem.scaled import ScaledInstance, Threshold

#: Sums over a whole fleet stay below two to this power.
_BITS = 60


class Weights:
    """The numbers of one fleet in the form that the kernels take.

    Parameters
    ----------
    scaled
        The fleet in whole numbers.
    """

    def __init__(self, scaled: ScaledInstance) -> None:
        self.scaled = scaled
        totals = scaled.total_size + scaled.total_capacity, scaled.total_pressure
        self._small = max(totals) < 1 << _BITS
        if self._small:
            self._sizes = np.array(scaled.sizes, dtype=np.int64)
            self._pressures = np.array(scaled.pressures, dtype=np.int64)
            self._capacities = np.array(scaled.capacities, dtype=np.int64)

    def at(self, threshold: Threshold) -> tuple[Ints, Ints]:
        """Weights of the models and capacities of the GPUs at a threshold.

        If the exact numbers are too large, weights are rounded up and capacities
        down: any packing of these still meets the threshold.
        """
        scaled = self.scaled
        a, f = threshold.numerator, threshold.denominator
        largest = max(f * scaled.total_pressure + a * scaled.total_size, a * scaled.total_capacity)
        if self._small and largest < 1 << _BITS:
            return f * self._pressures + a * self._sizes, a * self._capacities
        divisor = (largest >> (_BITS - 1)) + 1
        weights = [
            -(-(f * n + a * m) // divisor)
            for n, m in zip(scaled.pressures, scaled.sizes, strict=True)
        ]
        capacities = [a * capacity // divisor for capacity in scaled.capacities]
        return np.array(weights, dtype=np.int64), np.array(capacities, dtype=np.int64)

    def max_kvpr(self, gpu_of: Ints) -> Fraction | float:
        """The exact maximum KVPR of a placement; ``math.inf`` also if memory is exceeded."""
        if not self._small:
            return self._slow_max_kvpr(gpu_of)
        free = self._capacities.copy()
        np.subtract.at(free, gpu_of, self._sizes)
        pressure = np.zeros_like(free)
        np.add.at(pressure, gpu_of, self._pressures)
        if free.min(initial=0) < 0 or bool(((free == 0) & (pressure > 0)).any()):
            return math.inf
        ratios = pressure / np.maximum(free, 1)
        # Floats only select the few GPUs that may have the maximum.
        top = np.flatnonzero(ratios >= ratios.max() * (1 - 1e-9))
        return _largest([(int(pressure[gpu]), int(free[gpu])) for gpu in top], self.scaled)

    def _slow_max_kvpr(self, gpu_of: Ints) -> Fraction | float:
        free = list(self.scaled.capacities)
        pressure = [0] * len(free)
        for model, gpu in enumerate(gpu_of.tolist()):
            free[gpu] -= self.scaled.sizes[model]
            pressure[gpu] += self.scaled.pressures[model]
        loads = list(zip(pressure, free, strict=True))
        if any(left < 0 or (left == 0 and load > 0) for load, left in loads):
            return math.inf
        return _largest(loads, self.scaled)


def _largest(loads: list[tuple[int, int]], scaled: ScaledInstance) -> Fraction:
    """The largest KVPR among GPUs, given as pairs of pressure and free memory."""
    worst = max((Fraction(load, max(left, 1)) for load, left in set(loads)), default=Fraction(0))
    return worst * scaled.kvpr_unit
