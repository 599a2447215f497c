"""Lower bounds: never above the optimum, and right where they are known to be tight."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from small_fleets import brute_force, fleet, fleets

from kvpr_opt.certificates.evidence import Counting, Volume
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.search.bounds import counting_bound, lower_bounds, volume_bound
from kvpr_opt.solve import lower_bound


@settings(max_examples=300)
@given(fleets(most_models=5))
def test_no_bound_exceeds_the_optimum(instance: Instance) -> None:
    optimum = brute_force(instance)
    for bound in lower_bounds(instance):
        assert bound.value <= optimum


@given(fleets())
def test_bounds_come_in_rising_order(instance: Instance) -> None:
    values = [bound.value for bound in lower_bounds(instance)]
    assert values == sorted(values)


def test_the_volume_bound_spreads_all_pressure_over_all_free_memory() -> None:
    bound = volume_bound(fleet([80, 80], [(30, 7), (30, 3)]).scaled)
    assert bound.value == Fraction(10, 100)
    assert bound.evidence == Volume()


def test_the_volume_bound_is_rounded_up_to_a_value_that_a_placement_can_have() -> None:
    # One unit of memory a GPU: a KVPR is a whole number, 3 jobs on 2 machines take 2.
    assert volume_bound(fleet([10, 10], [(0, 1), (0, 1), (0, 1)]).scaled).value == Fraction(2, 10)


def test_too_much_weight_is_infeasible() -> None:
    assert volume_bound(fleet([10], [(11, 0)]).scaled).value == math.inf


def test_full_memory_is_infeasible_only_under_pressure() -> None:
    assert volume_bound(fleet([10], [(5, 0), (5, 1)]).scaled).value == math.inf
    assert volume_bound(fleet([10], [(5, 0), (5, 0)]).scaled).value == 0


def test_one_model_needs_the_largest_gpu() -> None:
    bound = counting_bound(fleet([80, 100], [(20, 40), (1, 1)]).scaled)
    assert bound is not None
    assert bound.value == Fraction(40, 80)
    assert bound.evidence == Counting((0,))


def test_of_three_models_two_share_one_of_two_gpus() -> None:
    bound = counting_bound(fleet([80, 80], [(10, 10), (10, 10), (10, 10)]).scaled)
    assert bound is not None
    assert bound.value == Fraction(20, 60)
    assert bound.evidence == Counting((0, 1, 2))


def test_a_model_larger_than_every_gpu_is_infeasible_by_counting() -> None:
    bound = counting_bound(fleet([8, 9, 9], [(10, 0), (1, 1)]).scaled)
    assert bound is not None
    assert bound.value == math.inf
    assert bound.evidence == Counting((0,))


def test_three_models_of_more_than_half_a_gpu_do_not_fit_on_two() -> None:
    bound = counting_bound(fleet([10, 10], [(6, 0), (6, 0), (6, 0)]).scaled)
    assert bound is not None
    assert bound.value == math.inf


def test_counting_finds_nothing_without_pressure_where_the_sizes_fit() -> None:
    assert counting_bound(fleet([10, 10], [(6, 0), (4, 0)]).scaled) is None


def test_many_gpu_types_are_merged_without_losing_validity() -> None:
    memories = [Fraction(200 + 3 * index, 10) for index in range(40)]
    instance = fleet(memories, [(2, 3)] * 41)
    bound = counting_bound(instance.scaled)
    assert bound is not None
    # Two models share a GPU; the largest that there is has 31.7.
    assert 0 < bound.value <= Fraction(6) / (Fraction(317, 10) - 4)


def test_models_pinned_to_a_gpu_that_they_fill_leave_no_finite_bound() -> None:
    instance = Instance(
        [GPU("a", 10), GPU("b", 90)], [LLM("m", 10, pressure=1, pin="a"), LLM("n", 1, pressure=1)]
    )
    assert lower_bounds(instance)[-1].value == math.inf
    assert lower_bound(instance) == math.inf
