"""The program over patterns for the interior point method: its columns, and where it starts."""

from __future__ import annotations

import numpy as np
import pytest

from kvpr_opt.patterns.lp.central_program import CentralProgram, Layout, Trail
from kvpr_opt.patterns.lp.interior_point import solve_central
from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.predictor_corrector import centre_of, gap_of
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.problem.instance import GPU, LLM, Instance


def question_of(memories: list[int], weights: list[int]) -> PackingQuestion:
    fleet = Instance(
        [GPU(f"g{n}", memory) for n, memory in enumerate(memories)],
        [LLM(f"m{n}", weight, pressure=1 + n) for n, weight in enumerate(weights)],
    )
    return PackingQuestion.of(fleet.scaled, fleet.scaled.finite())


def pool_of(rows: list[list[int]], types: list[int]) -> PatternPool:
    pool = PatternPool(len(rows[0]))
    pool.add(ItemLists.of(np.array(rows), np.array(types)))
    return pool


def dense(program: CentralProgram, rows: int) -> np.ndarray:
    starts, row, entry = program.columns
    matrix = np.zeros((rows, len(starts) - 1))
    for column in range(len(starts) - 1):
        for place in range(starts[column], starts[column + 1]):
            matrix[row[place], column] = entry[place]
    return matrix


def test_patterns_are_columns_beside_an_empty_one_and_items_to_buy() -> None:
    question = question_of([10, 10, 10, 20], [3, 4, 5])
    small = int(np.argmax(question.multiplicities))
    pool = pool_of([[1, 1, 0], [0, 0, 1], [1, 1, 1]], [small, small, 1 - small])
    layout = Layout.of(question)
    program = CentralProgram.over(layout, pool, np.array([0, 2]), np.array([0.5, 0.6, 0.7]))
    # Three small bins and a large one: for each small pattern, a third of a large one may be used.
    np.testing.assert_allclose(
        dense(program, 4),
        [
            [1, 1, 0, 1, 0, 0],
            [1, 1, 0, 0, 1, 0],
            [0, 1, 0, 0, 0, 1],
            [1 / 3, -1, 1 / 3, 0, 0, 0],
        ],
    )
    np.testing.assert_allclose(program.costs, [4 / 3, 0, 4 / 3, 0.5, 0.6, 0.7])
    np.testing.assert_allclose(layout.demand, [1, 1, 1, 0])


def test_types_without_bins_have_no_rows() -> None:
    question = question_of([10, 10, 20], [3, 4])
    left = question.left(question.counts, np.where(question.multiplicities == 1, 0, 2))
    layout = Layout.of(left)
    assert len(layout.others) == 0
    assert layout.has(np.arange(2)).sum() == 1


def test_values_by_row_are_those_by_class_and_type() -> None:
    question = question_of([10, 10, 10, 20], [3, 4, 5])
    layout = Layout.of(question)
    by_class, by_type = np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.4])
    by_type /= by_type @ question.multiplicities
    again = layout.of_rows(layout.rows_of(by_class, by_type))
    np.testing.assert_allclose(again[0], by_class)
    np.testing.assert_allclose(again[1], by_type)


def test_a_program_with_more_patterns_starts_from_the_way_to_the_last_solution() -> None:
    question = question_of([10] * 4, [3, 4, 5, 6])
    layout = Layout.of(question)
    pool = pool_of([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 1, 0], [1, 0, 1, 0]], [0] * 5)
    prices, inside = np.full(4, 2.0), np.full(4, 0.2)
    few = CentralProgram.over(layout, pool, np.array([0, 1, 2]), prices)
    start = few.start(layout, inside, None, 1.0)
    point = solve_central(few.columns, few.costs, layout.demand, start, tolerance=1e-6)
    assert point is not None
    assert point.objective == pytest.approx(3, rel=1e-5)
    trail = Trail(few.patterns, point.path)
    assert gap_of(trail.at(0.1)) >= 0.1
    assert trail.at(1e9) is point.path[0]
    more = CentralProgram.over(layout, pool, np.arange(5), prices)
    warm = more.start(layout, inside, trail, 0.05)
    last = trail.at(0.15 * question.bins)
    np.testing.assert_allclose(warm.dual, last.dual)
    # Not far from the centre, whatever is new.
    products = warm.primal * warm.slack / centre_of(last)
    assert products.min() >= 0.099
    assert products.max() <= 10.01
    assert (warm.slack > 0).all()
    found = solve_central(more.columns, more.costs, layout.demand, warm, tolerance=1e-6)
    assert found is not None
    assert found.objective == pytest.approx(2.5, rel=1e-5)
