"""HiGHS's account of a run, as an :class:`~formulations.ending.Ending`."""

from __future__ import annotations

import highspy

from formulations.ending import Ending

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
