"""Run HiGHS in its own thread, so that it can be interrupted, and report how the run ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import highspy
import numpy as np
from numpy.typing import NDArray

from formulations.backends.interruptible import run_interruptible
from formulations.backends.termination import Termination, TerminationStatus
from kvpr_opt.highs import QuietHighs
from kvpr_opt.limits import LimitsView

_STATUS = highspy.HighsModelStatus

# Statuses that more time or work might have changed.
_LIMITS = (
    _STATUS.kTimeLimit,
    _STATUS.kIterationLimit,
    _STATUS.kSolutionLimit,
    _STATUS.kInterrupt,
)


def solve(
    program: highspy.HighsLp,
    limits: LimitsView,
    options: Mapping[str, str | int | float | bool],
    start: Sequence[float] | None = None,
) -> tuple[Termination, NDArray[np.float64] | None]:
    """Solve a linear or mixed-integer program.

    Parameters
    ----------
    program
        What is to be solved.
    limits
        When to stop.
    options
        HiGHS options by name.
    start
        A solution to start from, by column.

    Returns
    -------
    How the run ended, and the column values of the best solution, if there is one.
    """
    if limits.stopped:
        return Termination(TerminationStatus.STOPPED, "HiGHS: not started"), None
    highs = QuietHighs()
    highs.HandleUserInterrupt = True
    for option, value in options.items():
        highs.setOptionValue(option, value)
    highs.passModel(program)
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = list(start)
        highs.setSolution(solution)
    allowed = limits.allowance()
    if allowed < float("inf"):
        highs.setOptionValue("time_limit", allowed)
    run_interruptible(highs.run, limits, highs.cancelSolve)
    solution = highs.getSolution()
    values = np.array(solution.col_value) if solution.value_valid else None
    return _termination(highs), values


def _termination(highs: QuietHighs) -> Termination:
    """How the last run of a HiGHS object ended."""
    status = highs.getModelStatus()
    dual_bound = float(highs.getInfo().mip_dual_bound)
    message = f"HiGHS: {status.name}"
    if status == _STATUS.kOptimal:
        return Termination(TerminationStatus.SOLVED, message, dual_bound)
    if status == _STATUS.kInfeasible:
        return Termination(TerminationStatus.INFEASIBLE, message)
    stopped = status in _LIMITS
    return Termination(
        TerminationStatus.STOPPED if stopped else TerminationStatus.FAILED, message, dual_bound
    )
