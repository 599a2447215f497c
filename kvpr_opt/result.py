"""What a run answers: a placement, what is proved about it, and why the run ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

from kvpr_opt.certificates.certificate import Certificate
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement


class Status(str, Enum):
    """How much is known. Derived from incumbent and bound, never set by hand."""

    OPTIMAL = "optimal"
    """A placement, and a proof that none is better."""
    FEASIBLE = "feasible"
    """A placement and a bound below it."""
    INFEASIBLE = "infeasible"
    """A proof that no placement has a finite KVPR."""
    UNKNOWN = "unknown"
    """No placement was found and none was excluded."""

    @classmethod
    def of(cls, placement: Placement | None, lower_bound: Fraction | float | None) -> Status:
        """The status that an incumbent and a bound amount to."""
        if lower_bound == math.inf:
            return cls.INFEASIBLE
        if placement is None:
            return cls.UNKNOWN
        return cls.OPTIMAL if placement.max_kvpr == lower_bound else cls.FEASIBLE


class StopReason(str, Enum):
    """Why the run ended."""

    PROVED = "proved"
    """Optimal, or infeasible: nothing is left to do."""
    GAP = "gap reached"
    """The relative gap asked for was reached."""
    TIME_LIMIT = "time limit"
    """The deadline passed."""
    INTERRUPTED = "interrupted"
    """Ctrl-C, or :meth:`kvpr_opt.limits.Limits.interrupt`."""
    FINISHED = "finished"
    """The method did all that it can: a heuristic, or a fleet too large for the solver."""


@dataclass(frozen=True)
class Result:
    """The answer of :func:`kvpr_opt.solve`.

    Attributes
    ----------
    instance
        The fleet.
    status
        See :class:`Status`.
    placement
        The best placement found, or ``None``.
    lower_bound
        No placement has a smaller maximum KVPR. ``math.inf`` if infeasible,
        ``None`` if nothing was proved before the run was stopped.
    certified
        Whether the checker has repeated the proof of `lower_bound`; if not, it
        rests on a solver's word (named in the certificate).
    stop_reason
        See :class:`StopReason`.
    message
        For an infeasible fleet the cause, in one line; a note where the
        certificate is too long for the checker; else empty.
    certificate
        What is claimed, with its evidence.
    seconds
        Wall time of the run.
    parameters, versions
        What it was run with.
    statistics
        Counts and the trajectory of incumbent and bound, as plain data.
    """

    instance: Instance
    status: Status
    placement: Placement | None
    lower_bound: Fraction | float | None
    certified: bool
    stop_reason: StopReason
    message: str
    certificate: Certificate | None
    seconds: float
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    statistics: Mapping[str, Any]

    @property
    def max_kvpr(self) -> Fraction | None:
        """Maximum KVPR of the placement, exact; ``None`` without one."""
        if self.placement is None:
            return None
        value = self.placement.max_kvpr
        return value if isinstance(value, Fraction) else None

    @property
    def gap(self) -> Fraction | None:
        """``(max_kvpr - lower_bound) / max_kvpr``, exact; ``None`` if either is missing."""
        return relative_gap(self.max_kvpr, self.lower_bound)
