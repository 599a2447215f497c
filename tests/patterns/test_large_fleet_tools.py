"""The tools of large fleets, forced onto small ones, against brute force and the simplex method."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from small_fleets import brute_force, random_fleet

from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits, LimitsView
from kvpr_opt.patterns import construction, continuous, engine, guided_rounding, steps
from kvpr_opt.patterns.dive import DivePlan
from kvpr_opt.patterns.engine import PatternEngine
from kvpr_opt.patterns.fill_and_dive import fill_and_dive
from kvpr_opt.patterns.guided_rounding import RoundingPlan, round_by_vertices
from kvpr_opt.patterns.lp import active_patterns, central_generation, column_generation
from kvpr_opt.patterns.lp.central_generation import Patience
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.dual import Bundles, Items, refutes
from kvpr_opt.patterns.lp.exchange import PatternExchange
from kvpr_opt.patterns.lp.pricing import Precision
from kvpr_opt.patterns.problem import (
    DualValues,
    Fractional,
    Packing,
    PackingQuestion,
    Relaxed,
)
from kvpr_opt.patterns.proofs.evidence import placement_of
from kvpr_opt.problem.instance import Instance
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.tracker import Tracker


@pytest.fixture
def central(monkeypatch: pytest.MonkeyPatch) -> None:
    """Central duals for programs of any size, with few columns and rounds of both grids."""
    monkeypatch.setattr(column_generation, "_CENTRAL_FROM", 1)
    monkeypatch.setattr(active_patterns, "_FEW_CLASSES", 1)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, central: None) -> None:
    """Every fleet is treated like a large one of numbers that are too long."""
    monkeypatch.setattr(engine, "_SEARCHABLE", -1)
    monkeypatch.setattr(engine, "_CONTINUOUS_UNITS", -1)
    monkeypatch.setattr(engine, "_TINY", 0)
    monkeypatch.setattr(engine, "count", lambda: iter(range(2)))
    monkeypatch.setattr(construction, "_CONSTRUCT_FROM", 1)
    monkeypatch.setattr(continuous, "_UNITS", 1)
    monkeypatch.setattr(steps, "_LAST_BINS", 1)
    monkeypatch.setattr(steps, "_FILL_ALL_BUT", 1)


def thresholds(instance: Instance, draw: random.Random, number: int) -> list[PackingQuestion]:
    scaled = instance.scaled
    volume = volume_bound(scaled).value
    if scaled.total_pressure == 0 or not isinstance(volume, Fraction):
        return []
    above = [Fraction(draw.randint(0, 100), draw.choice([100, 10_000])) for _ in range(number)]
    return [PackingQuestion.of(scaled, scaled.at_most(volume * (1 + far))) for far in above]


def test_both_methods_decide_alike(central: None, monkeypatch: pytest.MonkeyPatch) -> None:
    draw, decided = random.Random(1), 0
    for number in range(40):
        small = number % 2 == 0
        instance = (
            random_fleet(draw)
            if small
            else random_instance(draw.choice(["uniform", "mixed"]), gpus=4, models=16, seed=number)
        )
        for question in thresholds(instance, draw, 2):
            answers = []
            for start in (1, 10**9):
                monkeypatch.setattr(column_generation, "_CENTRAL_FROM", start)
                answers.append(PatternLP(instance.scaled).decide(question, Limits()))
            one, other = answers
            clear = (
                isinstance(one, (DualValues, Fractional)),
                isinstance(other, (DualValues, Fractional)),
            )
            if all(clear):
                decided += 1
                assert isinstance(one, DualValues) == isinstance(other, DualValues)
            if isinstance(one, DualValues):
                # Every refutation holds in whole numbers.
                assert refutes(question, np.array(one.class_values)) is not None
    assert decided > 25


def test_what_one_lp_found_saves_another_the_search(
    central: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = random_instance("uniform", gpus=64, models=256, seed=0).scaled
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    question = PackingQuestion.of(scaled, scaled.at_most(volume * (1 + Fraction(3, 10**5))))
    priced: list[int] = []
    price_on = central_generation.price_on

    def counted(*arguments: Any) -> Any:
        priced[-1] += 1
        return price_on(*arguments)

    monkeypatch.setattr(central_generation, "price_on", counted)
    exchange = PatternExchange()
    together = [PatternLP(scaled, exchange) for _ in range(2)]
    answers = []
    for lp in (*together, PatternLP(scaled)):
        priced.append(0)
        answers.append(type(lp.decide(question, Limits())))
    first, second, alone = priced
    assert 2 * second < first == alone
    assert len(set(answers)) == 1


def test_a_fractional_packing_covers_all_items(central: None) -> None:
    draw, found = random.Random(2), 0
    for seed in range(20):
        instance = random_instance("mixed", gpus=6, models=24, seed=seed)
        for question in thresholds(instance, draw, 2):
            lp = PatternLP(instance.scaled)
            answer = lp.decide(question, Limits())
            if not isinstance(answer, Fractional):
                continue
            found += 1
            weights = answer.weights
            used = lp.pool.counts(np.arange(len(weights)))
            types = lp.pool.patterns.types[: len(weights)]
            assert (weights @ used >= question.counts - 1e-6).all()
            for gpu_type, number in enumerate(question.multiplicities):
                assert weights[types == gpu_type].sum() <= number + 1e-6
            held = used[weights > 0] @ question.sizes
            assert (held <= question.capacities[types[weights > 0]]).all()
    assert found > 10


@pytest.mark.parametrize("loads", [2**22, 200])
def test_the_engine_claims_nothing_false(
    large: None, monkeypatch: pytest.MonkeyPatch, loads: int
) -> None:
    monkeypatch.setattr(steps, "LOADS", loads)
    draw, closed = random.Random(loads), 0
    for _ in range(40):
        instance = random_fleet(draw, most_models=6, most_gpus=3)
        tracker = Tracker(instance, Limits())
        tracker.raise_bound(volume_bound(instance.scaled), "volume bound")
        PatternEngine(tracker).run()
        best = brute_force(instance)
        assert tracker.bound_value is not None
        assert tracker.bound_value <= best
        if tracker.incumbent is not None:
            assert tracker.incumbent_value >= best
        closed += tracker.bound_value == best
    assert closed > 25


def test_rounded_questions_lean_to_the_safe_side() -> None:
    draw = random.Random(5)
    for _ in range(200):
        for question in thresholds(random_fleet(draw), draw, 1):
            loads = draw.choice([3, 10, 50])
            up, down = question.rounded_up(loads), question.rounded_down(loads)
            assert max(up.capacities.max(), down.capacities.max()) <= max(
                loads, question.capacities.max() if up is question else 0
            )
            for _ in range(10):
                chosen = np.array([draw.randint(0, int(n)) for n in question.counts])
                for gpu_type, capacity in enumerate(question.capacities):
                    fits = chosen @ question.sizes <= capacity
                    if chosen @ up.sizes <= up.capacities[gpu_type]:
                        assert fits
                    if fits:
                        assert chosen @ down.sizes <= down.capacities[gpu_type]


def test_rounding_and_construction_give_packings(large: None) -> None:
    packed = 0
    for seed in range(6):
        instance = random_instance("mixed", gpus=8, models=32, seed=seed)
        scaled = instance.scaled
        volume = volume_bound(scaled).value
        assert isinstance(volume, Fraction)
        threshold = scaled.at_most(volume * Fraction(102, 100))
        question = PackingQuestion.of(scaled, threshold)
        plan = DivePlan(discrepancies=1)
        found: list[Packing | None] = [
            round_by_vertices(
                PatternLP(scaled),
                question,
                None,
                Limits(),
                RoundingPlan(0.4, plan),
                last_bins=3,
                seed=seed,
            ),
            fill_and_dive(scaled, question, Limits(), plan, last_bins=4, seed=seed),
        ]
        for packing in found:
            if packing is not None:
                packed += 1
                assert (packing.counts.sum(axis=0) == question.counts).all()
                assert placement_of(instance, packing).max_kvpr <= threshold.value
    assert packed > 8


def test_a_program_that_is_refuted_is_not_rounded(large: None) -> None:
    scaled = random_instance("uniform", gpus=6, models=24, seed=1).scaled
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    question = PackingQuestion.of(scaled, scaled.at_most(volume * Fraction(99, 100)))
    answer = round_by_vertices(
        PatternLP(scaled),
        question,
        None,
        Limits(),
        RoundingPlan(0.4, DivePlan()),
        last_bins=2,
        seed=0,
    )
    assert answer is None
    stopped = Limits()
    stopped.interrupt()
    assert guided_rounding.round_by_vertices(
        PatternLP(scaled), question, None, stopped, RoundingPlan(0.4, DivePlan()),
        last_bins=2, seed=0,
    ) is None  # fmt: skip


def test_rounding_goes_back_where_too_much_was_fixed(
    large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = random_instance("uniform", gpus=12, models=48, seed=3)
    scaled = instance.scaled
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    question = PackingQuestion.of(scaled, scaled.at_most(volume * Fraction(102, 100)))
    lp, asked = PatternLP(scaled), []
    decide = lp.decide

    def refuted_once(
        part: PackingQuestion, limits: LimitsView, *, precision: Precision = Precision.FULL
    ) -> Relaxed:
        asked.append(part.bins)
        if len(asked) == 2:
            return DualValues((), ())
        return decide(part, limits, precision=precision)

    monkeypatch.setattr(lp, "decide", refuted_once)
    packing = round_by_vertices(
        lp,
        question,
        None,
        Limits(),
        RoundingPlan(0.4, DivePlan(discrepancies=1)),
        last_bins=3,
        seed=0,
    )
    assert asked[0] == 12
    # After the refusal more bins are left than before it.
    assert asked[1] < asked[2] < 12
    assert packing is not None
    assert (packing.counts.sum(axis=0) == question.counts).all()


def test_patience_makes_a_proof_not_by_a_hair(
    central: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def excess(seed: int) -> float:
        scaled = random_instance("uniform", gpus=16, models=64, seed=seed).scaled
        volume = volume_bound(scaled).value
        assert isinstance(volume, Fraction)
        question = PackingQuestion.of(scaled, scaled.at_most(volume * Fraction(100_008, 100_000)))
        answer = PatternLP(scaled).decide(question, Limits())
        assert isinstance(answer, DualValues)
        assert refutes(question, np.array(answer.class_values)) is not None
        bins = int(question.multiplicities @ np.array(answer.type_values))
        return int(question.counts @ np.array(answer.class_values)) / bins - 1

    monkeypatch.setattr(central_generation, "Patience", lambda: Patience(0.9, 20))
    ample = [excess(seed) for seed in range(3, 8)]
    monkeypatch.setattr(central_generation, "Patience", lambda: Patience(0.5, 0))
    at_once = [excess(seed) for seed in range(3, 8)]
    assert min(at_once) > 0
    # Most are refuted by a good margin anyway.
    assert all(more >= some for more, some in zip(ample, at_once, strict=True))
    assert max(more / some for more, some in zip(ample, at_once, strict=True)) > 1.5


def test_bundles_stand_for_every_number_of_copies() -> None:
    draw = random.Random(6)
    for _ in range(100):
        for question in thresholds(random_fleet(draw, most_models=14), draw, 1):
            wanted = question.counts > 0
            items, bundles = Items.of(question, wanted), Bundles.of(question, wanted)
            for c in np.unique(items.owner):
                own = bundles.copies[bundles.owner == c].tolist()
                reached = {0}
                for copies in own:
                    reached |= {number + copies for number in reached}
                assert reached == set(range(int((items.owner == c).sum()) + 1))
            assert (bundles.sizes == bundles.copies * question.sizes[bundles.owner]).all()
