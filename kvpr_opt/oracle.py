"""What the threshold search asks, and the three answers it accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kvpr_opt.evidence import Evidence
from kvpr_opt.limits import Limits
from kvpr_opt.placement import Placement
from kvpr_opt.scaled import Threshold


@dataclass(frozen=True)
class Feasible:
    """A placement that meets the threshold, checked exactly."""

    placement: Placement


@dataclass(frozen=True)
class Infeasible:
    """No placement meets the threshold."""

    evidence: Evidence


@dataclass(frozen=True)
class Unknown:
    """Neither was found: stopped, out of budget, or an answer that did not hold exactly.

    Attributes
    ----------
    reason
        For the log.
    final
        Whether a larger budget would not help.
    """

    reason: str
    final: bool = False


Verdict = Feasible | Infeasible | Unknown


class Oracle(Protocol):
    """Decides whether a threshold can be met. One object serves one instance."""

    name: str

    def decide(
        self,
        threshold: Threshold,
        limits: Limits,
        *,
        budget: float | None = None,
        hint: Placement | None = None,
    ) -> Verdict:
        """Answer one threshold.

        Parameters
        ----------
        threshold
            The question.
        limits
            When to give up; the answer is then :class:`Unknown`.
        budget
            Work allowed, in the solver's own deterministic unit (about a second
            of one core); ``None`` for no limit but `limits`.
        hint
            A good placement to start from; it need not meet the threshold.
        """
        ...
