"""Pricing under rules: tables of a sensible size, patterns that keep the rules, limits heeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp import pricing_with_rules
from kvpr_opt.patterns.lp.pricing import Duals, Grid, price_on
from kvpr_opt.patterns.lp.pricing_with_rules import fits_by_load, longest_scale
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.problem.rules import Rules
from kvpr_opt.search.bounds import volume_bound

FLEET = random_instance("constrained", gpus=16, models=64, seed=0).scaled


def question_of_the_fleet() -> PackingQuestion:
    return PackingQuestion.of(FLEET, FLEET.at_most(volume_bound(FLEET).value * 2))


def test_where_a_table_by_load_is_too_long_values_are_coarser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    question = question_of_the_fleet()
    duals = Duals.of_volume(question)
    assert fits_by_load(question)
    fine = price_on(question, duals, Grid(5 * 10**8, by_load=True), Limits())
    monkeypatch.setattr(pricing_with_rules, "_CHOICE_ENTRIES", int(question.capacities.max()))
    assert not fits_by_load(question)
    allowed = longest_scale(question)
    # Values of nine digits would need tables of as many entries.
    coarse = price_on(question, duals, Grid(5 * 10**8, by_load=True), Limits())
    assert fine is not None
    assert coarse is not None
    worth = coarse.duals.by_type.max() / coarse.duals.by_class[coarse.duals.by_class > 0].min()
    assert worth <= 2 * allowed
    assert np.allclose(coarse.duals.by_class, fine.duals.by_class, rtol=0, atol=2 / allowed)


def test_many_options_make_values_coarser(monkeypatch: pytest.MonkeyPatch) -> None:
    question = question_of_the_fleet()
    before = longest_scale(question)
    monkeypatch.setattr(pricing_with_rules, "_ROW_ENTRIES", before)
    assert longest_scale(question) < before
    assert not fits_by_load(question)


def test_what_is_found_part_by_part_is_what_is_found_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    question = question_of_the_fleet()
    duals = Duals.of_volume(question)
    found = []
    for number in (1, 10**9):
        monkeypatch.setattr(pricing_with_rules, "_SETS_AT_ONCE", number)
        priced = price_on(question, duals, Grid(2_000), Limits())
        assert priced is not None
        found.append([part.tolist() for part in priced.patterns])
    assert found[0] == found[1]
    assert found[0][0]


@pytest.mark.parametrize("looks", [0, 1, 3])
def test_a_stop_is_noticed_between_the_parts(monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    monkeypatch.setattr(pricing_with_rules, "_SETS_AT_ONCE", 1)
    question = question_of_the_fleet()
    seen = 0

    def over() -> bool:
        nonlocal seen
        seen += 1
        return seen > looks

    limits = Limits().until(over)
    assert price_on(question, Duals.of_volume(question), Grid(2_000), limits) is None
    assert seen == looks + 1


def dense(rules: Rules, counts: np.ndarray, types: np.ndarray) -> np.ndarray:
    kept = ~((counts > 0) & ~rules.allowed[types]).any(axis=1)
    return np.asarray(kept & (counts @ rules.member.T <= 1).all(axis=1))


@pytest.mark.parametrize("groups", [[], [[0, 1, 2]], [[0, 0, 3], [3, 4], [5]]])
@pytest.mark.parametrize("some", [lambda n: n, lambda n: 0])
def test_patterns_that_break_a_rule_are_dropped(
    groups: list[list[int]], some: Callable[[int], int]
) -> None:
    draw = np.random.default_rng(3)
    rules = Rules.of(draw.random((4, 6)) < 0.8, groups, 6)
    counts = (draw.integers(0, 3, (some(300), 6)) * (draw.random((some(300), 6)) < 0.3)).astype(
        np.int16
    )
    types = draw.integers(0, 4, len(counts))
    kept = rules.keep(counts, types)
    assert (kept == dense(rules, counts, types)).all()
    if len(counts):
        assert 0 < kept.sum() < len(kept)


def test_many_items_of_a_group_are_not_taken_for_none() -> None:
    rules = Rules.of(np.ones((1, 3), dtype=bool), [[0, 1, 2]], 3)
    counts = np.array([[20_000, 12_768, 0], [0, 0, 1], [32_767, 32_767, 2]], dtype=np.int16)
    assert rules.keep(counts, np.zeros(3, dtype=np.int64)).tolist() == [False, True, False]
