"""A fleet in whole numbers, and what a threshold on KVPR asks of it.

With sizes m_i and capacities C_g as multiples of one memory unit and pressures
a_i as multiples of one pressure unit (the largest units that divide all), the
KVPR of a GPU is A / f times a constant, A its pressure and f its free memory,
both integers. For a threshold t = a / f on that scale

    max KVPR <= t    iff    sum over each GPU g of (f a_i + a m_i) <= a C_g,

which is one-dimensional bin packing with integer data. For t > 0 the memory
limit is implied, because no pressure is negative.

Pressures with many different denominators have no short common unit: thousands of
random ones need a million bits. Such pressures are *rounded down* to multiples of a
unit that is short. A placement leaves the same memory free in the rounded fleet and
has no more pressure anywhere, so its value there is at most its true one, and a lower
bound of the rounded fleet is one of the fleet. The reverse does not hold: whether a
placement meets a threshold is asked of :class:`~kvpr_opt.problem.placement.Placement`,
which adds the true pressures. Sizes are never rounded, so what fits is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from kvpr_opt.errors import InputError
from kvpr_opt.problem.exact import (
    farey_above,
    farey_below,
    farey_ceil,
    farey_floor,
    simplest_between,
)

#: Bits of the common denominator of the pressures, times the models, up to which they are
#: kept exactly; a pass over all models then takes milliseconds.
MAX_EXACT_BITS = 1 << 22

#: Bits of the total of rounded pressures, where the smallest one allows it: sums of the whole
#: fleet are then machine integers.
ROUNDED_BITS = 59

#: Bits that all different denominators of sizes and memories may have. The checker reads no more.
MAX_MEMORY_BITS = 4_000

#: Bits of all different denominators of pressures, by GPU, from which the exact KVPR of a GPU
#: has more digits than the checker reads (20,000).
MAX_PRESSURE_BITS_A_GPU = 66_000


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
    rounding
        ``None`` where the pressures are exact; else the number to whose multiples they
        were rounded down.
    """

    sizes: tuple[int, ...]
    pressures: tuple[int, ...]
    capacities: tuple[int, ...]
    memory_unit: Fraction
    pressure_unit: Fraction
    rounding: Fraction | None = None

    @classmethod
    def of(
        cls,
        sizes: Sequence[Fraction],
        pressures: Sequence[Fraction],
        capacities: Sequence[Fraction],
        *,
        rounding: Fraction | None = None,
    ) -> ScaledInstance:
        """Scale quantities by the largest units that divide them all.

        Parameters
        ----------
        sizes, pressures, capacities
            By model, by model, by GPU.
        rounding
            Round the pressures down to multiples of this. Without it, that is done only
            where their common unit is very short, to one chosen here.

        Raises
        ------
        InputError
            If the sizes and memories have no common unit of a sensible length, or the
            exact KVPR of a GPU would have tens of thousands of digits.

        Notes
        -----
        O(n) operations on numbers of at most :data:`MAX_EXACT_BITS` / n bits.
        """
        _check_length(sizes, pressures, capacities)
        memory_unit, memory = _in_common_unit([*sizes, *capacities])
        if rounding is None and not _have_short_unit(pressures):
            rounding = _short_unit(pressures)
        if rounding is None:
            pressure_unit, pressure = _in_common_unit(pressures)
        else:
            multiples = [pressure // rounding for pressure in pressures]
            common = math.gcd(*multiples) or 1
            pressure_unit = common * rounding
            pressure = [multiple // common for multiple in multiples]
        return cls(
            sizes=tuple(memory[: len(sizes)]),
            pressures=tuple(pressure),
            capacities=tuple(memory[len(sizes) :]),
            memory_unit=memory_unit,
            pressure_unit=pressure_unit,
            rounding=rounding,
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

    def simplest(self, low: Fraction, high: Fraction) -> Threshold:
        """The threshold of smallest integers between two values, ``low < high``.

        The smaller its integers, the smaller are the items and bins of the packing problem that
        it means, and the shorter are tables by load.
        """
        unit = self.kvpr_unit
        return self.at_most(simplest_between(low / unit, high / unit) * unit)

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


def _check_length(
    sizes: Sequence[Fraction], pressures: Sequence[Fraction], capacities: Sequence[Fraction]
) -> None:
    """Refuse numbers that no certificate could be checked with."""
    bits = _denominator_bits([*sizes, *capacities])
    if bits > MAX_MEMORY_BITS:
        raise InputError(
            f"the different denominators of all sizes and memories have {bits} bits, more than "
            f"{MAX_MEMORY_BITS}: round them to common decimals"
        )
    bits = _denominator_bits(pressures) // max(1, len(capacities))
    if bits > MAX_PRESSURE_BITS_A_GPU:
        raise InputError(
            f"the different denominators of all pressures have {bits} bits a GPU, more than "
            f"{MAX_PRESSURE_BITS_A_GPU}: round rates and SLOs to fewer digits"
        )


def _denominator_bits(quantities: Sequence[Fraction]) -> int:
    return sum(map(int.bit_length, {quantity.denominator for quantity in quantities}))


def _have_short_unit(pressures: Sequence[Fraction]) -> bool:
    """Whether the common denominator is short enough to work with exactly."""
    most, common = MAX_EXACT_BITS // max(1, len(pressures)), 1
    for denominator in {pressure.denominator for pressure in pressures}:
        common = math.lcm(common, denominator)
        if common.bit_length() > most:
            return False
    return True


def _short_unit(pressures: Sequence[Fraction]) -> Fraction:
    """A power of two that leaves :data:`ROUNDED_BITS` of the total, and no pressure nothing."""
    positive = [pressure for pressure in pressures if pressure > 0] or [Fraction(1)]
    total = max(positive) * len(pressures)
    unit = _power_of_two_at_most(total / (1 << (ROUNDED_BITS - 1)))
    return min(unit, _power_of_two_at_most(min(positive)))


def _power_of_two_at_most(value: Fraction) -> Fraction:
    exponent = value.numerator.bit_length() - value.denominator.bit_length() - 1
    return Fraction(2) ** exponent


def _in_common_unit(quantities: Sequence[Fraction]) -> tuple[Fraction, list[int]]:
    """The largest unit that divides all quantities, and how often it goes into each."""
    denominator = math.lcm(*(quantity.denominator for quantity in quantities))
    whole = [quantity.numerator * (denominator // quantity.denominator) for quantity in quantities]
    common = math.gcd(*whole) or 1
    return Fraction(common, denominator), [number // common for number in whole]
