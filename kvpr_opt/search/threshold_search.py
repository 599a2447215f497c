"""The threshold search: finds the smallest maximum KVPR by yes-or-no questions to an oracle.

The optimum is the smallest threshold that can be met. Between the proven bound
and the incumbent the search asks two kinds of question in turn:

* the *strict* one, "is there anything better than the incumbent?". A yes is a
  better placement, a no proves the incumbent optimal, without any tolerance;
* a *bisecting* one between bound and incumbent. A yes jumps down to the exact
  value of the placement found (after polishing), a no raises the bound.

An oracle may give up on a question when its work budget is spent. The search
then asks easier ones, nearer to the bound, and doubles the budget when no easy
one is left. In any case the bound is proved, the incumbent is evaluated exactly,
and the gap between them is the guarantee.

The scheme is the bisection on a threshold known from bottleneck problems
(Hochbaum and Shmoys 1985, doi:10.1287/moor.10.2.180). It is finite because values
are exact: each incumbent value is that of some placement.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from kvpr_opt.certificates.evidence import LowerBound
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.oracle import Feasible, Infeasible, Oracle, Unknown
from kvpr_opt.search.tracker import Tracker

#: Work for the first questions, in the oracle's unit (about seconds of one core).
FIRST_BUDGET = 1.0

#: The lowest relative position between bound and incumbent of a bisecting question.
_LOWEST_POINT = Fraction(1, 16)


def threshold_search(
    tracker: Tracker,
    oracle: Oracle,
    *,
    polish: Callable[[Placement], Placement] = lambda placement: placement,
    first_budget: float = FIRST_BUDGET,
    limits: LimitsView | None = None,
) -> dict[str, int]:
    """Close the gap between bound and incumbent, or narrow it until the limits stop it.

    Parameters
    ----------
    tracker
        Holds the initial incumbent and bound, and receives new ones.
    oracle
        Answers thresholds.
    polish
        Improves a placement cheaply; applied to each one that the oracle finds.
    first_budget
        Work that the oracle may spend on each of the first questions.
    limits
        When to stop, if earlier than the tracker's limits.

    Returns
    -------
    dict
        How many questions were answered ``feasible``, ``infeasible`` and ``unknown``.
    """
    limits = tracker.limits if limits is None else limits
    search = _Search(tracker, oracle, polish, first_budget, limits)
    while not (tracker.done or limits.stopped) and search.step():
        pass
    return search.answers


class _Search:
    """The questions still open, and the budget for the next one."""

    def __init__(
        self,
        tracker: Tracker,
        oracle: Oracle,
        polish: Callable[[Placement], Placement],
        first_budget: float,
        limits: LimitsView,
    ) -> None:
        self.tracker = tracker
        self.limits = limits
        self.oracle = oracle
        self.polish = polish
        self.scaled = tracker.instance.scaled
        self.budget = first_budget
        self.answers = {"feasible": 0, "infeasible": 0, "unknown": 0}
        # From this value on the oracle cannot answer, whatever its budget.
        self.blind_from: Fraction | float = math.inf
        self._start_round()

    def _start_round(self) -> None:
        """Open every question again, at the current budget."""
        self.strict_next = True
        self.strict_open = True  # not yet given up on at this incumbent
        self.point = Fraction(1, 2)  # where between bound and incumbent to bisect
        self.more_work_may_help = False

    def step(self) -> bool:
        """Ask one question; return False if more work cannot change any answer."""
        value = self.tracker.value_to_beat
        if value is None:
            return self._ask(self.scaled.finite(), "any placement", math.inf) or self._give_up()
        if value == 0:
            return False  # no KVPR is negative
        between = self._between(value)
        strict = self.scaled.below(value)
        if between is None or (self.strict_next and self.strict_open):
            self.strict_next = False
            proved = self.scaled.next_value(strict)
            if strict.value < self.blind_from and self._ask(strict, "strictly better", proved):
                return True
            self.strict_open = False
            return between is not None or self._give_up()
        self.strict_next = True
        if self._ask(between, "bisection", self.scaled.next_value(between)):
            self.point = Fraction(1, 2)
            return True
        self.point /= 2
        return self.point >= _LOWEST_POINT or self._give_up()

    def _between(self, incumbent: Fraction) -> Threshold | None:
        """A threshold at or above the bound and below the strict question, if there is one.

        Picks the simplest fraction near the point wanted, to keep the integers small.
        """
        bound = self.tracker.bound_value
        low = bound if isinstance(bound, Fraction) else Fraction(0)
        high = incumbent
        if self.blind_from < high:
            high = max(low, Fraction(self.blind_from))
        width = high - low
        middle = low + self.point * width
        threshold = self.scaled.simplest(middle - width / 16, middle + width / 16)
        if threshold.value < low:
            threshold = self.scaled.at_most(low)
        limit = min(self.scaled.below(incumbent).value, self.blind_from)
        return threshold if threshold.value < limit else None

    def _ask(self, threshold: Threshold, what: str, bound_if_refuted: Fraction | float) -> bool:
        """Ask the oracle and pass its answer to the tracker; return whether there was one."""
        self.tracker.enter(f"{self.oracle.name}: {what}")
        verdict = self.oracle.decide(
            threshold, self.limits, budget=self.budget, hint=self.tracker.incumbent
        )
        match verdict:
            case Feasible(placement):
                self.answers["feasible"] += 1
                self.tracker.offer(placement, self.oracle.name)
                self.tracker.offer(self.polish(placement), "polish")
                self.strict_open = True
            case Infeasible(evidence):
                self.answers["infeasible"] += 1
                self.tracker.raise_bound(LowerBound(bound_if_refuted, evidence), self.oracle.name)
            case Unknown(_, final):
                self.answers["unknown"] += 1
                self.more_work_may_help |= not final
                if final:
                    self.blind_from = min(self.blind_from, threshold.value)
                return False
        return True

    def _give_up(self) -> bool:
        """Double the budget if that may get a question answered; return whether it may."""
        if not self.more_work_may_help:
            return False
        self.budget *= 2
        self._start_round()
        return True
