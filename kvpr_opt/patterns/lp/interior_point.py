"""A primal-dual interior point method for covering programs of a few hundred rows.

    minimise    c x
    subject to  B x >= b,  x >= 0

Mehrotra's predictor-corrector method (1992, doi:10.1137/0802028), on normal equations
with one row per constraint. In column generation its duals, stopped well before the
optimum, lie near the centre of the optimal face, while those of a simplex method jump
between its corners; so far fewer rounds are needed (Gondzio, Gonzalez-Brevis and
Munari 2013, doi:10.1016/j.ejor.2012.09.006). It computes in floats, and no claim
rests on its numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Floats, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.patterns.lp.cholesky import factorise, solve_factorised

#: Iterations before the method gives up; it usually needs ten to thirty.
_MAX_ITERATIONS = 80

#: Share of the distance to the boundary covered by a step.
_STEP_SHARE = 0.995

#: Maximum corrections of a direction; how much longer each aims to make the step, the minimum
#: gain required, and the factor within which complementarity products count as near the target.
_MAX_CORRECTORS, _FURTHER, _GAIN, _SPREAD = 3, 0.3, 0.03, 10.0

#: Relative error of the constraints at which a point counts as feasible.
_PRIMAL_ERROR, _DUAL_ERROR = 1e-8, 1e-10

#: The constraints may be violated by this share of the gap at which to stop.
_SHARE_OF_ERROR = 0.1

#: Added to the diagonal of the normal equations, relative to its largest entry.
_REGULARISATION = 1e-14


class SparseColumns(NamedTuple):
    """A sparse matrix by columns.

    Attributes
    ----------
    starts
        Where each column begins in `rows` and `entries`, and where the last one ends.
    rows, entries
        Row and value of each entry; rows ascend within a column.
    """

    starts: Ints
    rows: Ints
    entries: Floats


@dataclass(frozen=True)
class CentralPoint:
    """A point between the optimum and the centre, feasible as far as floats can tell.

    Attributes
    ----------
    primal, dual
        Values of the columns and of the rows.
    objective, bound
        Their objective values; the optimum lies in between.
    """

    primal: Floats
    dual: Floats
    objective: float
    bound: float


def solve_central(
    columns: SparseColumns,
    costs: Floats,
    demand: Floats,
    start: Floats,
    *,
    tolerance: float,
    enough: float = 0.0,
    stopped: Callable[[], bool] = lambda: False,
) -> CentralPoint | None:
    """Solve a covering program to a relative gap.

    Parameters
    ----------
    columns, costs, demand
        B, c and b.
    start
        Values of the rows at which every column costs more than it is worth: B' start < c.
    tolerance
        The relative gap at which to stop.
    enough
        A positive objective value that is as good as the optimum.
    stopped
        Called before each iteration; returns whether to give up.

    Returns
    -------
    CentralPoint or None
        ``None`` if the numbers break down or `stopped` says so. Each iteration
        factorises a matrix with one row per constraint, n^3 / 3 multiplications.
    """
    rows, number = len(demand), len(costs)
    dual = start.copy()
    slack = costs - _transposed_product(columns, dual)  # of the dual constraints
    if min(slack.min(initial=1.0), dual.min(initial=1.0)) <= 0:
        return None
    # Central with respect to the duals, and in total about as much as is demanded.
    centre = float(demand.sum()) / float(_product(columns, 1 / slack, rows).sum())
    primal, surplus = centre / slack, centre / dual
    for _ in range(_MAX_ITERATIONS):
        if stopped():
            return None
        dual_error = costs - _transposed_product(columns, dual) - slack
        primal_error = demand - _product(columns, primal, rows) + surplus
        objective, bound = _dot(costs, primal), _dot(demand, dual)
        missing = float(np.abs(primal_error).max()) / (1 + float(demand.max()))
        if objective <= enough:
            # This point is itself the answer, so its constraints must hold.
            if missing <= _PRIMAL_ERROR:
                return CentralPoint(primal, dual, objective, bound)
        elif (
            objective - bound <= tolerance * objective
            and missing <= max(_PRIMAL_ERROR, _SHARE_OF_ERROR * tolerance)
            and np.abs(dual_error).max() <= _DUAL_ERROR
        ):
            return CentralPoint(primal, dual, objective, bound)
        normal = _normal_matrix(columns, primal / slack, rows)
        diagonal = np.diag_indices(rows)
        normal[diagonal] += surplus / dual + _REGULARISATION * normal[diagonal].max()
        if not factorise(normal):
            return None
        state = _State(columns, normal, primal, surplus, dual, slack, primal_error, dual_error)
        centre = (_dot(primal, slack) + _dot(surplus, dual)) / (number + rows)
        step = state.direction(-primal * slack, -surplus * dual)
        ahead = state.after(step, 1.0)
        reached = (_dot(ahead[0], ahead[3]) + _dot(ahead[1], ahead[2])) / (number + rows)
        target = centre * (reached / centre) ** 3
        step = state.centred(
            target,
            target - primal * slack - step.primal * step.slack,
            target - surplus * dual - step.surplus * step.dual,
        )
        if not (np.isfinite(step.primal).all() and np.isfinite(step.dual).all()):
            return None
        primal, surplus, dual, slack = state.after(step, _STEP_SHARE)
    return None


class _Step(NamedTuple):
    primal: Floats
    surplus: Floats
    dual: Floats
    slack: Floats


class _State(NamedTuple):
    """A point, the errors of its constraints, and its normal equations, factorised."""

    columns: SparseColumns
    factor: Floats
    primal: Floats
    surplus: Floats
    dual: Floats
    slack: Floats
    primal_error: Floats
    dual_error: Floats

    def direction(self, of_columns: Floats, of_rows: Floats) -> _Step:
        """The step that removes the errors and changes the products of pairs by given amounts."""
        rows = len(self.dual)
        columns = (of_columns - self.primal * self.dual_error) / self.slack
        right = self.primal_error - _product(self.columns, columns, rows) + of_rows / self.dual
        dual = solve_factorised(self.factor, right)
        slack = self.dual_error - _transposed_product(self.columns, dual)
        return _Step(
            primal=(of_columns - self.primal * slack) / self.slack,
            surplus=(of_rows - self.surplus * dual) / self.dual,
            dual=dual,
            slack=slack,
        )

    def centred(self, target: float, of_columns: Floats, of_rows: Floats) -> _Step:
        """A direction, corrected for as long as that allows a longer step.

        Products of pairs that a longer step would leave far from the target are moved
        towards it (Gondzio 1996, doi:10.1007/BF00249643).
        """
        step = self.direction(of_columns, of_rows)
        lengths = self.lengths(step, 1.0)
        for _ in range(_MAX_CORRECTORS):
            of_primal, of_dual = (min(1.0, length + _FURTHER) for length in lengths)
            columns = (self.primal + of_primal * step.primal) * (self.slack + of_dual * step.slack)
            rows = (self.surplus + of_primal * step.surplus) * (self.dual + of_dual * step.dual)
            of_columns = of_columns + _towards(columns, target)
            of_rows = of_rows + _towards(rows, target)
            corrected = self.direction(of_columns, of_rows)
            reached = self.lengths(corrected, 1.0)
            if min(reached) < min(lengths) + _GAIN:
                break
            step, lengths = corrected, reached
        return step

    def lengths(self, step: _Step, share: float) -> tuple[float, float]:
        """Step lengths of primal and dual values, at most a share of the way to the boundary."""
        return (
            _length(share, (self.primal, step.primal), (self.surplus, step.surplus)),
            _length(share, (self.dual, step.dual), (self.slack, step.slack)),
        )

    def after(self, step: _Step, share: float) -> tuple[Floats, Floats, Floats, Floats]:
        """The point after a step, shortened if needed to a share of the way to the boundary."""
        of_primal, of_dual = self.lengths(step, share)
        return (
            self.primal + of_primal * step.primal,
            self.surplus + of_primal * step.surplus,
            self.dual + of_dual * step.dual,
            self.slack + of_dual * step.slack,
        )


def _towards(products: Floats, target: float) -> Floats:
    """Corrections that move products far from a target, each by at most ten times the target."""
    wanted = np.clip(products, target / _SPREAD, target * _SPREAD)
    return np.asarray(np.maximum(wanted - products, -_SPREAD * target))


def _length(share: float, *pairs: tuple[Floats, Floats]) -> float:
    """The longest step of at most 1 that stays within a share of the way to the boundary."""
    longest = 1.0
    for values, changes in pairs:
        falling = changes < 0
        if falling.any():
            boundary = float((values[falling] / -changes[falling]).min())
            longest = min(longest, share * boundary)
    return longest


@compiled
def _dot(left: Floats, right: Floats) -> float:
    """The dot product; numpy's starts threads from ten thousand entries on."""
    total = 0.0
    for i in range(left.size):
        total += left[i] * right[i]
    return total


@compiled
def _normal_matrix(columns: SparseColumns, weights: Floats, rows: int) -> Floats:
    """The lower triangle of B diag(weights) B'."""
    starts, row, entry = columns
    matrix = np.zeros((rows, rows))
    for column in range(weights.size):
        for i in range(starts[column], starts[column + 1]):
            weighted = weights[column] * entry[i]
            for j in range(starts[column], i + 1):
                matrix[row[i], row[j]] += weighted * entry[j]
    return matrix


@compiled
def _product(columns: SparseColumns, values: Floats, rows: int) -> Floats:
    """B times the values of the columns."""
    starts, row, entry = columns
    result = np.zeros(rows)
    for column in range(values.size):
        for i in range(starts[column], starts[column + 1]):
            result[row[i]] += entry[i] * values[column]
    return result


@compiled
def _transposed_product(columns: SparseColumns, values: Floats) -> Floats:
    """B' times the values of the rows."""
    starts, row, entry = columns
    result = np.zeros(starts.size - 1)
    for column in range(result.size):
        for i in range(starts[column], starts[column + 1]):
            result[column] += entry[i] * values[row[i]]
    return result
