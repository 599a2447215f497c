"""The integer form, and thresholds as bin packing."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import TRAP, fleet, fleets

from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import PackingProblem, Threshold, fit_range


def packs(problem: PackingProblem, gpu_of: tuple[int, ...]) -> bool:
    loads = [0] * len(problem.capacities)
    for size, gpu in zip(problem.sizes, gpu_of, strict=True):
        loads[gpu] += size
    return all(load <= room for load, room in zip(loads, problem.capacities, strict=True))


def kvpr_of(instance: Instance, gpu_of: tuple[int, ...]) -> Fraction | float | None:
    try:
        return Placement(instance, gpu_of).max_kvpr
    except InvalidPlacementError:
        return None


def test_units_are_the_largest_that_divide_all() -> None:
    scaled = fleet(["80", "60"], [("0.5", "3/10"), ("1.5", "9/10")]).scaled
    assert scaled.sizes == (1, 3)
    assert scaled.capacities == (160, 120)
    assert scaled.pressures == (1, 3)
    assert scaled.memory_unit == Fraction(1, 2)
    assert scaled.pressure_unit == Fraction(3, 10)
    assert scaled.kvpr_unit == Fraction(3, 5)


def test_equal_gpus_and_models_are_grouped_in_order_of_appearance() -> None:
    scaled = fleet([8, 4, 8], [(1, 1), (2, 0), (1, 1)]).scaled
    assert [(kind.capacity, kind.gpus) for kind in scaled.types] == [(8, (0, 2)), (4, (1,))]
    assert [kind.models for kind in scaled.classes] == [(0, 2), (1,)]


@given(fleets(most_models=4, most_gpus=2), st.fractions(0, 6, max_denominator=9))
def test_a_threshold_is_met_by_exactly_the_packings(instance: Instance, value: Fraction) -> None:
    scaled = instance.scaled
    strict = scaled.below(value) if value > 0 else None
    questions = [(scaled.at_most(value), lambda kvpr: kvpr <= value)]
    if strict is not None:
        questions.append((strict, lambda kvpr: kvpr < value))
    questions.append((scaled.finite(), lambda kvpr: kvpr < math.inf))
    questions.append((scaled.fitting(), lambda kvpr: True))
    no_pressure = scaled.total_pressure == 0
    for gpu_of in itertools.product(range(len(instance.gpus)), repeat=len(instance.models)):
        kvpr = kvpr_of(instance, gpu_of)
        for threshold, holds in questions:
            if value == 0 and not no_pressure and threshold.numerator == 0:
                continue  # memory is not implied at 0; the search never asks it there
            met = kvpr is not None and (no_pressure or holds(kvpr))
            assert packs(scaled.packing(threshold), gpu_of) == met


def test_the_strict_question_allows_a_gpu_filled_by_models_without_pressure() -> None:
    scaled = TRAP.scaled
    problem = scaled.packing(scaled.below(Fraction(1, 4)))
    assert packs(problem, (0, 0, 1))
    assert not packs(problem, (0, 1, 1))


@given(fleets(), st.fractions(Fraction(1, 50), 6, max_denominator=50))
def test_no_placement_has_a_value_between_a_threshold_and_the_next(
    instance: Instance, value: Fraction
) -> None:
    scaled = instance.scaled
    if scaled.total_pressure == 0:
        return
    threshold = scaled.at_most(value)
    assert threshold.value <= value < scaled.next_value(threshold)
    assert scaled.below(scaled.next_value(threshold)) == threshold
    assert scaled.round_up(value) in (threshold.value, scaled.next_value(threshold))


def test_a_fleet_without_pressure_asks_only_for_memory() -> None:
    scaled = fleet([10], [(4, 0), (6, 0)]).scaled
    assert scaled.below(Fraction(1)) == scaled.finite() == Threshold(1, 0, Fraction(0))
    assert scaled.packing(scaled.finite()) == PackingProblem((2, 3), (5,))


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=5),
    st.lists(st.integers(0, 90), min_size=1, max_size=2),
    st.integers(2, 6),
)
def test_rounding_into_a_range_keeps_every_packing(
    sizes: list[int], capacities: list[int], bits: int
) -> None:
    problem = PackingProblem(tuple(sizes), tuple(capacities))
    rounded = fit_range(problem, bits)
    assert max(sum(rounded.sizes), sum(rounded.capacities)) < 2**bits
    assert rounded.exact == (rounded == problem)
    for gpu_of in itertools.product(range(len(capacities)), repeat=len(sizes)):
        if packs(problem, gpu_of):
            assert packs(rounded, gpu_of)


def test_numbers_in_range_are_left_alone() -> None:
    problem = PackingProblem((2**59,), (2**59,))
    assert fit_range(problem) is problem
    assert not fit_range(PackingProblem((2**60,), (1,))).exact


@pytest.mark.parametrize("memory", [10, Fraction(1, 3)])
def test_a_fleet_without_models_has_whole_units(memory: Fraction) -> None:
    scaled = fleet([memory], []).scaled
    assert scaled.capacities == (1,)
    assert scaled.total_pressure == scaled.total_size == 0
