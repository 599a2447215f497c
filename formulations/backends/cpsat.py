"""Run OR-Tools CP-SAT, interruptible from outside and within a budget of work.

Shared by the formulations that are written for CP-SAT.
"""

from __future__ import annotations

from collections.abc import Mapping

from ortools.sat.python import cp_model

from formulations.backends.interruptible import run_interruptible
from kvpr_opt.errors import SolverError
from kvpr_opt.limits import LimitsView

#: From this many cores on, the solver's portfolio of strategies beats its default strategy.
#: With fewer, it spends time on strategies made for objectives, which these models lack.
_PORTFOLIO_FROM = 8


#: The argument of the solver's own ``status_name`` differs between versions.
STATUS_NAMES: dict[int, str] = {
    int(cp_model.OPTIMAL): "optimal",
    int(cp_model.FEASIBLE): "feasible",
    int(cp_model.INFEASIBLE): "infeasible",
    int(cp_model.UNKNOWN): "unknown",
}


def workers(threads: int) -> int:
    """How many workers to run on a number of cores."""
    return threads if threads >= _PORTFOLIO_FROM else 1


def solve(
    model: cp_model.CpModel,
    limits: LimitsView,
    parameters: Mapping[str, str | int | float | bool],
    budget: float | None = None,
) -> tuple[int, cp_model.CpSolver]:
    """Solve a model, within limits and a budget.

    Parameters
    ----------
    model
        To be solved.
    limits
        When to stop.
    parameters
        Solver parameters by name.
    budget
        In the solver's deterministic time.

    Returns
    -------
    The status, one of ``OPTIMAL``, ``FEASIBLE``, ``INFEASIBLE`` and ``UNKNOWN``, and
    the solver, which holds the solution.

    Raises
    ------
    SolverError
        For any other status.
    """
    solver = cp_model.CpSolver()
    for name, value in parameters.items():
        setattr(solver.parameters, name, value)
    # Ctrl-C belongs to Limits, which stops the solver from outside.
    solver.parameters.catch_sigint_signal = False
    allowed = limits.allowance()
    if allowed < float("inf"):
        solver.parameters.max_time_in_seconds = allowed
    if budget is not None:
        solver.parameters.max_deterministic_time = budget
    status = int(run_interruptible(lambda: solver.solve(model), limits, solver.stop_search))
    if status == cp_model.MODEL_INVALID:
        raise SolverError(f"CP-SAT refuses the model: {model.validate()}")
    return status, solver
