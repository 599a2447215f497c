"""One iteration of a primal-dual interior point method, compiled.

Mehrotra's predictor-corrector method (1992, doi:10.1137/0802028) with weighted
corrections, on normal equations with one row per constraint. An iteration is a single call:
while it runs, other threads have the interpreter for themselves.
"""

from __future__ import annotations

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

#: Share of the distance to the boundary covered by a step.
_STEP_SHARE = 0.995

#: The power of the reduction by the direct step to which the products of pairs are to fall.
_POWER = 4

#: Maximum corrections of a direction after those; how much longer each aims to make the step, the
#: minimum gain required, and the factor within which products count as near the target.
_MAX_CORRECTORS, _FURTHER, _GAIN, _SPREAD = 3, 0.3, 0.05, 10.0

#: Shares of a correction compared, and the least.
_SHARES, _LEAST_SHARE = 6, 0.1

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


class Errors(NamedTuple):
    """By how much a point violates its constraints, and its objective values.

    Attributes
    ----------
    primal, dual
        By row and by column.
    objective, bound
        The values of the program and of its dual.
    """

    primal: Floats
    dual: Floats
    objective: float
    bound: float


@compiled
def gap_of(point: Iterate) -> float:
    """The sum of the products of pairs: of a feasible point, the gap of its objectives."""
    return dot(point.primal, point.slack) + dot(point.surplus, point.dual)


@compiled
def centre_of(point: Iterate) -> float:
    """The mean of the products of pairs."""
    return gap_of(point) / (point.primal.size + point.dual.size)


@compiled
def errors_of(columns: SparseColumns, costs: Floats, demand: Floats, point: Iterate) -> Errors:
    """The errors of a point of ``min c x`` subject to ``B x >= b``."""
    primal, surplus, dual, slack = point
    return Errors(
        demand - product(columns, primal, demand.size) + surplus,
        costs - transposed_product(columns, dual) - slack,
        dot(costs, primal),
        dot(demand, dual),
    )


@compiled
def advanced(columns: SparseColumns, point: Iterate, errors: Errors) -> tuple[bool, Iterate]:
    """The next point, and whether there is one: the numbers may break down.

    Factorises a matrix with one row per constraint, n^3 / 3 multiplications.
    """
    rows = point.dual.size
    factor = normal_matrix(columns, point.primal / point.slack, rows)
    largest = 0.0
    for i in range(rows):
        largest = max(largest, factor[i, i])
    for i in range(rows):
        factor[i, i] += point.surplus[i] / point.dual[i] + _REGULARISATION * largest
    if not factorise(factor):
        return False, point
    step = _centred(columns, factor, point, _direct(columns, factor, point, errors))
    if not (np.isfinite(step.primal).all() and np.isfinite(step.dual).all()):
        return False, point
    of_primal, of_dual = _lengths(point, step, _STEP_SHARE)
    return True, _moved(point, step, of_primal, of_dual)


@compiled
def _direct(columns: SparseColumns, factor: Floats, point: Iterate, errors: Errors) -> Iterate:
    """The step that aims at the optimum: it removes all errors, and all products of pairs."""
    primal, surplus, dual, slack = point
    of_columns = -primal - primal * errors.dual / slack
    right = errors.primal - surplus - product(columns, of_columns, dual.size)
    of_dual = solve_factorised(factor, right)
    of_slack = errors.dual - transposed_product(columns, of_dual)
    return Iterate(
        -primal - primal * of_slack / slack, -surplus - surplus * of_dual / dual, of_dual, of_slack
    )


@compiled
def _correction(
    columns: SparseColumns, factor: Floats, point: Iterate, of_columns: Floats, of_rows: Floats
) -> Iterate:
    """The step that changes the products of pairs by given amounts, and no errors."""
    primal, surplus, dual, slack = point
    right = of_rows / dual - product(columns, of_columns / slack, dual.size)
    of_dual = solve_factorised(factor, right)
    of_slack = -transposed_product(columns, of_dual)
    return Iterate(
        (of_columns - primal * of_slack) / slack, (of_rows - surplus * of_dual) / dual,
        of_dual, of_slack,
    )  # fmt: skip


@compiled
def _centred(columns: SparseColumns, factor: Floats, point: Iterate, direct: Iterate) -> Iterate:
    """The direct step with corrections, each of which allows a longer step.

    First the products of pairs aim at a common target, the nearer to zero the longer the
    direct step may be. Then second-order terms are removed (Mehrotra), and products that a
    longer step would leave far from the target are moved towards it (Gondzio 1996,
    doi:10.1007/BF00249643). A correction can do harm where the direct step is short, so
    it gets the share that allows the longest step (Colombo and Gondzio 2008,
    doi:10.1007/s10589-007-9106-0).
    """
    of_primal, of_dual = _lengths(point, direct, 1.0)
    centre = centre_of(point)
    target = centre * (centre_of(_moved(point, direct, of_primal, of_dual)) / centre) ** _POWER
    common = _correction(
        columns, factor, point,
        np.full_like(point.primal, target), np.full_like(point.dual, target),
    )  # fmt: skip
    second = _correction(
        columns, factor, point, -direct.primal * direct.slack, -direct.surplus * direct.dual
    )
    least = min(of_primal, of_dual) ** 2
    step, lengths = _corrected(point, _moved(direct, common, 1.0, 1.0), second, least)
    for _ in range(_MAX_CORRECTORS):
        ahead = _moved(
            point, step, min(1.0, lengths[0] + _FURTHER), min(1.0, lengths[1] + _FURTHER)
        )
        missing = _correction(
            columns, factor, point,
            _towards(ahead.primal * ahead.slack, target),
            _towards(ahead.surplus * ahead.dual, target),
        )  # fmt: skip
        corrected, reached = _corrected(point, step, missing, _LEAST_SHARE)
        if reached[0] + reached[1] < lengths[0] + lengths[1] + _GAIN:
            break
        step, lengths = corrected, reached
    return step


@compiled
def _corrected(
    point: Iterate, step: Iterate, correction: Iterate, least: float
) -> tuple[Iterate, tuple[float, float]]:
    """Add the best share of a correction, at least `least`; return the lengths, too."""
    of_primal, primal_length = _best_share(
        (point.primal, step.primal, correction.primal),
        (point.surplus, step.surplus, correction.surplus), least,
    )  # fmt: skip
    of_dual, dual_length = _best_share(
        (point.slack, step.slack, correction.slack),
        (point.dual, step.dual, correction.dual), least,
    )  # fmt: skip
    return _moved(step, correction, of_primal, of_dual), (primal_length, dual_length)


@compiled
def _lengths(point: Iterate, step: Iterate, share: float) -> tuple[float, float]:
    """Step lengths of primal and dual values, at most a share of the way to the boundary."""
    of_primal = min(_boundary(point.primal, step.primal), _boundary(point.surplus, step.surplus))
    of_dual = min(_boundary(point.dual, step.dual), _boundary(point.slack, step.slack))
    return min(1.0, share * of_primal), min(1.0, share * of_dual)


@compiled
def _moved(point: Iterate, step: Iterate, of_primal: float, of_dual: float) -> Iterate:
    """A point or step, moved along a step by different lengths of primal and dual values."""
    return Iterate(
        point.primal + of_primal * step.primal,
        point.surplus + of_primal * step.surplus,
        point.dual + of_dual * step.dual,
        point.slack + of_dual * step.slack,
    )


@compiled
def _towards(products: Floats, target: float) -> Floats:
    """Corrections that move products far from a target, each by at most ten times the target."""
    missing = np.empty_like(products)
    for i in range(products.size):
        wanted = min(max(products[i], target / _SPREAD), target * _SPREAD)
        missing[i] = max(wanted - products[i], -_SPREAD * target)
    return missing


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
