"""The threshold search, over oracles that answer as told."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_fleets import TRAP, brute_force, fleet, fleets

from kvpr_opt.certificates.evidence import LowerBound, SolverClaim
from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.bounds import lower_bounds
from kvpr_opt.search.oracle import Feasible, Infeasible, Unknown, Verdict
from kvpr_opt.search.threshold_search import threshold_search
from kvpr_opt.search.tracker import Tracker

FLEET = fleet([20, 20, 20], [(3, 5), (4, 4), (5, 3), (2, 6), (6, 2)])


class ByEnumeration:
    """Answers truly by trying every assignment; `gives_up` may make it say "unknown" instead."""

    name = "enumeration"

    def __init__(
        self,
        instance: Instance,
        gives_up: Callable[[Threshold, float], Unknown | None] = lambda threshold, budget: None,
    ) -> None:
        self.placements = list(placements(instance))
        self.gives_up = gives_up
        self.budgets: list[float] = []

    def decide(
        self,
        threshold: Threshold,
        limits: Limits,
        *,
        budget: float | None = None,
        hint: Placement | None = None,
    ) -> Verdict:
        assert budget is not None
        self.budgets.append(budget)
        unknown = self.gives_up(threshold, budget)
        if unknown is not None:
            return unknown
        for placement in self.placements:
            if placement.meets(threshold):
                return Feasible(placement)
        assert not isinstance(threshold.value, float)
        return Infeasible(SolverClaim(self.name, "1", threshold.value))


def placements(instance: Instance) -> Iterable[Placement]:
    everywhere = range(len(instance.gpus))
    for gpu_of in itertools.product(everywhere, repeat=len(instance.models)):
        try:
            yield Placement(instance, gpu_of)
        except InvalidPlacementError:
            continue


def tracker(instance: Instance, **options: object) -> Tracker:
    return Tracker(instance, Limits(60), **options)  # type: ignore[arg-type]


@given(fleets(most_models=4))
def test_it_ends_at_the_optimum_or_proves_that_there_is_none(instance: Instance) -> None:
    state = tracker(instance)
    threshold_search(state, ByEnumeration(instance))
    optimum = brute_force(instance)
    assert state.incumbent_value == (None if optimum == math.inf else optimum)
    # At 0 no question is left to ask, and no bound is needed: no KVPR is negative.
    assert state.bound_value == (optimum or None)


@given(fleets(most_models=4))
def test_it_starts_from_bounds_and_a_placement_that_are_known(instance: Instance) -> None:
    state = tracker(instance)
    for bound in lower_bounds(instance):
        state.raise_bound(bound, "known")
    for placement in itertools.islice(placements(instance), 1):
        state.offer(placement, "known")
    threshold_search(state, ByEnumeration(instance))
    assert state.bound_value == brute_force(instance)


def test_the_trap_is_not_fallen_into() -> None:
    state = tracker(TRAP)
    state.offer(Placement(TRAP, (0, 1, 1)), "start")
    assert state.incumbent_value == Fraction(1, 4)
    threshold_search(state, ByEnumeration(TRAP))
    assert state.incumbent_value == state.bound_value == Fraction(1, 8)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(0, 0.9))
def test_unknown_answers_never_become_claims(seed: int, share: float) -> None:
    coin = random.Random(seed)

    def gives_up(threshold: Threshold, budget: float) -> Unknown | None:
        return Unknown("no luck") if coin.random() < share else None

    state = tracker(FLEET)
    threshold_search(state, ByEnumeration(FLEET, gives_up))
    assert state.bound_value == state.incumbent_value == brute_force(FLEET)


def test_harder_questions_get_more_work_when_the_easy_ones_are_used_up() -> None:
    oracle = ByEnumeration(FLEET, lambda _, budget: Unknown("hard") if budget < 50 else None)
    state = tracker(FLEET)
    state.offer(Placement(FLEET, (0, 0, 0, 1, 2)), "start")
    threshold_search(state, oracle, first_budget=1)
    assert oracle.budgets[0] == 1
    assert max(oracle.budgets) == 64
    assert sorted(set(oracle.budgets)) == [1, 2, 4, 8, 16, 32, 64]
    assert state.settled


def test_a_strict_question_too_hard_still_leaves_a_rising_bound() -> None:
    optimum = brute_force(FLEET)
    assert isinstance(optimum, Fraction)

    def near_the_optimum(threshold: Threshold, _: float) -> Unknown | None:
        near = optimum * Fraction(9, 10) < threshold.value < optimum
        return Unknown("hard", final=True) if near else None

    state = tracker(FLEET)
    answers = threshold_search(state, ByEnumeration(FLEET, near_the_optimum))
    assert state.incumbent_value == optimum
    assert state.bound_value is not None
    assert optimum * Fraction(1, 2) < state.bound_value < optimum
    assert answers["unknown"] > 0


def test_an_oracle_that_is_blind_near_the_optimum_does_not_keep_the_search_going() -> None:
    fine = fleet([20, 20], [(3, Fraction(5, 10**30 + 57)), (4, 4), (5, 3), (2, 6)])
    optimum = brute_force(fine)
    assert isinstance(optimum, Fraction)
    blind = optimum * (1 - Fraction(1, 10**9))

    def sees(threshold: Threshold, _: float) -> Unknown | None:
        return Unknown("blind", final=True) if blind < threshold.value < optimum else None

    state = tracker(fine)
    answers = threshold_search(state, ByEnumeration(fine, sees))
    assert sum(answers.values()) < 400
    assert state.incumbent_value == optimum
    assert state.gap is not None
    assert state.gap < Fraction(1, 10**8)


def test_an_oracle_that_can_do_no_more_ends_the_search() -> None:
    state = tracker(FLEET)
    oracle = ByEnumeration(FLEET, lambda *_: Unknown("too large", final=True))
    assert threshold_search(state, oracle) == {"feasible": 0, "infeasible": 0, "unknown": 1}
    assert state.bound is None
    assert state.incumbent is None


def test_it_stops_at_the_gap_asked_for() -> None:
    state = tracker(FLEET, gap=Fraction(1, 4))
    threshold_search(state, ByEnumeration(FLEET))
    assert state.gap is not None
    assert state.gap <= Fraction(1, 4)


def test_it_stops_when_interrupted_and_keeps_what_is_proved() -> None:
    state = tracker(FLEET)

    def interrupt_after_three(threshold: Threshold, budget: float) -> Unknown | None:
        if len(oracle.budgets) > 3:
            state.limits.interrupt()
            return Unknown("stopped")
        return None

    oracle = ByEnumeration(FLEET, interrupt_after_three)
    threshold_search(state, oracle)
    assert len(oracle.budgets) == 4
    assert state.incumbent is not None


def test_every_placement_found_is_polished_before_the_next_question() -> None:
    optimum = brute_force(FLEET)
    best = next(found for found in placements(FLEET) if found.max_kvpr == optimum)
    state = tracker(FLEET)
    answers = threshold_search(state, ByEnumeration(FLEET), polish=lambda placement: best)
    assert answers["feasible"] == 1
    assert state.incumbent is best


def test_the_questions_are_few() -> None:
    state = tracker(FLEET)
    answers = threshold_search(state, ByEnumeration(FLEET))
    assert sum(answers.values()) <= 20


def test_a_refutation_below_a_known_bound_changes_nothing() -> None:
    state = tracker(FLEET)
    optimum = brute_force(FLEET)
    state.raise_bound(LowerBound(optimum, SolverClaim("known", "1", Fraction(0))), "known")
    threshold_search(state, ByEnumeration(FLEET))
    assert state.bound_value == optimum == state.incumbent_value


@pytest.mark.parametrize("memory", [10, Fraction(1, 7)])
def test_no_model_at_all_is_settled_by_one_question(memory: Fraction) -> None:
    empty = fleet([memory], [])
    state = tracker(empty)
    for bound in lower_bounds(empty):
        state.raise_bound(bound, "known")
    threshold_search(state, ByEnumeration(empty))
    assert state.incumbent_value == 0 == state.bound_value
