"""A fleet in whole numbers, and what a threshold on KVPR asks of it.

With sizes m_i and capacities C_g as multiples of one memory unit and pressures
a_i as multiples of one pressure unit (the largest units that divide all), the
KVPR of a GPU is A / f times a constant, A its pressure and f its free memory,
both integers. For a threshold t = a / f on that scale

    max KVPR <= t    iff    sum over each GPU g of (f a_i + a m_i) <= a C_g,

which is one-dimensional bin packing with integer data. For t > 0 the memory
limit is implied, because no pressure is negative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from kvpr_opt.problem.exact import farey_above, farey_below, farey_ceil, farey_floor


class GPUType(NamedTuple):
    """GPUs of equal usable memory: interchangeable."""

    capacity: int
    gpus: tuple[int, ...]


class ModelClass(NamedTuple):
    """Models of equal size and pressure: interchangeable."""

    size: int
    pressure: int
    models: tuple[int, ...]


class Threshold(NamedTuple):
    """The question "is there a placement with max KVPR <= `value`?".

    `numerator` / `denominator` is `value` on the integer scale of the fleet.
    The denominator is 0 where only memory counts: for `value` infinite, and for
    a fleet without pressure, where every threshold asks the same.
    """

    numerator: int
    denominator: int
    value: Fraction | float


class PackingProblem(NamedTuple):
    """Bin packing: item sizes, by model, and bin capacities, by GPU, all integers.

    `exact` is false where the numbers were rounded to fit a solver: a packing
    then need not be a placement within the threshold, but a proof that there
    is no packing still proves that there is no such placement.
    """

    sizes: tuple[int, ...]
    capacities: tuple[int, ...]
    exact: bool = True


@dataclass(frozen=True)
class ScaledInstance:
    """Sizes, pressures and capacities as integers, with the units that they count.

    Attributes
    ----------
    sizes, pressures
        By model, in memory and pressure units.
    capacities
        Usable memory by GPU, in memory units.
    memory_unit, pressure_unit
        What one unit stands for.
    """

    sizes: tuple[int, ...]
    pressures: tuple[int, ...]
    capacities: tuple[int, ...]
    memory_unit: Fraction
    pressure_unit: Fraction

    @classmethod
    def of(
        cls,
        sizes: Sequence[Fraction],
        pressures: Sequence[Fraction],
        capacities: Sequence[Fraction],
    ) -> ScaledInstance:
        """Scale exact quantities by the largest units that divide them all."""
        memory_unit, memory = _in_common_unit([*sizes, *capacities])
        pressure_unit, pressure = _in_common_unit(pressures)
        return cls(
            sizes=tuple(memory[: len(sizes)]),
            pressures=tuple(pressure),
            capacities=tuple(memory[len(sizes) :]),
            memory_unit=memory_unit,
            pressure_unit=pressure_unit,
        )

    @property
    def kvpr_unit(self) -> Fraction:
        """The KVPR of one pressure unit over one memory unit."""
        return self.pressure_unit / self.memory_unit

    @cached_property
    def total_size(self) -> int:
        """Memory of all weights together."""
        return sum(self.sizes)

    @cached_property
    def total_pressure(self) -> int:
        """Pressure of all models together."""
        return sum(self.pressures)

    @cached_property
    def total_capacity(self) -> int:
        """Usable memory of all GPUs together."""
        return sum(self.capacities)

    @cached_property
    def largest_capacity(self) -> int:
        """Usable memory of the largest GPU: no free memory exceeds it."""
        return max(self.capacities)

    @cached_property
    def types(self) -> tuple[GPUType, ...]:
        """GPUs grouped by usable memory, in order of first appearance."""
        groups: dict[int, list[int]] = {}
        for gpu, capacity in enumerate(self.capacities):
            groups.setdefault(capacity, []).append(gpu)
        return tuple(GPUType(capacity, tuple(gpus)) for capacity, gpus in groups.items())

    @cached_property
    def classes(self) -> tuple[ModelClass, ...]:
        """Models grouped by size and pressure, in order of first appearance."""
        groups: dict[tuple[int, int], list[int]] = {}
        for model, key in enumerate(zip(self.sizes, self.pressures, strict=True)):
            groups.setdefault(key, []).append(model)
        return tuple(ModelClass(*key, tuple(models)) for key, models in groups.items())

    # -- thresholds ------------------------------------------------------------------

    def at_most(self, value: Fraction) -> Threshold:
        """The threshold ``max KVPR <= value``, in its smallest equivalent integers."""
        return self._threshold(farey_floor(value / self.kvpr_unit, self._denominators))

    def below(self, value: Fraction | float) -> Threshold:
        """The threshold ``max KVPR < value``, as the equivalent "at most" question.

        KVPR takes only values A / f with 1 <= f <= the largest capacity, so
        "below t" is "at most the largest such fraction below t". It is *not*
        "total size below capacity": a GPU filled to the last unit by models
        without pressure is legal and has KVPR 0. Below ``math.inf`` is any finite value.
        """
        if isinstance(value, float):
            return self.finite()
        return self._threshold(farey_below(value / self.kvpr_unit, self._denominators))

    def finite(self) -> Threshold:
        """The threshold that every placement of finite KVPR meets, and no other.

        One memory unit left free under all the pressure there is: no finite KVPR
        is larger.
        """
        return self._threshold(Fraction(self.total_pressure))

    def fitting(self) -> Threshold:
        """The threshold that every placement meets, full GPUs under pressure included."""
        return Threshold(1, 0, math.inf)

    def round_up(self, value: Fraction) -> Fraction:
        """The smallest value at or above `value` that a placement could have."""
        return farey_ceil(value / self.kvpr_unit, self._denominators) * self.kvpr_unit

    def next_value(self, threshold: Threshold) -> Fraction:
        """The smallest value above a threshold that a placement could have.

        This is the lower bound that follows when the threshold is refuted.
        """
        ratio = Fraction(threshold.numerator, threshold.denominator)
        return farey_above(ratio, self._denominators) * self.kvpr_unit

    @property
    def _denominators(self) -> int:
        return max(self.largest_capacity, 1)

    def _threshold(self, ratio: Fraction) -> Threshold:
        if self.total_pressure == 0:
            return Threshold(1, 0, Fraction(0))
        return Threshold(ratio.numerator, ratio.denominator, ratio * self.kvpr_unit)

    def packing(self, threshold: Threshold) -> PackingProblem:
        """The bin-packing problem that a threshold asks, divided by common factors."""
        a, f = threshold.numerator, threshold.denominator
        sizes = [f * n + a * m for n, m in zip(self.pressures, self.sizes, strict=True)]
        # A set of sizes that are all multiples of d fits into c iff it fits into
        # the largest multiple of d within c.
        common = math.gcd(*sizes) or 1
        return PackingProblem(
            sizes=tuple(size // common for size in sizes),
            capacities=tuple(a * capacity // common for capacity in self.capacities),
        )


def fit_range(problem: PackingProblem, bits: int = 60) -> PackingProblem:
    """The same problem with every sum below ``2**bits``, relaxed where it must be.

    Everything is divided by one number and rounded down. Since the sum of the
    rounded sizes is an integer of at most the exact sum divided, whatever packs
    still packs: a proof that the rounded problem has no solution holds for the
    exact one. The reverse does not hold, hence ``exact=False``.
    """
    largest = max(sum(problem.sizes), sum(problem.capacities))
    if largest < 1 << bits:
        return problem
    divisor = (largest >> bits) + 1
    return PackingProblem(
        sizes=tuple(size // divisor for size in problem.sizes),
        capacities=tuple(capacity // divisor for capacity in problem.capacities),
        exact=False,
    )


def _in_common_unit(quantities: Sequence[Fraction]) -> tuple[Fraction, list[int]]:
    """The largest unit that divides all quantities, and how often it goes into each."""
    denominator = math.lcm(*(quantity.denominator for quantity in quantities))
    whole = [quantity.numerator * (denominator // quantity.denominator) for quantity in quantities]
    common = math.gcd(*whole) or 1
    return Fraction(common, denominator), [number // common for number in whole]
