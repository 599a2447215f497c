"""Solving a PuLP model by HiGHS: stoppable from outside, and with HiGHS's own account of it.

The default solver behind :mod:`formulations.backends.pulp_solvers`.
"""

from __future__ import annotations

from collections.abc import Mapping

import highspy
import pulp

from formulations.backends.interruptible import run
from formulations.backends.termination import Ending, ending_of
from formulations.model_file import Exported
from kvpr_opt.limits import Limits


class _StoppableHiGHS(pulp.HiGHS):  # type: ignore[misc]
    """PuLP's interface to HiGHS, which another thread may stop, and whose status is left alone.

    PuLP's own reading of the status folds "stopped" and "unknown" into others,
    and does not know all of them.
    """

    def createAndConfigureSolver(self, lp: pulp.LpProblem) -> None:
        """Create the solver as PuLP does, and let it be stopped."""
        super().createAndConfigureSolver(lp)
        lp.solverModel.HandleUserInterrupt = True

    def buildSolverModel(self, lp: pulp.LpProblem) -> None:
        """Build the model as PuLP does, with the start that PuLP leaves out."""
        super().buildSolverModel(lp)
        values = [variable.varValue for variable in _columns(lp)]
        if None not in values:
            start = highspy.HighsSolution()
            start.col_value = values
            lp.solverModel.setSolution(start)

    def findSolutionValues(self, lp: pulp.LpProblem) -> tuple[int, int]:
        """Take the values of the variables only, where there are any."""
        values = list(lp.solverModel.getSolution().col_value)
        if values:
            for variable, value in zip(_columns(lp), values, strict=True):
                variable.varValue = value
        return pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound


def _columns(lp: pulp.LpProblem) -> list[pulp.LpVariable]:
    """The variables in the order of HiGHS's columns."""
    # From PuLP 4 on; before, the columns are the variables.
    exported = getattr(lp, "exported_variables", lp.variables)
    return list(exported())


def solve(
    model: pulp.LpProblem, limits: Limits, options: Mapping[str, str | int | float | bool]
) -> Ending:
    """Solve in a thread of its own, so that limits can stop it.

    Parameters
    ----------
    model
        Solved from the initial values of its variables, if all have one; they
        then hold the best solution. ``model.solverModel`` is the HiGHS object.
    limits
        When to stop.
    options
        For HiGHS, by its names.
    """
    if limits.stopped:
        return Ending("stopped", "HiGHS: not started")
    time_limit = limits.remaining if limits.remaining < float("inf") else None
    solver = _StoppableHiGHS(msg=False, timeLimit=time_limit, **options)
    run(lambda: model.solve(solver), limits, lambda: _cancel(model))
    return ending_of(model.solverModel)


def _cancel(model: pulp.LpProblem) -> None:
    if getattr(model, "solverModel", None) is not None:
        model.solverModel.cancelSolve()


def relaxation_is_feasible(exported: Exported, limits: Limits) -> bool | None:
    """Whether the model without its integrality has a solution.

    Parameters
    ----------
    exported
        The model of a threshold.
    limits
        When to give up.

    Returns
    -------
    bool or None
        ``None`` where HiGHS has not found out.
    """
    ending = solve(exported.model, limits, {"mip": False, "threads": 1})
    return {"solved": True, "infeasible": False}.get(ending.status)
