"""The interior point method and its Cholesky factors, against numpy and the simplex method."""

from __future__ import annotations

import highspy
import numpy as np
import pytest

from kvpr_opt.patterns.lp.cholesky import factorise, solve_factorised
from kvpr_opt.patterns.lp.interior_point import solve_central, start_from
from kvpr_opt.patterns.lp.predictor_corrector import Iterate, gap_of
from kvpr_opt.patterns.lp.sparse_columns import SparseColumns


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 64, 97])
def test_a_factor_is_that_of_numpy(size: int) -> None:
    random = np.random.default_rng(size)
    root = random.standard_normal((size, size))
    matrix = root @ root.T + np.eye(size)
    # Only the lower triangle is read.
    factor = np.tril(matrix) + np.triu(np.full((size, size), np.nan), 1)
    assert factorise(factor)
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(matrix), rtol=1e-9, atol=1e-9)
    right = random.standard_normal(size)
    np.testing.assert_allclose(solve_factorised(factor, right), np.linalg.solve(matrix, right))


def test_a_matrix_that_is_not_positive_has_no_factor() -> None:
    assert not factorise(np.array([[1.0, 0.0], [2.0, 1.0]]))
    assert not factorise(np.zeros((40, 40)))


def draw_program(
    seed: int, rows: int, number: int
) -> tuple[SparseColumns, np.ndarray, np.ndarray, Iterate]:
    """Columns of which each holds a few items, costs, demands, and where to start."""
    random = np.random.default_rng(seed)
    starts, row, entry = [0], [], []
    for column in range(number):
        held = [column] if column < rows else sorted(random.choice(rows, min(rows, 4), False))
        row += [int(r) for r in held]
        entry += [float(random.integers(1, 4)) for _ in held]
        starts.append(len(row))
    columns = SparseColumns(np.array(starts), np.array(row), np.array(entry))
    costs = random.uniform(0.5, 1.5, number)
    demand = random.integers(1, 9, rows).astype(float)
    return columns, costs, demand, start_from(columns, costs, demand, np.full(rows, 0.5 / 13))


def optimum_of(columns: SparseColumns, costs: np.ndarray, demand: np.ndarray) -> float:
    highs = highspy.Highs()
    highs.silent()
    rows, number, infinity = len(demand), len(costs), highspy.kHighsInf
    none = np.zeros(0, dtype=np.int32)
    highs.addRows(
        rows, demand, np.full(rows, infinity), 0, np.zeros(rows, np.int32), none, np.zeros(0)
    )
    highs.addCols(
        number, costs, np.zeros(number), np.full(number, infinity), len(columns.rows),
        columns.starts[:-1].astype(np.int32), columns.rows.astype(np.int32), columns.entries,
    )  # fmt: skip
    highs.run()
    return float(highs.getInfo().objective_function_value)


@pytest.mark.parametrize(("rows", "number"), [(1, 3), (3, 9), (20, 90), (60, 400)])
def test_it_comes_as_close_to_the_optimum_as_asked(rows: int, number: int) -> None:
    for seed in range(3):
        columns, costs, demand, start = draw_program(seed, rows, number)
        best = optimum_of(columns, costs, demand)
        for tolerance in (1e-2, 1e-5, 1e-8):
            point = solve_central(columns, costs, demand, start, tolerance=tolerance)
            assert point is not None
            assert point.objective - point.bound <= 1.001 * tolerance * point.objective
            # Feasible duals are worth no more than the optimum, whatever the primal point is.
            assert point.bound <= best * (1 + 1e-9)
            assert point.objective == pytest.approx(best, rel=20 * tolerance)
            assert point.primal.min() > 0
            assert point.dual.min() > 0


def test_enough_ends_it_with_a_feasible_point() -> None:
    columns, costs, demand, start = draw_program(5, 30, 200)
    enough = optimum_of(columns, costs, demand) * 1.2
    point = solve_central(columns, costs, demand, start, tolerance=1e-9, enough=enough)
    assert point is not None
    assert point.objective <= enough
    assert point.objective - point.bound > 1e-8 * enough  # it went on no longer
    supply = np.zeros(len(demand))
    for column, value in enumerate(point.primal):
        held = slice(columns.starts[column], columns.starts[column + 1])
        supply[columns.rows[held]] += columns.entries[held] * value
    assert (supply >= demand - 1e-6).all()


def test_it_goes_on_from_a_point_on_the_way_to_a_similar_solution() -> None:
    columns, costs, demand, start = draw_program(7, 40, 300)
    first = solve_central(columns, costs, demand, start, tolerance=1e-6)
    assert first is not None
    near = [point for point in first.path if gap_of(point) >= 1e-3 * first.objective][-1]
    changed = demand + np.random.default_rng(0).uniform(-0.01, 0.01, len(demand))
    again = solve_central(columns, costs, changed, near, tolerance=1e-6)
    anew = solve_central(columns, costs, changed, start, tolerance=1e-6)
    assert again is not None
    assert anew is not None
    assert again.objective == pytest.approx(anew.objective, rel=2e-6)
    assert len(again.path) < len(anew.path)


def test_it_gives_no_point_where_there_is_none() -> None:
    columns, costs, demand, start = draw_program(6, 5, 20)
    outside = Iterate(start.primal, start.surplus, 100 * start.dual, start.slack - 100)
    assert solve_central(columns, costs, demand, outside, tolerance=1e-3) is None
    assert solve_central(columns, costs, demand, start, tolerance=0.1, stopped=lambda: True) is None
    # No column holds an item of the last row.
    lonely = np.append(demand, 1.0)
    begin = start_from(columns, costs, lonely, np.append(start.dual, 0.1))
    assert solve_central(columns, costs, lonely, begin, tolerance=1e-6) is None
