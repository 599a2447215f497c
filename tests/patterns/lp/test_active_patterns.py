"""The columns of a restricted program: chosen, added, given away, dropped."""

from __future__ import annotations

import numpy as np
import pytest

from kvpr_opt.patterns.lp import active_patterns
from kvpr_opt.patterns.lp.active_patterns import ActivePatterns
from kvpr_opt.patterns.lp.central_program import Layout
from kvpr_opt.patterns.lp.exchange import PatternExchange
from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.pricing import Duals
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.problem.instance import GPU, LLM, Instance

#: Three classes in two bins of ten.
FLEET = Instance(
    [GPU("a", 10), GPU("b", 10)],
    [LLM(f"m{n}", weight, pressure=n) for n, weight in enumerate([2, 3, 7], start=1)],
)
QUESTION = PackingQuestion.of(FLEET.scaled, FLEET.scaled.finite())
#: A bin is worth a half, the classes a quarter each.
DUALS = Duals(np.full(3, 0.25), np.array([0.5]))


def lists(*rows: list[int]) -> ItemLists:
    return ItemLists.of(np.array(rows), np.zeros(len(rows)))


def active(exchange: PatternExchange) -> tuple[ActivePatterns, PatternPool]:
    pool = PatternPool(3)
    pool.add(lists([1, 0, 0], [0, 1, 0], [0, 0, 1]))
    return ActivePatterns(Layout.of(QUESTION), pool, None, exchange.join()), pool


def test_what_is_worth_more_than_its_bin_is_added_and_offered() -> None:
    exchange = PatternExchange()
    (mine, pool), other = active(exchange), exchange.join()
    assert mine.add(lists([1, 1, 0], [1, 1, 1], [0, 1, 1]), DUALS) == 1
    assert pool.counts(mine.places).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]
    assert mine.patterns.number == len(mine) == 4
    assert other.received().counts(3).tolist() == [[1, 1, 1]]
    # What is active is not new.
    assert mine.add(lists([1, 1, 1]), DUALS) == 0


def test_of_what_others_found_only_what_fits_here_and_is_worth_it_is_added() -> None:
    exchange = PatternExchange()
    (mine, pool), other = active(exchange), exchange.join()
    rich = Duals(np.array([0.4, 0.4, 0.4]), np.array([0.5]))
    # Two that are, one too large, one with too many copies, and one worth less than the bin.
    other.offer(lists([1, 0, 1], [1, 1, 0], [1, 1, 1], [2, 0, 0], [1, 0, 0]))
    assert mine.receive(rich) == 2
    assert pool.counts(mine.places)[3:].tolist() == [[1, 0, 1], [1, 1, 0]]
    assert other.received().number == 0


def test_if_there_are_too_many_those_worth_most_and_single_items_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(active_patterns, "_FEW_CLASSES", 1)
    monkeypatch.setattr(active_patterns, "_EACH", 2)
    mine, pool = active(PatternExchange())
    mine.include(lists([1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]))
    assert len(mine) == 7
    mine.drop(Duals(np.array([0.1, 0.2, 0.3]), np.array([0.5])))
    # Of six, 65 % are kept: the three alone come first.
    assert pool.counts(mine.places).tolist() == np.eye(3, dtype=int).tolist()
