"""The pattern LP as a formulation: proofs that the checker takes, and placements by rounding."""

from __future__ import annotations

import random
import time
from fractions import Fraction

import numpy as np
import pytest
from small_fleets import brute_force, fleet, random_fleet

import kvpr_opt as kv
from formulations import pattern_lp
from formulations.pattern_lp import Formulation
from kvpr_opt.errors import NumericalError
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.problem import Fractional, Packing, PackingQuestion
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.oracle import Feasible, Infeasible, Unknown


@pytest.mark.parametrize(("gpus", "models", "seed"), [(8, 24, 0), (8, 24, 1), (16, 32, 0)])
def test_it_closes_fleets_whose_optimum_is_the_bound_of_the_lp(
    gpus: int, models: int, seed: int
) -> None:
    instance = random_instance("uniform", gpus=gpus, models=models, seed=seed)
    result = kv.solve(instance, method="pattern_lp", threads=1, time_limit=60)
    assert result.status is kv.Status.OPTIMAL
    assert result.certified
    assert result.max_kvpr == kv.solve(instance, threads=1).max_kvpr


def test_where_it_cannot_close_the_gap_it_ends_with_a_valid_bound() -> None:
    # No rounding finds the placement: bound and gap are what there is, and the search ends.
    instance = fleet([10, 10], [(3, 2), (3, 2), (2, 2), (2, 2), (2, 2)])
    optimum = brute_force(instance)
    assert isinstance(optimum, Fraction)
    result = kv.solve(instance, method="pattern_lp", threads=1)
    assert result.lower_bound is not None
    assert result.max_kvpr is not None
    assert volume_bound(instance.scaled).value <= result.lower_bound <= optimum <= result.max_kvpr
    report = kv.verify(instance, result.certificate)
    assert report.exit_code == 0


def test_what_it_refutes_is_certified_and_false_for_no_fleet() -> None:
    refuted = 0
    for seed in range(60):
        instance = random_fleet(random.Random(f"pattern lp {seed}"), 6, 3)
        optimum = brute_force(instance)
        if not isinstance(optimum, Fraction) or optimum == 0:
            continue
        asked = Formulation(instance)
        for share in (Fraction(1, 2), Fraction(9, 10), Fraction(1)):
            threshold = instance.scaled.below(optimum * share)
            verdict = asked.decide(threshold, Limits(60))
            assert not isinstance(verdict, Feasible)
            if isinstance(verdict, Infeasible):
                assert verdict.evidence.certified or "long numbers" in str(verdict.evidence)
                refuted += 1
        assert not isinstance(
            asked.decide(instance.scaled.at_most(optimum), Limits(60)), Infeasible
        )
    assert refuted > 50


def test_the_lp_refutes_more_than_the_volume() -> None:
    stronger = 0
    for seed in range(5):
        instance = random_instance("uniform", gpus=6, models=12, seed=seed)
        volume = volume_bound(instance.scaled).value
        assert isinstance(volume, Fraction)
        verdict = Formulation(instance).decide(instance.scaled.at_most(volume), Limits(60))
        stronger += isinstance(verdict, Infeasible)
    assert stronger >= 4


def test_the_gpus_of_a_hint_are_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = random_instance("mixed", gpus=6, models=18, seed=0)
    best = kv.solve(instance, threads=1).placement
    assert best is not None
    threshold = instance.scaled.at_most(Fraction(best.max_kvpr))
    # An LP that passes before it has generated a single column.
    monkeypatch.setattr(PatternLP, "decide", lambda *_: Fractional(np.zeros(0)))
    assert isinstance(Formulation(instance).decide(threshold, Limits(60)), Unknown)
    verdict = Formulation(instance).decide(threshold, Limits(60), hint=best)
    assert isinstance(verdict, Feasible)
    assert verdict.placement.max_kvpr == best.max_kvpr


def test_models_in_several_chosen_patterns_stay_in_one() -> None:
    instance = fleet([10, 10], [(2, 1), (2, 1), (3, 1)])
    question = PackingQuestion.of(instance.scaled, instance.scaled.at_most(Fraction(1)))
    twice = Packing(np.array([[2, 1], [1, 1]], dtype=np.int16), np.array([0, 0]))
    kept = pattern_lp._without_surplus(twice, question)
    assert kept.counts.tolist() == [[2, 1], [0, 0]]


def test_a_lost_lp_is_said_and_the_next_question_starts_afresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = fleet([10, 10], [(2, 1), (2, 3), (3, 1)])
    asked = Formulation(instance)
    with monkeypatch.context() as patch:
        patch.setattr(PatternLP, "decide", _lost)
        verdict = asked.decide(instance.scaled.at_most(Fraction(5)), Limits(60))
        assert verdict == Unknown("the pattern LP ended with a whimper", final=True)
    assert isinstance(asked.decide(instance.scaled.at_most(Fraction(5)), Limits(60)), Feasible)


def _lost(*_: object) -> None:
    raise NumericalError("the pattern LP ended with a whimper")


def test_the_search_ends_within_the_limit() -> None:
    instance = random_instance("uniform", gpus=24, models=96, seed=0)
    start = time.monotonic()
    result = kv.solve(instance, method="pattern_lp", threads=1, time_limit=2)
    assert time.monotonic() - start < 4
    assert isinstance(result.placement, Placement)
    assert result.lower_bound is not None
    assert result.max_kvpr is not None
    assert result.lower_bound <= result.max_kvpr
