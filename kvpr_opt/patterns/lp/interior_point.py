"""A primal-dual interior point method for covering programs of a few hundred rows.

    minimise    c x
    subject to  B x >= b,  x >= 0

Mehrotra's predictor-corrector method (1992, doi:10.1137/0802028) with weighted
corrections, on normal equations with one row per constraint. In column generation its
duals, stopped well before the optimum, lie near the centre of the optimal face, while
those of a simplex method jump between its corners; so far fewer rounds are needed
(Gondzio, Gonzalez-Brevis and Munari 2013, doi:10.1016/j.ejor.2012.09.006). It computes
in floats, and no claim rests on its numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Floats
from kvpr_opt.kernels import compiled
from kvpr_opt.patterns.lp.cholesky import factorise, solve_factorised
from kvpr_opt.patterns.lp.sparse_columns import (
    SparseColumns,
    dot,
    normal_matrix,
    product,
    transposed_product,
)

#: Iterations before the method gives up; it usually needs ten to thirty.
_MAX_ITERATIONS = 80

#: Share of the distance to the boundary covered by a step.
_STEP_SHARE = 0.995

#: The power of the reduction by the direct step to which the products of pairs are to fall.
_POWER = 4

#: Maximum corrections of a direction after those; how much longer each aims to make the step, the
#: minimum gain required, and the factor within which products count as near the target.
_MAX_CORRECTORS, _FURTHER, _GAIN, _SPREAD = 3, 0.3, 0.05, 10.0

#: Shares of a correction compared, and the least.
_SHARES, _LEAST_SHARE = 6, 0.1

#: Relative error of the constraints at which a point counts as feasible.
_PRIMAL_ERROR, _DUAL_ERROR = 1e-8, 1e-10

#: The constraints may be violated by this share of the gap at which to stop.
_SHARE_OF_ERROR = 0.1

#: Added to the diagonal of the normal equations, relative to its largest entry.
_REGULARISATION = 1e-14


class Iterate(NamedTuple):
    """A point of the method: positive numbers, which may still violate the constraints.

    Attributes
    ----------
    primal, slack
        By column: its value, and by how much it costs more than it is worth.
    surplus, dual
        By row: by how much it is exceeded, and its value.
    """

    primal: Floats
    surplus: Floats
    dual: Floats
    slack: Floats

    @property
    def gap(self) -> float:
        """The sum of the products of pairs: of a feasible point, the gap of its objectives."""
        return dot(self.primal, self.slack) + dot(self.surplus, self.dual)

    @property
    def centre(self) -> float:
        """The mean of the products of pairs."""
        return self.gap / (len(self.primal) + len(self.dual))


@dataclass(frozen=True)
class CentralPoint:
    """A point between the optimum and the centre, feasible as far as floats can tell.

    Attributes
    ----------
    primal, dual
        Values of the columns and of the rows.
    objective, bound
        Their objective values; the optimum lies in between.
    path
        All iterates, from which a similar program can start.
    """

    primal: Floats
    dual: Floats
    objective: float
    bound: float
    path: tuple[Iterate, ...]


def start_from(columns: SparseColumns, costs: Floats, demand: Floats, dual: Floats) -> Iterate:
    """An iterate with the given values of the rows, and central with respect to them.

    Every column must cost more than it is worth at these values, and these must be positive.
    """
    slack = costs - transposed_product(columns, dual)
    # In total about as much as is demanded.
    centre = float(demand.sum()) / float(product(columns, 1 / slack, len(demand)).sum())
    return Iterate(centre / slack, centre / dual, dual, slack)


def solve_central(
    columns: SparseColumns,
    costs: Floats,
    demand: Floats,
    start: Iterate,
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
        Where to begin, from :func:`start_from` or from the path of a similar program.
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
    rows = len(demand)
    if not (start.slack.min(initial=1.0) > 0 and start.dual.min(initial=1.0) > 0):
        return None
    point, path = start, [start]
    for _ in range(_MAX_ITERATIONS):
        if stopped():
            return None
        primal, surplus, dual, slack = point
        dual_error = costs - transposed_product(columns, dual) - slack
        primal_error = demand - product(columns, primal, rows) + surplus
        objective, bound = dot(costs, primal), dot(demand, dual)
        missing = float(np.abs(primal_error).max()) / (1 + float(demand.max()))
        if objective <= enough:
            # This point is itself the answer, so its constraints must hold.
            if missing <= _PRIMAL_ERROR:
                return CentralPoint(primal, dual, objective, bound, tuple(path))
        elif (
            objective - bound <= tolerance * objective
            and missing <= max(_PRIMAL_ERROR, _SHARE_OF_ERROR * tolerance)
            and np.abs(dual_error).max() <= max(_DUAL_ERROR, _SHARE_OF_ERROR * tolerance)
        ):
            return CentralPoint(primal, dual, objective, bound, tuple(path))
        normal = normal_matrix(columns, primal / slack, rows)
        diagonal = np.diag_indices(rows)
        normal[diagonal] += surplus / dual + _REGULARISATION * normal[diagonal].max()
        if not factorise(normal):
            return None
        state = _State(columns, normal, point)
        step = state.centred(state.direct(primal_error, dual_error))
        if not (np.isfinite(step.primal).all() and np.isfinite(step.dual).all()):
            return None
        point = state.after(step, _STEP_SHARE)
        path.append(point)
    return None


class _State(NamedTuple):
    """A point, and its normal equations, factorised."""

    columns: SparseColumns
    factor: Floats
    point: Iterate

    def direct(self, primal_error: Floats, dual_error: Floats) -> Iterate:
        """The step that aims at the optimum: it removes all errors, and all products of pairs."""
        primal, surplus, dual, slack = self.point
        errors = primal * dual_error / slack
        of_dual = self._solve(primal_error - surplus, -primal - errors)
        of_slack = dual_error - transposed_product(self.columns, of_dual)
        return Iterate(
            primal=-primal - primal * of_slack / slack,
            surplus=-surplus - surplus * of_dual / dual,
            dual=of_dual,
            slack=of_slack,
        )

    def correction(self, of_columns: Floats, of_rows: Floats) -> Iterate:
        """The step that changes the products of pairs by given amounts, and no errors."""
        primal, surplus, dual, slack = self.point
        of_dual = self._solve(of_rows / dual, of_columns / slack)
        of_slack = -transposed_product(self.columns, of_dual)
        return Iterate(
            primal=(of_columns - primal * of_slack) / slack,
            surplus=(of_rows - surplus * of_dual) / dual,
            dual=of_dual,
            slack=of_slack,
        )

    def _solve(self, right: Floats, of_columns: Floats) -> Floats:
        """Solve the normal equations."""
        right = right - product(self.columns, of_columns, len(right))
        return solve_factorised(self.factor, right)

    def centred(self, direct: Iterate) -> Iterate:
        """The direct step with corrections, each of which allows a longer step.

        First the products of pairs aim at a common target, the nearer to zero the longer the
        direct step may be. Then second-order terms are removed (Mehrotra), and products that a
        longer step would leave far from the target are moved towards it (Gondzio 1996,
        doi:10.1007/BF00249643). A correction can do harm where the direct step is short, so
        it gets the share that allows the longest step (Colombo and Gondzio 2008,
        doi:10.1007/s10589-007-9106-0).
        """
        point, direct_lengths = self.point, self.lengths(direct)
        centre = point.centre
        target = centre * (_moved(point, direct, *direct_lengths).centre / centre) ** _POWER
        common = np.full_like(point.primal, target), np.full_like(point.dual, target)
        step = _sum(direct, self.correction(*common))
        second = self.correction(-direct.primal * direct.slack, -direct.surplus * direct.dual)
        step, lengths = self._corrected(step, second, least=min(direct_lengths) ** 2)
        for _ in range(_MAX_CORRECTORS):
            further = min(1.0, lengths[0] + _FURTHER), min(1.0, lengths[1] + _FURTHER)
            ahead = _moved(point, step, *further)
            missing = self.correction(
                _towards(ahead.primal * ahead.slack, target),
                _towards(ahead.surplus * ahead.dual, target),
            )
            corrected, reached = self._corrected(step, missing, least=_LEAST_SHARE)
            if sum(reached) < sum(lengths) + _GAIN:
                break
            step, lengths = corrected, reached
        return step

    def _corrected(
        self, step: Iterate, correction: Iterate, *, least: float
    ) -> tuple[Iterate, tuple[float, float]]:
        """Add the best share of a correction, at least `least`; return the lengths, too."""
        point = self.point
        primal = _best_share(
            (point.primal, step.primal, correction.primal),
            (point.surplus, step.surplus, correction.surplus), least,
        )  # fmt: skip
        dual = _best_share(
            (point.slack, step.slack, correction.slack),
            (point.dual, step.dual, correction.dual), least,
        )  # fmt: skip
        return _moved(step, correction, primal[0], dual[0]), (primal[1], dual[1])

    def lengths(self, step: Iterate, share: float = 1.0) -> tuple[float, float]:
        """Step lengths of primal and dual values, at most a share of the way to the boundary."""
        point = self.point
        of_primal = min(
            _boundary(point.primal, step.primal), _boundary(point.surplus, step.surplus)
        )
        of_dual = min(_boundary(point.dual, step.dual), _boundary(point.slack, step.slack))
        return min(1.0, share * of_primal), min(1.0, share * of_dual)

    def after(self, step: Iterate, share: float) -> Iterate:
        """The point after a step, shortened if needed to a share of the way to the boundary."""
        return _moved(self.point, step, *self.lengths(step, share))


def _sum(step: Iterate, other: Iterate) -> Iterate:
    """Both steps together."""
    return _moved(step, other, 1.0, 1.0)


def _moved(point: Iterate, step: Iterate, of_primal: float, of_dual: float) -> Iterate:
    """A point or step, moved along a step by different lengths of primal and dual values."""
    return Iterate(
        point.primal + of_primal * step.primal,
        point.surplus + of_primal * step.surplus,
        point.dual + of_dual * step.dual,
        point.slack + of_dual * step.slack,
    )


def _towards(products: Floats, target: float) -> Floats:
    """Corrections that move products far from a target, each by at most ten times the target."""
    wanted = np.clip(products, target / _SPREAD, target * _SPREAD)
    return np.asarray(np.maximum(wanted - products, -_SPREAD * target))


@compiled
def _boundary(values: Floats, changes: Floats) -> float:
    """The longest multiple of the changes at which no value is negative."""
    longest = np.inf
    for i in range(values.size):
        if values[i] + longest * changes[i] < 0.0:
            longest = -values[i] / changes[i]
    return longest


@compiled
def _best_share(
    pairs: tuple[Floats, Floats, Floats], others: tuple[Floats, Floats, Floats], least: float
) -> tuple[float, float]:
    """The share of the corrections, the third of each, that allows the longest step.

    Returns the share and the length, at most 1.
    """
    best, longest = least, -1.0
    for number in range(_SHARES):
        share, length = 1.0 - (1.0 - least) * number / (_SHARES - 1), 1.0
        for values, changes, corrections in (pairs, others):
            for i in range(values.size):
                change = changes[i] + share * corrections[i]
                if values[i] + length * change < 0.0:
                    length = -values[i] / change
        if length > longest:
            best, longest = share, length
        if longest == 1.0:
            break
    return best, longest
