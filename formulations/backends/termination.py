"""How a solver run ended, in statuses that can be relied on."""

from __future__ import annotations

import enum
import math
from typing import NamedTuple


class TerminationStatus(enum.Enum):
    """The outcome of a solver run, independent of the solver's own statuses."""

    #: The variables hold a solution, the best where there is an objective.
    SOLVED = "solved"
    #: There is no solution.
    INFEASIBLE = "infeasible"
    #: Stopped by a limit; the variables may hold a solution.
    STOPPED = "stopped"
    #: Anything else: more time would not help.
    FAILED = "failed"


class Termination(NamedTuple):
    """How a run of a solver ended.

    Attributes
    ----------
    status
        The outcome.
    message
        The solver's own message, for the log.
    dual_bound
        The bound on the objective that the solver claims; NaN for none.
    """

    status: TerminationStatus
    message: str
    dual_bound: float = math.nan

    @property
    def solved(self) -> bool:
        """Whether the variables hold a solution, the best where there is an objective."""
        return self.status is TerminationStatus.SOLVED

    @property
    def infeasible(self) -> bool:
        """Whether there is no solution."""
        return self.status is TerminationStatus.INFEASIBLE

    @property
    def final(self) -> bool:
        """Whether more time would not help to find a solution."""
        return self.status is not TerminationStatus.STOPPED
