"""Every formulation, on the same questions."""

from __future__ import annotations

import itertools
import random
import threading
import time
from fractions import Fraction

import pytest
from small_fleets import TRAP, brute_force, fleet, random_fleet

from formulations.registry import ORACLES, create
from kvpr_opt.errors import InputError, InvalidPlacementError
from kvpr_opt.generate import random_instance
from kvpr_opt.instance import Instance
from kvpr_opt.limits import Limits
from kvpr_opt.oracle import Feasible, Infeasible, Unknown
from kvpr_opt.placement import Placement

pytestmark = pytest.mark.parametrize("name", ORACLES)


@pytest.mark.parametrize("seed", range(25))
def test_the_verdict_is_that_of_brute_force(name: str, seed: int) -> None:
    instance = random_fleet(random.Random(seed), most_models=5, most_gpus=3)
    oracle, limits, scaled = create(name, instance), Limits(60), instance.scaled
    optimum = brute_force(instance)
    if not isinstance(optimum, Fraction):
        assert isinstance(oracle.decide(scaled.finite(), limits), Infeasible)
        return
    at_optimum = oracle.decide(scaled.at_most(optimum), limits)
    assert isinstance(at_optimum, Feasible)
    assert at_optimum.placement.max_kvpr == optimum
    if optimum > 0:
        assert isinstance(oracle.decide(scaled.below(optimum), limits), Infeasible)


def test_the_trap_of_the_strict_question(name: str) -> None:
    verdict = create(name, TRAP).decide(TRAP.scaled.below(Fraction(1, 4)), Limits(60))
    assert isinstance(verdict, Feasible)
    assert verdict.placement.max_kvpr == Fraction(1, 8)


def test_a_model_that_fits_no_gpu_is_a_proof_of_its_own(name: str) -> None:
    instance = fleet([10, 12], [(1, 1), (13, 0)])
    verdict = create(name, instance).decide(instance.scaled.finite(), Limits(60))
    assert isinstance(verdict, Infeasible)
    assert verdict.evidence.certified


def test_a_solver_is_named_with_version_parameters_and_threshold(name: str) -> None:
    instance = fleet([10, 10], [(3, 3), (3, 3), (3, 4), (1, 1)])
    optimum = brute_force(instance)
    assert isinstance(optimum, Fraction)
    threshold = instance.scaled.below(optimum)
    verdict = create(name, instance, seed=3).decide(threshold, Limits(60))
    assert isinstance(verdict, Infeasible)
    word = verdict.evidence
    assert word.kind == "solver"
    assert word.threshold == threshold.value  # type: ignore[union-attr]
    assert word.version[0].isdigit()  # type: ignore[union-attr]
    assert 3 in word.parameters.values()  # type: ignore[union-attr]


def test_it_stops_within_a_second_of_the_limit(name: str) -> None:
    instance = random_instance("uniform", gpus=12, models=48, seed=1)
    value = Fraction(instance.scaled.total_pressure) * instance.scaled.kvpr_unit
    free = instance.scaled.total_capacity - instance.scaled.total_size
    threshold = instance.scaled.at_most(value / free * Fraction(100001, 100000))
    start = time.monotonic()
    verdict = create(name, instance).decide(threshold, Limits(0.5))
    assert time.monotonic() - start < 1.5
    assert not isinstance(verdict, Infeasible)


def test_it_stops_soon_after_an_interrupt_from_another_thread(name: str) -> None:
    instance = random_instance("uniform", gpus=12, models=48, seed=2)
    value = Fraction(instance.scaled.total_pressure) * instance.scaled.kvpr_unit
    free = instance.scaled.total_capacity - instance.scaled.total_size
    threshold = instance.scaled.at_most(value / free * Fraction(100001, 100000))
    limits = Limits()
    threading.Timer(0.3, limits.interrupt).start()
    start = time.monotonic()
    verdict = create(name, instance).decide(threshold, limits)
    assert time.monotonic() - start < 1.5
    assert not isinstance(verdict, Infeasible)


def test_a_hint_is_accepted_and_changes_no_verdict(name: str) -> None:
    instance = fleet([10, 10, 12], [(2, 1), (2, 1), (3, 2), (3, 2), (1, 0)])
    optimum = brute_force(instance)
    assert isinstance(optimum, Fraction)
    oracle, scaled = create(name, instance), instance.scaled
    for gpu_of in itertools.islice(itertools.product(range(3), repeat=5), 0, 243, 7):
        hint = _placement_or_none(instance, gpu_of)
        if hint is None:
            continue
        feasible = oracle.decide(scaled.at_most(optimum), Limits(60), hint=hint)
        assert isinstance(feasible, Feasible)
        assert isinstance(oracle.decide(scaled.below(optimum), Limits(60), hint=hint), Infeasible)


def _placement_or_none(instance: Instance, gpu_of: tuple[int, ...]) -> Placement | None:
    try:
        return Placement(instance, gpu_of)
    except InvalidPlacementError:
        return None


def test_numbers_beyond_64_bits_are_rounded_in_the_safe_direction(name: str) -> None:
    tiny = Fraction(1, 10**25)
    instance = fleet([10, 10], [(3 + tiny, 3), (3, 3 + tiny), (3, 4), (1 + 7 * tiny, 1)])
    optimum = brute_force(instance)
    assert isinstance(optimum, Fraction)
    oracle, scaled = create(name, instance), instance.scaled
    assert isinstance(oracle.decide(scaled.at_most(optimum * 2), Limits(60)), Feasible)
    assert isinstance(oracle.decide(scaled.at_most(optimum / 2), Limits(60)), Infeasible)
    # Nearer than the rounding can tell, the answer may be "unknown", never a false one.
    assert not isinstance(oracle.decide(scaled.at_most(optimum), Limits(60)), Infeasible)
    assert not isinstance(oracle.decide(scaled.below(optimum), Limits(60)), Feasible)


def test_a_budget_that_is_too_small_gives_unknown(name: str) -> None:
    instance = random_instance("uniform", gpus=12, models=48, seed=3)
    value = Fraction(instance.scaled.total_pressure) * instance.scaled.kvpr_unit
    free = instance.scaled.total_capacity - instance.scaled.total_size
    threshold = instance.scaled.at_most(value / free * Fraction(1000001, 1000000))
    verdict = create(name, instance).decide(threshold, Limits(60), budget=0.05)
    assert isinstance(verdict, Unknown)
    assert not verdict.final


def test_an_unknown_name_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(InputError, match=rf"did you mean '{name}'.*known: .*{name}"):
        create(name + "x", TRAP)
