"""The direct model: the optimum within its tolerance, and no claim that is false."""

from __future__ import annotations

import math
import random
import time
from fractions import Fraction

import pytest
from small_fleets import TRAP, brute_force, fleet, random_fleet

from formulations.registry import create
from kvpr_opt import Instance, Result, Status, StopReason, solve, verify
from kvpr_opt.generate import random_instance
from kvpr_opt.heuristics import run as heuristic
from kvpr_opt.limits import Limits
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.oracle import Improvement, Optimiser

#: Without these, the model has to find everything by itself.
UNAIDED = ("heuristic", "polish", "level", "counting_bound")


def direct(instance: Instance, **options: object) -> Result:
    return solve(instance, method="direct_pulp", threads=1, **options)  # type: ignore[arg-type]


def agrees(instance: Instance, **options: object) -> None:
    result, optimum = direct(instance, **options), brute_force(instance)
    assert result.certificate is not None
    assert verify(instance, result.certificate).exit_code in (0, 3)
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum
    if optimum == math.inf:
        assert result.status is Status.INFEASIBLE
        return
    assert result.max_kvpr is not None
    assert optimum <= result.max_kvpr <= optimum * (1 + Fraction(1, 10**6))
    assert result.gap is not None
    # A poor first placement makes the claim modest, never false.
    assert result.gap <= Fraction(1, 10**3)


@pytest.mark.parametrize("skip", [(), UNAIDED], ids=["aided", "unaided"])
@pytest.mark.parametrize("block", range(3))
def test_it_equals_brute_force_on_random_small_fleets(block: int, skip: tuple[str, ...]) -> None:
    for seed in range(block * 20, block * 20 + 20):
        agrees(random_fleet(random.Random(f"direct {seed}"), 6, 3), skip=skip)


@pytest.mark.parametrize("seed", range(3))
def test_no_claim_is_false_where_values_lie_closer_than_the_tolerance(seed: int) -> None:
    agrees(random_instance("precise", gpus=2, models=8, seed=seed), skip=UNAIDED)


def test_no_claim_is_false_where_numbers_differ_by_many_orders() -> None:
    tiny = Fraction(1, 10**12)
    agrees(fleet([10, 10], [(3 + tiny, 3), (3, 3 + tiny), (3, 4), (1 + 7 * tiny, 1)]))
    agrees(fleet([10, 10**6], [(3, 10**6), (9, 1), (3, tiny), (1, 1)]), skip=UNAIDED)


def test_the_trap_of_the_strict_question() -> None:
    assert direct(TRAP, skip=UNAIDED).max_kvpr == Fraction(1, 8)


def test_a_poor_start_is_improved_and_its_bound_is_modest() -> None:
    instance = fleet([100, 100], [(49, 50), (49, 50), (1, 1), (40, 1)])
    poor = {"m0": "g0", "m1": "g0", "m2": "g0", "m3": "g1"}
    result = direct(instance, skip=UNAIDED, warm_start=poor)
    assert result.max_kvpr == brute_force(instance)
    assert result.lower_bound is not None
    assert result.lower_bound <= result.max_kvpr


def test_a_solver_is_named_with_version_parameters_and_threshold() -> None:
    instance = random_instance("uniform", gpus=3, models=9, seed=0)
    found = improve(instance, Limits(60))
    assert found.bound is not None
    word = found.bound.evidence
    assert word.kind == "solver"
    assert "HiGHS" in word.solver  # type: ignore[union-attr]
    assert word.threshold < found.bound.value  # type: ignore[union-attr]
    assert word.parameters["random_seed"] == 3  # type: ignore[union-attr]


def test_the_gap_asked_for_ends_it() -> None:
    instance = random_instance("uniform", gpus=4, models=16, seed=3)
    result = direct(instance, gap="0.01", time_limit=30)
    assert result.stop_reason in (StopReason.GAP, StopReason.PROVED)


def test_it_stops_within_a_second_of_the_limit() -> None:
    start = time.monotonic()
    result = direct(random_instance("uniform", gpus=8, models=32, seed=1), time_limit=0.8)
    assert time.monotonic() - start < 2.3
    assert result.stop_reason is StopReason.TIME_LIMIT
    assert result.status is Status.FEASIBLE


def test_a_fleet_too_large_is_left_alone() -> None:
    instance = random_instance("uniform", gpus=200, models=800, seed=0)
    optimiser = create("direct_pulp", instance)
    assert isinstance(optimiser, Optimiser)
    found = optimiser.improve(Limits(60), incumbent=None, bound=None, gap=Fraction(0))
    assert found.placement is None
    assert found.bound is None
    assert "more than" in found.reason


def improve(instance: Instance, limits: Limits) -> Improvement:
    """One call, from the heuristic's placement and the volume bound."""
    optimiser = create("direct_pulp", instance, seed=3)
    assert isinstance(optimiser, Optimiser)
    return optimiser.improve(
        limits,
        incumbent=heuristic(instance).placement,
        bound=volume_bound(instance.scaled).value,
        gap=Fraction(0),
    )
