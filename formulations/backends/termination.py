"""How a run of a solver behind PuLP ended, in words that can be relied on."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import highspy


class Ending(NamedTuple):
    """How a run of a solver ended.

    Attributes
    ----------
    status
        ``"solved"``: the variables hold a solution, the best where there is an
        objective. ``"infeasible"``: there is none. ``"stopped"``: by a limit; the
        variables may hold a solution. ``"failed"``: anything else; more time would
        not help.
    message
        The solver's own words, for the log.
    dual_bound
        The bound on the objective that the solver claims; NaN for none.
    """

    status: Literal["solved", "infeasible", "stopped", "failed"]
    message: str
    dual_bound: float = math.nan


_STATUS = highspy.HighsModelStatus

# Ways to end that more time or work might have changed.
_LIMITS = (
    _STATUS.kTimeLimit,
    _STATUS.kIterationLimit,
    _STATUS.kSolutionLimit,
    _STATUS.kInterrupt,
)


def ending_of(highs: highspy.Highs) -> Ending:
    """How the last run of a HiGHS object ended."""
    status = highs.getModelStatus()
    dual_bound = float(highs.getInfo().mip_dual_bound)
    message = f"HiGHS: {status.name}"
    if status == _STATUS.kOptimal:
        return Ending("solved", message, dual_bound)
    if status == _STATUS.kInfeasible:
        return Ending("infeasible", message)
    return Ending("stopped" if status in _LIMITS else "failed", message, dual_bound)
