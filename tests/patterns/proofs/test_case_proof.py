"""Proofs made for the checker: found where a search ended by enumeration, and only if they hold."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from small_fleets import TRAP, brute_force, fleet, random_fleet

from kvpr_opt.certificates import evidence
from kvpr_opt.certificates.certificate import certify, verify
from kvpr_opt.certificates.evidence import Counting, LowerBound, SolverClaim, Tree, Volume
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.problem import DualValues, PackingQuestion
from kvpr_opt.patterns.proofs.case_proof import prove_bound, tree_proof
from kvpr_opt.patterns.proofs.evidence import dual_proof
from kvpr_opt.patterns.proofs.schedule import proving_seconds
from kvpr_opt.patterns.proofs.shortening import Refutation
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.tracker import Tracker
from kvpr_opt.solve import solve

WORD = SolverClaim("somebody", "1", math.inf)


def tracker_with_a_word(instance: Instance, value: Fraction | float) -> Tracker:
    tracker = Tracker(instance, Limits())
    tracker.raise_bound(LowerBound(value, WORD), "somebody")
    return tracker


def test_a_refutation_at_hand_is_used_only_for_the_bound_that_follows_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random_ = random.Random(9)
    asked: list[PackingQuestion] = []
    duals = PatternLP.duals

    def counted(lp: PatternLP, question: PackingQuestion, *rest: Any) -> Any:
        asked.append(question)
        return duals(lp, question, *rest)

    monkeypatch.setattr(PatternLP, "duals", counted)
    used = 0
    for _ in range(60):
        instance = random_fleet(random_, 7, 3)
        best = brute_force(instance)
        if not isinstance(best, Fraction) or best == 0:
            continue
        scaled = instance.scaled
        question = PackingQuestion.of(scaled, scaled.below(best))
        vector = PatternLP(scaled).decide(question, Limits())
        if not isinstance(vector, DualValues):
            continue
        for value, calls in ((best, 0), (best * Fraction(99, 100), 1)):
            before = len(asked)
            tracker = tracker_with_a_word(instance, value)
            prove_bound(
                tracker, None, Refutation(question, vector, PatternPool(len(question.counts)))
            )
            assert len(asked) - before == calls
            assert tracker.bound is not None
            assert tracker.bound.evidence.certified
            made = certify(instance, status="unknown", incumbent=None, bounds=tracker.bounds)
            assert verify(instance, made).exit_code == 0
        used += 1
    assert used > 10


def test_a_word_for_the_optimum_is_replaced_by_a_proof() -> None:
    random_ = random.Random(5)
    for _ in range(60):
        instance = random_fleet(random_, 7, 3)
        best = brute_force(instance)
        if best == 0:
            continue
        tracker = tracker_with_a_word(instance, best)
        prove_bound(tracker)
        assert tracker.bound is not None
        assert tracker.bound.value == best
        assert tracker.bound.evidence.certified
        made = certify(instance, status="unknown", incumbent=None, bounds=tracker.bounds)
        assert verify(instance, made).exit_code == 0


def test_sizes_as_points_with_all_cases_prove_every_small_optimum() -> None:
    random_, trees = random.Random(5), 0
    for _ in range(80):
        instance = random_fleet(random_, 7, 3)
        scaled, best = instance.scaled, brute_force(instance)
        if best == 0 or scaled.total_pressure == 0:
            continue
        for value, true in ((best, True), (best * Fraction(1001, 1000), best == math.inf)):
            asked = scaled.below(value) if isinstance(value, Fraction) else scaled.finite()
            question = PackingQuestion.of(scaled, asked)
            duals = (question.sizes, question.capacities)
            proof = tree_proof(scaled, asked, duals, Limits())
            if max(question.capacities) < 10**9 and asked.numerator > 0:
                assert (proof is not None) is true
            if isinstance(proof, Tree):
                trees += 1
                bounds = [LowerBound(value, proof)]
                made = certify(instance, status="unknown", incumbent=None, bounds=bounds)
                assert verify(instance, made).exit_code == 0
    assert trees > 5


def test_no_proof_is_found_for_what_is_false() -> None:
    random_ = random.Random(6)
    for _ in range(40):
        instance = random_fleet(random_, 7, 3)
        best = brute_force(instance)
        if best == math.inf:
            continue
        tracker = tracker_with_a_word(instance, best * Fraction(1001, 1000) or Fraction(1, 9))
        prove_bound(tracker)
        assert tracker.bound is not None
        assert tracker.bound.evidence is WORD


def test_nothing_is_tried_when_the_time_is_up_or_the_bound_is_proved() -> None:
    tracker = tracker_with_a_word(TRAP, Fraction(1, 8))
    tracker.limits.interrupt()
    prove_bound(tracker)
    assert tracker.bounds == [LowerBound(Fraction(1, 8), WORD)]
    proved = Tracker(TRAP, Limits())
    proved.raise_bound(LowerBound(Fraction(1, 8), Volume()), "volume")
    prove_bound(proved)
    assert proved.bounds == [LowerBound(Fraction(1, 8), Volume())]


def test_points_too_long_for_the_checker_are_no_proof() -> None:
    scaled = TRAP.scaled
    duals = np.array([10**9] * len(scaled.classes)), np.array([10**9] * len(scaled.types))
    assert tree_proof(scaled, scaled.below(Fraction(1, 8)), duals, Limits()) is None


def test_bounds_on_the_way_are_proved_only_where_proofs_lag_behind() -> None:
    tracker = Tracker(TRAP, Limits())
    # No placement yet: this may be the end.
    assert proving_seconds(tracker, Fraction(1, 9), 0.0) == math.inf
    tracker.offer(Placement(TRAP, [0, 1, 1]), "start")
    assert tracker.incumbent_value == Fraction(1, 4)
    assert proving_seconds(tracker, Fraction(1, 4), 100.0) == math.inf
    assert proving_seconds(tracker, math.inf, 100.0) == math.inf
    assert proving_seconds(tracker, Fraction(1, 8), 0.0) == 0  # the run has only begun
    tracker.limits._start -= 10
    assert 0.9 < proving_seconds(tracker, Fraction(1, 8), 0.1) < 1.5
    assert proving_seconds(tracker, Fraction(1, 8), 2.0) == 0
    tracker.raise_bound(LowerBound(Fraction(1, 8), Counting((0,))), "counting")
    assert proving_seconds(tracker, Fraction(1, 8) + Fraction(1, 10**6), 0.1) == 0


@pytest.mark.parametrize(
    ("family", "gpus", "models", "seed"), [("precise", 6, 24, 2), ("precise", 8, 32, 0)]
)
def test_fleets_that_only_a_search_settles_are_certified(
    family: str, gpus: int, models: int, seed: int
) -> None:
    instance = random_instance(family, gpus=gpus, models=models, seed=seed)
    result = solve(instance, threads=1)
    assert result.certified
    assert result.certificate is not None
    assert [bound.proof["kind"] for bound in result.certificate.bounds] == ["tree"]


def test_sizes_alone_are_settled_by_cases() -> None:
    """Infeasible, though no points prove it by themselves."""
    instance = fleet([10] * 3, [(size, 0) for size in (5, 5, 4, 4, 4, 4, 3)])
    tracker = tracker_with_a_word(instance, math.inf)
    prove_bound(tracker)
    assert tracker.bound is not None
    assert tracker.bound.evidence.certified


def test_points_for_more_pairs_than_the_checker_looks_at_are_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under constraints it asks each GPU for each model, and for each that is to be apart."""
    instance = random_instance("constrained", gpus=4, models=20, seed=0)
    scaled = instance.scaled
    assert isinstance(scaled, ConstrainedInstance)
    vector = DualValues((1,) * len(scaled.classes), (2,) * len(scaled.types))
    _, grouped = scaled.rules_checked
    pairs = 4 * (20 + grouped)
    assert grouped
    for most, kind in ((pairs, "constrained"), (pairs - 1, "solver")):
        limits = evidence.LIMITS._replace(pairs=most)
        monkeypatch.setattr("kvpr_opt.certificates.evidence.LIMITS", limits)
        assert dual_proof(scaled, scaled.at_most(1), vector).kind == kind
