"""A fleet as numpy arrays on which every sum is exact.

The heuristics add and subtract sizes and pressures thousands of times and then
ask whether a GPU is *exactly* full. Float drift would give wrong answers, so the
arrays hold whole numbers as ``float64``, small enough that every sum of them is
also a whole number below 2**52.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kvpr_opt._types import BoolArray, FloatArray
from kvpr_opt.problem.instance import Instance

#: The zero-pressure stages work on models of at most this pressure, in the unit of
#: the fleet.
MAX_ZERO_PRESSURE = 1e-12

#: Totals stay below this; even twice this is exact in a ``float64``.
_LARGEST_TOTAL = 1 << 51

#: The smallest positive float: a positive whole number divided by it is infinite.
_SMALLEST = float(np.nextafter(0.0, 1.0))


@dataclass(frozen=True, eq=False)
class FleetArrays:
    """Sizes, pressures and capacities as whole numbers in float arrays.

    Attributes
    ----------
    instance
        The fleet.
    sizes, pressures
        By model, in input order.
    capacities
        Usable memory by GPU, in input order.
    zero
        By model: whether its pressure counts as zero.

    Notes
    -----
    Usually these are the integers of :class:`~kvpr_opt.problem.scaled.ScaledInstance`
    themselves. If their totals exceed 2**51 they are put on a coarser grid, with
    sizes rounded up and capacities down, so that what fits here really fits; a
    pressure above zero stays above zero. Values on that grid are estimates, so a
    placement is always re-evaluated exactly before it counts.
    """

    instance: Instance
    sizes: FloatArray
    pressures: FloatArray
    capacities: FloatArray
    zero: BoolArray

    @classmethod
    def of(cls, instance: Instance) -> FleetArrays:
        """The arrays of a fleet."""
        scaled = instance.scaled
        memory = max(scaled.total_size, scaled.total_capacity) // _LARGEST_TOTAL + 1
        demand = scaled.total_pressure // _LARGEST_TOTAL + 1
        largest_zero = Fraction(MAX_ZERO_PRESSURE) / scaled.pressure_unit
        return cls(
            instance=instance,
            sizes=_floats(-(-size // memory) for size in scaled.sizes),
            pressures=_floats(
                pressure and max(1, pressure // demand) for pressure in scaled.pressures
            ),
            capacities=_floats(capacity // memory for capacity in scaled.capacities),
            zero=np.array([pressure <= largest_zero for pressure in scaled.pressures], dtype=bool),
        )

    @property
    def models(self) -> int:
        """Number of models."""
        return len(self.sizes)

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return len(self.capacities)

    @property
    def may_fit(self) -> bool:
        """Whether each model fits on the largest GPU, and all together fit in total memory."""
        largest, total = self.sizes.max(initial=0.0), self.sizes.sum()
        return bool(largest <= self.capacities.max() and total <= self.capacities.sum())


def _floats(numbers: Iterable[int]) -> FloatArray:
    return np.array([float(number) for number in numbers], dtype=np.float64)


def kvpr_of(pressure: FloatArray, free: FloatArray) -> FloatArray:
    """KVPR of GPUs, given their pressure and free memory as whole numbers.

    A full GPU has KVPR 0 without pressure and ``inf`` with it. Free memory
    below 0 gives the same as a full GPU: the caller must check whether a
    placement is legal.
    """
    with np.errstate(over="ignore"):
        ratio: FloatArray = pressure / np.maximum(free, _SMALLEST)
    return ratio
