"""The direct CP-SAT model: exact on a fine grid, honest on a coarse one."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from small_fleets import TRAP, brute_force, fleet, random_fleet

from formulations.direct_cpsat import Formulation, steps_per_unit
from kvpr_opt import Status, solve
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.oracle import Improvement

#: Without these, the model has to find everything by itself.
UNAIDED = ("heuristic", "polish", "level", "counting_bound")


def improve(instance: Instance, gpu_of: list[int], bound: Fraction | None = None) -> Improvement:
    return Formulation(instance).improve(
        Limits(60), incumbent=Placement(instance, gpu_of), bound=bound, gap=Fraction(0)
    )


@pytest.mark.parametrize("block", range(3))
def test_placement_and_bound_meet_exactly(block: int) -> None:
    for seed in range(block * 10, block * 10 + 10):
        instance = random_fleet(random.Random(f"direct {seed}"), 5, 3)
        optimum = brute_force(instance)
        if instance.scaled.total_pressure.bit_length() > 64:
            continue
        result = solve(instance, method="direct_cpsat", threads=1, skip=UNAIDED)
        assert result.lower_bound == optimum
        assert result.status is (
            Status.OPTIMAL if isinstance(optimum, Fraction) else Status.INFEASIBLE
        )


def test_values_that_differ_as_little_as_they_can_are_told_apart() -> None:
    # 1 / 99 against 1 / 100: the GPUs differ by one unit of memory.
    instance = fleet([100, 99], [(0, 1)])
    found = improve(instance, [1], Fraction(1, 200))
    assert found.placement is not None
    assert found.placement.max_kvpr == Fraction(1, 100)
    assert found.bound is not None
    assert found.bound.value == Fraction(1, 100)


def test_the_trap_of_the_strict_question() -> None:
    found = improve(TRAP, [0, 1, 1])
    assert found.placement is not None
    assert found.placement.max_kvpr == Fraction(1, 8)


def test_a_coarse_grid_claims_no_more_than_it_proves() -> None:
    # Sizes of 30 bits: the grid that tells all values apart would need 60 bits and more.
    random_ = random.Random(3)
    whole = 2**30
    instance = fleet(
        [whole, whole - 1],
        [(random_.randint(1, whole // 4), random_.randint(1, 2**20)) for _ in range(6)],
    )
    optimum = brute_force(instance)
    assert isinstance(optimum, Fraction)
    assert steps_per_unit(instance.scaled, optimum) < whole**2
    found = improve(instance, [0, 1, 0, 1, 0, 1])
    assert found.placement is not None
    assert found.bound is not None
    assert found.bound.value <= optimum <= found.placement.max_kvpr
    assert found.placement.max_kvpr <= found.bound.value * (1 + Fraction(1, 10**6))


def test_numbers_that_leave_no_grid_are_refused_by_a_reason() -> None:
    tiny = Fraction(1, 10**25)
    instance = fleet([10, 10], [(3 + tiny, 3), (3, 3 + tiny), (3, 4), (1 + 7 * tiny, 1)])
    found = improve(instance, [0, 0, 1, 0])
    assert found.placement is None
    assert found.bound is None
    assert "64 bits hold only" in found.reason


def test_no_sum_of_the_model_reaches_the_limits_of_the_solver() -> None:
    for seed in range(20):
        instance = random_instance("fine", gpus=4, models=12, seed=seed)
        scaled = instance.scaled
        high = Fraction(scaled.total_pressure)
        steps = steps_per_unit(scaled, high)
        assert steps * scaled.total_pressure < 2**62
        assert steps * high * scaled.largest_capacity < 2**62
        assert steps * high < 2**53


def test_a_fleet_too_large_is_left_alone() -> None:
    instance = random_instance("uniform", gpus=200, models=800, seed=0)
    found = Formulation(instance).improve(Limits(60), incumbent=None, bound=None, gap=Fraction(0))
    assert found.placement is None
    assert "more than" in found.reason
