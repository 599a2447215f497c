"""The exact engine against brute force, and its parts against plain re-implementations."""

from __future__ import annotations

import itertools
import math
import random
import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import kvpr_opt as kv
from kvpr_opt import stages
from kvpr_opt.certificates.evidence import DualVector, Evidence
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns import engine
from kvpr_opt.patterns.cover.bitpacking import BitPacking
from kvpr_opt.patterns.cover.enumeration import WasteBudget, _by_halves, _depth_first
from kvpr_opt.patterns.cover.exact_cover import cover
from kvpr_opt.patterns.dive import Dive, DivePlan
from kvpr_opt.patterns.engine import PatternEngine
from kvpr_opt.patterns.findings import Findings
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.dual import most_by_type, refutes
from kvpr_opt.patterns.problem import (
    DualValues,
    Fractional,
    NoPacking,
    Packing,
    PackingQuestion,
    Relaxed,
    Undecided,
)
from kvpr_opt.patterns.proofs import schedule
from kvpr_opt.patterns.proofs.evidence import dual_proof, exhaustion, placement_of
from kvpr_opt.patterns.proofs.shortening import Refutation, shorten_dual
from kvpr_opt.patterns.steps import EngineSteps
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.bounds import lower_bounds, volume_bound
from kvpr_opt.search.tracker import Tracker


def small_fleet(seed: int) -> Instance:
    """Mixed memory, zero pressure, duplicates, items of no size, tight fits."""
    draw = random.Random(seed)
    capacities = [draw.choice([4, 6, 9, 10, 12]) for _ in range(draw.randint(1, 4))]
    types = [
        (draw.randint(0 if draw.random() < 0.2 else 1, 7), draw.choice([0, 0, 1, 2, 3, 5]))
        for _ in range(draw.randint(1, 5))
    ]
    divisor = draw.choice([1, 1, 3, 7])
    models = [draw.choice(types) for _ in range(draw.randint(1, 7))]
    if draw.random() < 0.1:
        models = [(size, 0) for size, _ in models]
    return Instance(
        [GPU(f"g{i}", c) for i, c in enumerate(capacities)],
        [LLM(f"m{i}", m, pressure=Fraction(n, divisor)) for i, (m, n) in enumerate(models)],
    )


def brute_force(instance: Instance) -> Fraction | float:
    best: Fraction | float = math.inf
    scaled = instance.scaled
    for gpu_of in itertools.product(range(len(instance.gpus)), repeat=len(instance.models)):
        used = [0] * len(instance.gpus)
        pressure = [0] * len(instance.gpus)
        for model, gpu in enumerate(gpu_of):
            used[gpu] += scaled.sizes[model]
            pressure[gpu] += scaled.pressures[model]
        worst: Fraction | float = Fraction(0)
        for u, p, c in zip(used, pressure, scaled.capacities, strict=True):
            if u > c or (u == c and p > 0):
                worst = math.inf
                break
            if p:
                worst = max(worst, Fraction(p, c - u) * scaled.kvpr_unit)
        best = min(best, worst)
    return best


def run_engine(instance: Instance) -> Tracker:
    tracker = Tracker(instance, Limits(30))
    for bound in lower_bounds(instance):
        tracker.raise_bound(bound, "simple")
    if not tracker.done:
        PatternEngine(tracker).run()
    return tracker


@pytest.mark.parametrize("seed", range(SEEDS := 150))
def test_engine_finds_and_proves_the_optimum(seed: int) -> None:
    instance = small_fleet(seed)
    tracker = run_engine(instance)
    optimum = brute_force(instance)
    assert tracker.settled
    assert tracker.bound_value == optimum
    assert (tracker.incumbent_value if optimum != math.inf else math.inf) == optimum


def fleet_with_an_optimum_above_zero(seed: int) -> tuple[Instance, Fraction]:
    for attempt in itertools.count(1):
        instance = small_fleet(seed + 10_000 * attempt)
        optimum = brute_force(instance)
        if isinstance(optimum, Fraction) and optimum > 0:
            return instance, optimum
    raise AssertionError("the count does not end")


def question_with_something_to_pack(seed: int) -> PackingQuestion:
    draw = random.Random(seed)
    for attempt in itertools.count(2):
        scaled = small_fleet(seed + 10_000 * attempt).scaled
        question = PackingQuestion.of(scaled, scaled.at_most(Fraction(draw.randint(1, 40), 8)))
        if scaled.total_pressure > 0 and question.slack >= 0 and question.counts.any():
            return question
    raise AssertionError("the count does not end")


@pytest.mark.parametrize(
    "seed",
    [*range(100), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(100, 300))],
)
def test_every_part_agrees_with_brute_force_on_a_threshold(seed: int) -> None:
    instance, optimum = fleet_with_an_optimum_above_zero(seed)
    scaled = instance.scaled
    lp, limits = PatternLP(scaled), Limits()
    for threshold, feasible in (
        (scaled.at_most(optimum), True),
        (scaled.below(optimum), False),
        (scaled.at_most(optimum * Fraction(9, 10)), False),
        (scaled.at_most(optimum * Fraction(11, 10)), True),
    ):
        question = PackingQuestion.of(scaled, threshold)
        duals = lp.duals(question, limits)
        extra = (duals,) if isinstance(duals, tuple) else ()
        for given in ((), extra):
            answer = cover(question, limits, most_patterns=10_000, work=10**8, duals=given)
            assert isinstance(answer, Packing if feasible else NoPacking)
            if isinstance(answer, Packing):
                assert placement_of(instance, answer).meets(threshold)
        relaxed = lp.decide(question, limits)
        assert not (feasible and isinstance(relaxed, DualValues))
        if isinstance(relaxed, DualValues):
            check_vector(question, relaxed)
            check_vector(question, shorten_dual(question, relaxed, lp.pool, Limits()))
        dived = Dive(lp, limits, DivePlan(last_items=2)).run(question)
        assert feasible or dived is None
        if dived is not None:
            assert placement_of(instance, dived).meets(threshold)


def check_vector(question: PackingQuestion, vector: DualValues) -> None:
    """By trying every set of models."""
    values = np.array(vector.class_values)
    assert (values >= 0).all()
    for counts in itertools.product(*(range(n + 1) for n in question.counts)):
        load, worth = counts @ question.sizes, counts @ values
        for capacity, most in zip(question.capacities, vector.type_values, strict=True):
            assert load > capacity or worth <= most
    assert values @ question.counts > np.array(vector.type_values) @ question.multiplicities


@pytest.mark.parametrize("seed", range(60))
def test_both_enumerations_find_all_patterns(seed: int) -> None:
    question = question_with_something_to_pack(seed)
    bits = BitPacking.of(question.counts)
    budget = WasteBudget.of(question, question.sizes, question.capacities)
    expected = {
        (k, counts)
        for counts in itertools.product(*(range(n + 1) for n in question.counts))
        for k, capacity in enumerate(question.capacities)
        if any(counts) and 0 <= capacity - counts @ question.sizes <= question.slack
    }
    for found in (
        _by_halves(question, bits, 10_000, Limits()),
        _depth_first(question, bits, budget, 10_000, Limits()),
    ):
        assert found is not None
        rows = bits.unpack(found[0], len(question.counts)).tolist()
        listed = [(k, tuple(row)) for k, row in zip(found[1].tolist(), rows, strict=True)]
        listed = [(k, row) for k, row in listed if any(row)]
        assert len(listed) == len(set(listed))
        assert set(listed) == expected


def test_worth_of_a_set_is_exact() -> None:
    draw = random.Random(5)
    for _ in range(50):
        instance = small_fleet(draw.randint(0, 10**6))
        scaled = instance.scaled
        if scaled.total_pressure == 0:
            continue
        question = PackingQuestion.of(scaled, scaled.at_most(Fraction(draw.randint(1, 40), 8)))
        values = np.array([draw.randint(0, 9) for _ in question.counts])
        most = most_by_type(question, values)
        assert most is not None
        for k, capacity in enumerate(question.capacities):
            sets = itertools.product(*(range(n + 1) for n in question.counts))
            best = max(s @ values for s in sets if s @ question.sizes <= capacity)
            assert most[k] == best
        proof = refutes(question, values)
        if proof is not None:
            check_vector(question, proof)


def test_full_gpu_of_zero_pressure_is_legal() -> None:
    instance = Instance(
        [GPU("a", 10), GPU("b", 10)],
        [LLM("x", 6, pressure=0), LLM("y", 4, pressure=0), LLM("z", 2, pressure=1)],
    )
    tracker = run_engine(instance)
    assert tracker.incumbent_value == tracker.bound_value == Fraction(1, 8)


def test_rounded_sizes_never_lie() -> None:
    """Numbers beyond 64 bits: bounds stay below every placement, placements are exact."""
    draw = random.Random(3)
    for _ in range(5):
        models = [
            LLM(f"m{i}", Fraction(draw.randint(1, 4 * 10**24), 10**24),
                pressure=Fraction(draw.randint(0, 10**25), 10**24 + 7 * i))
            for i in range(6)
        ]  # fmt: skip
        instance = Instance([GPU("a", 10), GPU("b", "9.5")], models)
        tracker = Tracker(instance, Limits(5))
        for bound in lower_bounds(instance):
            tracker.raise_bound(bound, "simple")
        PatternEngine(tracker).run()
        optimum = brute_force(instance)
        assert tracker.bound_value is not None
        assert tracker.bound_value <= optimum
        assert tracker.incumbent is not None
        assert Placement(instance, tracker.incumbent.gpu_of).max_kvpr >= optimum


def test_stops_in_time() -> None:
    from kvpr_opt.generate import random_instance

    run_engine(small_fleet(1))
    instance = random_instance("uniform", gpus=16, models=96, seed=1)
    limits = Limits(1.0)
    tracker = Tracker(instance, limits)
    for bound in lower_bounds(instance):
        tracker.raise_bound(bound, "simple")
    PatternEngine(tracker).run()
    assert limits.elapsed < 2.5
    assert isinstance(tracker.bound_value, Fraction)


def test_fractional_answers_cover_every_class() -> None:
    instance = small_fleet(12)
    lp = PatternLP(instance.scaled)
    question = PackingQuestion.of(instance.scaled, instance.scaled.finite())
    answer = lp.decide(question, Limits())
    if isinstance(answer, Fractional):
        covered = answer.weights @ lp.pool.counts(np.arange(lp.pool.size))
        assert (covered >= question.counts - 1e-6).all()


def test_numbers_of_any_length_are_settled_by_exhaustive_search() -> None:
    for seed in range(12):
        draw = random.Random(seed)
        primes = [Fraction(draw.randint(1, 2 * p), p) for p in (99991, 100003, 100019, 100043)]
        instance = Instance(
            [GPU(f"g{i}", draw.choice([6, 8, 8])) for i in range(3)],
            [LLM(f"m{i}", draw.randint(1, 3), pressure=draw.choice(primes)) for i in range(6)],
        )
        optimum = brute_force(instance)
        if optimum == math.inf:
            continue
        tracker = Tracker(instance, Limits(30))
        for bound in lower_bounds(instance):
            tracker.raise_bound(bound, "known")
        PatternEngine(tracker).run()
        assert tracker.incumbent_value == tracker.bound_value == optimum


def test_its_stages_can_be_named_in_a_solve() -> None:
    assert set(engine.STAGES) <= set(stages.STAGES)


def test_with_every_stage_left_out_it_ends_at_once() -> None:
    tracker = Tracker(small_fleet(1), Limits(30))
    PatternEngine(tracker, skip=engine.STAGES).run()
    assert tracker.incumbent is None
    assert tracker.limits.elapsed < 5


def test_proofs_beyond_the_checkers_limits_are_shortened_or_not_certified() -> None:
    """Half a thousand million points a GPU take more work than the checker may do."""
    scaled = random_instance("uniform", gpus=8, models=64, seed=0).scaled
    threshold = scaled.at_most(Fraction(23641, 76) * scaled.kvpr_unit)
    question = PackingQuestion.of(scaled, threshold)
    lp = PatternLP(scaled)
    found = lp.decide(question, Limits())
    assert isinstance(found, DualValues)
    factor = 5 * 10**8 // max(found.type_values)
    long = DualValues(
        tuple(value * factor for value in found.class_values),
        tuple(value * factor for value in found.type_values),
    )
    proof, packing = dual_proof(scaled, threshold, long), scaled.packing(threshold)
    assert isinstance(proof, DualVector)
    work = proof.row_work(packing.sizes, max(packing.capacities))
    assert work is not None
    assert dual_proof(scaled, threshold, long, most=work).certified
    assert not dual_proof(scaled, threshold, long, most=work - 1).certified
    short = shorten_dual(question, long, lp.pool, Limits())
    assert refutes(question, np.array(short.class_values)) == short
    assert dual_proof(scaled, threshold, short, most=work // 4).certified
    assert max(short.type_values) < max(found.type_values) // 10


@pytest.mark.parametrize(
    ("limit", "elapsed", "shortened"),
    [(60, 10, False), (60, 35, False), (60, 44, True), (8, 3, True), (None, 15, False),
     (None, 25, True)],
)  # fmt: skip
def test_long_proofs_of_large_fleets_wait_for_the_end_of_the_time(
    monkeypatch: pytest.MonkeyPatch, limit: float | None, elapsed: float, shortened: bool
) -> None:
    """Before that, the next question may make them useless; the last answer took a second."""
    tracker = Tracker(random_instance("uniform", gpus=8, models=64, seed=0), Limits(limit))
    scaled = tracker.instance.scaled
    tracker.raise_bound(volume_bound(scaled), "volume bound")
    placed = kv.solve(tracker.instance, method="heuristic").placement
    assert placed is not None
    tracker.offer(placed, "heuristic")
    steps = EngineSteps(tracker, frozenset(), Findings())
    threshold = scaled.at_most(Fraction(23641, 76) * scaled.kvpr_unit)
    question = PackingQuestion.of(scaled, threshold)
    vector = steps.lp.decide(question, Limits())
    assert isinstance(vector, DualValues)
    steps.findings.unproved = Refutation(question, vector, steps.lp.pool)
    steps.findings.asking = 1.0
    monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + elapsed)
    steps.proofs.shorten()
    assert (steps.findings.unproved is None) == shortened


def test_the_lp_says_nothing_where_its_time_is_up() -> None:
    scaled = random_instance("uniform", gpus=256, models=1024, seed=0).scaled
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    question = PackingQuestion.of(scaled, scaled.at_most(volume * Fraction(10_001, 10_000)))
    limits = Limits(0.05)
    answer = PatternLP(scaled).decide(question, limits)
    assert isinstance(answer, Undecided)
    assert limits.elapsed < 1


def full_triplets(gpus: int) -> Instance:
    """Three models a GPU that fill all of them, but for two that have exchanged one unit."""
    draw = random.Random(1)
    sizes: list[int] = []
    for _ in range(gpus):
        first = draw.randint(260, 490)
        second = draw.randint(250, 750 - first)
        sizes += [first, second, 1000 - first - second]
    draw.shuffle(sizes)
    sizes[0] += 1
    sizes[1] -= 1
    return Instance(
        [GPU(f"g{index}", 1000) for index in range(gpus)],
        [LLM(f"m{index}", size, pressure=0) for index, size in enumerate(sizes)],
    )


def test_the_lp_refutes_a_question_of_packing_alone() -> None:
    result = kv.solve(full_triplets(20), threads=1, skip=("exhaustive_search", "dives"))
    assert result.status is kv.Status.INFEASIBLE
    assert result.certified


def test_a_packing_that_is_neither_found_nor_ruled_out_is_called_that() -> None:
    result = kv.solve(
        full_triplets(20),
        method="branch_and_price",
        threads=1,
        skip=("heuristic", "compiled_search", "exhaustive_search", "dives", "lp_bound"),
    )
    assert result.status is kv.Status.UNKNOWN
    assert result.message == "no placement found; none is ruled out"


def test_an_infeasible_fleet_takes_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 41 models at most one fits each of 30 GPUs with another; counting does not see it."""
    asked, decide = itertools.count(), PatternLP.decide

    def counted(*arguments: Any, **options: Any) -> Relaxed:
        next(asked)
        return decide(*arguments, **options)

    monkeypatch.setattr(PatternLP, "decide", counted)
    sizes = [6 * 10**9 + 7919 * index for index in range(25)]
    sizes += [5 * 10**9 + 104729 * index for index in range(12)]
    instance = Instance(
        [GPU(f"g{index}", 10**10) for index in range(30)],
        [LLM(f"m{index}", size, pressure=1 + index % 7) for index, size in enumerate(sizes)],
    )
    result = kv.solve(instance, threads=1, time_limit=60)
    assert result.status is kv.Status.INFEASIBLE
    assert next(asked) < 60


@pytest.mark.parametrize(("gpus", "models"), [(8, 48), (64, 256)])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_lp_alone_ends_when_it_knows_no_more(gpus: int, models: int, threads: int) -> None:
    """The run goes on without it, and without any limit."""
    tracker = Tracker(random_instance("uniform", gpus=gpus, models=models, seed=1), Limits())
    tracker.raise_bound(volume_bound(tracker.instance.scaled), "volume bound")
    placed = kv.solve(tracker.instance, method="heuristic").placement
    assert placed is not None
    tracker.offer(placed, "heuristic")
    skip = ("dives", "neighbourhoods", "exhaustive_search")
    PatternEngine(tracker, skip, threads=threads).run()
    assert not tracker.done
    volume, bound = volume_bound(tracker.instance.scaled).value, tracker.bound_value
    assert bound is not None
    assert bound > volume


def test_where_a_proof_stays_too_long_a_lower_bound_is_proved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracker = Tracker(random_instance("uniform", gpus=8, models=64, seed=0), Limits())
    scaled = tracker.instance.scaled
    volume = volume_bound(scaled)
    tracker.raise_bound(volume, "volume bound")
    placed = kv.solve(tracker.instance, method="heuristic").placement
    assert placed is not None
    tracker.offer(placed, "heuristic")
    steps = EngineSteps(tracker, frozenset(), Findings())
    question = PackingQuestion.of(scaled, scaled.at_most(Fraction(23641, 76) * scaled.kvpr_unit))
    vector = steps.lp.decide(question, Limits())
    assert isinstance(vector, DualValues)

    shortened = schedule.shortened

    def once_too_long(tracker: Tracker, found: Refutation, limits: Limits) -> Evidence:
        if found.question is not question:
            return shortened(tracker, found, limits)
        tracker.shortened = exhaustion(question.threshold, NoPacking(0))
        return tracker.shortened

    monkeypatch.setattr(schedule, "shortened", once_too_long)
    # Late enough for a share of the time.
    monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + 1_000)
    steps.findings.unproved = Refutation(question, vector, steps.lp.pool)
    steps.findings.refutation = steps.findings.unproved
    steps.prove()
    claimed = scaled.next_value(question.threshold)
    assert tracker.bound_value == claimed
    assert tracker.certified_bound is not None
    # With numbers as small as these, the threshold in between may be the same one.
    assert volume.value < tracker.certified_bound.value <= claimed
    assert steps.findings.too_long is None


def test_a_long_proof_that_was_cut_off_may_be_tried_again() -> None:
    tracker = Tracker(random_instance("uniform", gpus=8, models=64, seed=0), Limits())
    scaled = tracker.instance.scaled
    tracker.raise_bound(volume_bound(scaled), "volume bound")
    placed = kv.solve(tracker.instance, method="heuristic").placement
    assert placed is not None
    tracker.offer(placed, "heuristic")
    over = False
    steps = EngineSteps(tracker, frozenset(), Findings(), until=lambda: over)
    question = PackingQuestion.of(scaled, scaled.at_most(Fraction(23641, 76) * scaled.kvpr_unit))
    vector = steps.lp.decide(question, Limits())
    assert isinstance(vector, DualValues)
    found = Refutation(question, vector, steps.lp.pool)
    steps.findings.unproved = steps.findings.refutation = found
    over = True
    steps.proofs.shorten()
    assert steps.findings.unproved is steps.findings.refutation is found
    over = False
    steps.proofs.shorten()
    assert steps.findings.unproved is None
    assert tracker.certified_bound is not None
