"""A primal-dual interior point method for covering programs of a few hundred rows.

    minimise    c x
    subject to  B x >= b,  x >= 0

In column generation its duals, stopped well before the optimum, lie near the centre of
the optimal face, while those of a simplex method jump between its corners; so far fewer
rounds are needed (Gondzio, Gonzalez-Brevis and Munari 2013,
doi:10.1016/j.ejor.2012.09.006). It computes in floats, and no claim rests on its
numbers. :mod:`kvpr_opt.patterns.lp.predictor_corrector` has the iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kvpr_opt._types import Floats
from kvpr_opt.patterns.lp.predictor_corrector import Iterate, advanced, errors_of
from kvpr_opt.patterns.lp.sparse_columns import SparseColumns, product, transposed_product

#: Iterations before the method gives up; it usually needs ten to thirty.
_MAX_ITERATIONS = 80

#: Relative error of the constraints at which a point counts as feasible.
_PRIMAL_ERROR, _DUAL_ERROR = 1e-8, 1e-10

#: The constraints may be violated by this share of the gap at which to stop.
_SHARE_OF_ERROR = 0.1


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
    if not (start.slack.min(initial=1.0) > 0 and start.dual.min(initial=1.0) > 0):
        return None
    point, path = start, [start]
    for _ in range(_MAX_ITERATIONS):
        if stopped():
            return None
        errors = errors_of(columns, costs, demand, point)
        objective, bound = errors.objective, errors.bound
        missing = float(np.abs(errors.primal).max()) / (1 + float(demand.max()))
        if objective <= enough:
            # This point is itself the answer, so its constraints must hold.
            reached = missing <= _PRIMAL_ERROR
        else:
            allowed = _SHARE_OF_ERROR * tolerance
            reached = (
                objective - bound <= tolerance * objective
                and missing <= max(_PRIMAL_ERROR, allowed)
                and np.abs(errors.dual).max() <= max(_DUAL_ERROR, allowed)
            )
        if reached:
            return CentralPoint(point.primal, point.dual, objective, bound, tuple(path))
        found, point = advanced(columns, point, errors)
        if not found:
            return None
        path.append(point)
    return None
