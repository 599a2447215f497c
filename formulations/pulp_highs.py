"""Solving a PuLP model by HiGHS: stoppable from outside, and with HiGHS's own account of it.

Shared by the formulations that are written in PuLP.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait

import highspy
import pulp

from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.instance import Instance
from kvpr_opt.limits import Limits
from kvpr_opt.placement import Placement

#: How a HiGHS run can end.
STATUS = highspy.HighsModelStatus

# How long a Ctrl-C may go unnoticed while the solver works, in seconds.
_HEED_EVERY = 0.05


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
        values = [variable.varValue for variable in lp.variables()]
        if None not in values:
            start = highspy.HighsSolution()
            start.col_value = values
            lp.solverModel.setSolution(start)

    def findSolutionValues(self, lp: pulp.LpProblem) -> tuple[int, int]:
        """Take the values of the variables only, where there are any."""
        values = lp.solverModel.getSolution().col_value
        for variable in lp.variables():
            variable.varValue = values[variable.index] if values else None
        return pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound


def solve(
    model: pulp.LpProblem, limits: Limits, options: Mapping[str, str | int | float | bool]
) -> highspy.HighsModelStatus:
    """Solve in a thread of its own, so that limits can stop it; HiGHS's own status.

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
    time_limit = limits.remaining if limits.remaining < float("inf") else None
    solver = _StoppableHiGHS(msg=False, timeLimit=time_limit, **options)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="highs") as pool:
        done = pool.submit(model.solve, solver)
        while not wait([done], timeout=_HEED_EVERY).done:
            if limits.stopped and getattr(model, "solverModel", None) is not None:
                model.solverModel.cancelSolve()
        done.result()
    status: highspy.HighsModelStatus = model.solverModel.getModelStatus()
    return status


def stopped_early(status: highspy.HighsModelStatus) -> bool:
    """Whether more time or work might have changed the answer."""
    return status in (
        STATUS.kTimeLimit,
        STATUS.kIterationLimit,
        STATUS.kSolutionLimit,
        STATUS.kInterrupt,
    )


def placement_of(instance: Instance, x: list[dict[int, pulp.LpVariable]]) -> Placement | None:
    """The placement nearest to the values of 0-1 variables by model and GPU, if it is one."""
    gpu_of = [-max((v.varValue or 0.0, -g) for g, v in choices.items())[1] for choices in x]
    try:
        return Placement(instance, gpu_of)
    except InvalidPlacementError:
        return None
