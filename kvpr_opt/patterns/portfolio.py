"""The exact engine: pattern LP, dive and exhaustive search in turns.

The schedule, for a fleet with a lower bound L and an incumbent U:

1. Without an incumbent, thresholds rise from L in doubling steps until the LP
   passes and a dive finds a placement.
2. The LP is asked strictly below U: refuted, U is optimal. If not, the local search
   goes on for a while. Fleets of a handful of models are searched exhaustively
   below U, until nothing is left.
3. Rounds of growing budgets, until L = U:

   a. Bisection finds the lowest threshold that passes the LP; what it refutes raises
      L. In the first round, on fleets small enough to be searched, only while that
      is much of the gap.
   b. A dive at that threshold: where the optimum is the LP bound, as on most fleets
      of two, three or eight models a GPU and on large ones, this ends the run.
   c. Below U, halfway from what failed: a few GPUs at a time packed anew. From six
      models a GPU on this is what lowers U.
   d. Exhaustive search from L upwards, the step doubled where it refutes, shortened
      where there are too many patterns, a dive where it runs out of other budgets.
      Close to L little may be wasted and few patterns are left; this settles
      fleets of four models a GPU.
   e. Dives between L and U, highest hope of success first: they lower U where
      the fleet is too large to search.

Small fleets are over in the first round; on large ones the dives do the work
and the LP bound says how good they are. Budgets count work, so that a run which
no limit cuts short can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.evidence import Evidence, LowerBound
from kvpr_opt.exact import simplest_between
from kvpr_opt.kernels import Ints
from kvpr_opt.patterns.answers import (
    DualVector,
    Fractional,
    NoPacking,
    OutOfBudget,
    Packing,
    Relaxed,
    Undecided,
)
from kvpr_opt.patterns.cover import cover
from kvpr_opt.patterns.dive import Dive, DivePlan
from kvpr_opt.patterns.generation import PatternLP
from kvpr_opt.patterns.neighbourhood import repack
from kvpr_opt.patterns.pricing import Precision
from kvpr_opt.patterns.proof import dual_proof, exhaustion, packing_of, placement_of
from kvpr_opt.patterns.question import Question
from kvpr_opt.patterns.tree import proving_share, tree_proof
from kvpr_opt.progress import Tracker
from kvpr_opt.scaled import Threshold

#: Stages that can be left out.
STAGES = ("lp_bound", "dives", "neighbourhoods", "exhaustive_search")

#: Relative width to which the bound of the LP is narrowed: at first, and then.
_ROUGHLY, _CLOSELY = Fraction(1, 100_000), Fraction(1, 10**8)

#: First relative step of the exhaustive search up from the bound.
_STEP = Fraction(1, 100_000)

#: Exhaustive searches, and tries of a kind below the incumbent, in one round.
_CLIMBS, _TRIES = 12, 3

#: Models up to which any threshold is searched exhaustively, at once.
_TINY = 20

#: Models times GPUs up to which the first round searches exhaustively.
_SEARCHABLE = 4096


@dataclass(frozen=True)
class Effort:
    """The budgets of one round; each round may do about four times the work of the last."""

    patterns: int
    work: int
    tries: int
    dive: DivePlan

    @classmethod
    def of_round(cls, number: int) -> Effort:
        """Budgets of round 0, 1, ..."""
        grown = 4 ** min(number, 10)
        return cls(
            patterns=min(300_000 * 2**number, 2_000_000),
            work=50_000_000 * grown,
            tries=10 * grown,
            dive=DivePlan(
                discrepancies=number,
                jitter=0.0 if number == 0 else 0.4,
                last_items=min(32 + 6 * number, 64),
                last_work=10_000_000 * grown,
                leaf=DivePlan(
                    discrepancies=1 + number,
                    last_items=min(32 + 6 * number, 64),
                    last_work=10_000_000 * grown,
                ),
            ),
        )


class PatternEngine:
    """Closes the gap of a run with patterns.

    Parameters
    ----------
    tracker
        Its instance is solved, its incumbent (if any) and bound are the start,
        and every placement and bound found goes to it.
    skip
        Stages to leave out, of :data:`STAGES`, for ablations. What is left may
        not be able to close the gap; then only the limits end the run.
    local_search
        Called after the first question, where that leaves a gap.

    Attributes
    ----------
    lp
        The pattern LP, with all patterns found so far.
    """

    def __init__(
        self,
        tracker: Tracker,
        skip: Collection[str] = (),
        local_search: Callable[[], None] | None = None,
    ) -> None:
        self._tracker = tracker
        self._skip = frozenset(skip)
        self._local_search = local_search
        self._instance = tracker.instance
        self._scaled = tracker.instance.scaled
        self._limits = tracker.limits
        self.lp = PatternLP(self._scaled)
        # The lowest value at which the LP was not refuted.
        self._passing: Fraction | None = None
        # Where the exhaustive search had too many patterns, and how many it allowed.
        self._overflow: tuple[Fraction, int] | None = None
        self._dives = self._repacks = 0
        self._units = len(self._scaled.sizes) * len(self._scaled.capacities)

    def run(self) -> None:
        """Work until the tracker is done. It has a lower bound already."""
        if self._skip.issuperset(STAGES):
            return
        if self._scaled.total_pressure == 0:
            self._settle_sizes()
            return
        self._find_first()
        if self._tracker.done:
            return
        if "lp_bound" not in self._skip:
            self._relax(self._scaled.below(self._high), Precision.FINE)
        if self._local_search is not None and not self._tracker.done:
            self._local_search()
        self._settle_tiny()
        number = 0
        while not self._tracker.done:
            effort = Effort.of_round(number)
            # Few patterns may be left: searching them soon decides more than the last digits.
            rough = number == 0 and self._units <= _SEARCHABLE
            self._narrow(rough, Precision.FINE if rough else Precision.FULL)
            self._dive_low(effort)
            self._lower(effort, self._repack)
            self._climb(effort, number)
            self._lower(effort, self._dive)
            number += 1

    # -- stages ----------------------------------------------------------------------

    def _settle_sizes(self) -> None:
        """Answer the only question of a fleet without pressure, whether the sizes pack."""
        number = 0
        threshold = self._scaled.finite()
        while not self._tracker.done:
            effort = Effort.of_round(number)
            if not self._dive(threshold, effort):
                self._search(threshold, effort)
            number += 1

    def _settle_tiny(self) -> None:
        """Search a fleet of a handful of models from the incumbent downwards.

        The values of its placements can be many orders of magnitude apart, where
        steps up from the bound would never arrive. After each success the
        question is halfway down, else just below the incumbent.
        """
        if len(self._scaled.sizes) > _TINY:
            return
        halfway = False
        while not self._tracker.done:
            threshold = self._scaled.below(self._high)
            if halfway:
                half = self._between(self._low, self._high, Fraction(1, 2))
                threshold = min(half, threshold, key=lambda choice: choice.value)
            answer = self._search(threshold, Effort.of_round(0))
            if isinstance(answer, OutOfBudget):
                return
            halfway = isinstance(answer, Packing)

    def _find_first(self) -> None:
        """Raise the threshold until a dive finds a placement."""
        step, number = Fraction(1, 200), 0
        highest = self._scaled.finite()
        if len(self._scaled.sizes) <= _TINY and self._tracker.incumbent is None:
            self._search(highest, Effort.of_round(0))
        while self._tracker.incumbent is None and not self._tracker.done:
            threshold = self._scaled.at_most(self._low * (1 + step))
            if threshold.value >= highest.value:
                threshold, number = highest, number + 1
            effort = Effort.of_round(number)
            asked = "lp_bound" not in self._skip
            if asked and isinstance(self._relax(threshold, Precision.FINE), DualVector):
                continue
            if not self._dive(threshold, effort) and threshold is highest:
                self._search(threshold, effort)
            step *= 2

    def _narrow(self, rough: bool, precision: Precision) -> None:
        """Bisect for the lowest threshold that passes the LP.

        Roughly, where what is left for the LP to refute is little beside what it is not.
        """
        if "lp_bound" in self._skip:
            return
        # Above what was too close to call there may be a lower threshold that passes.
        low, unclear = self._low, False
        width, share_of_rest = (_ROUGHLY, Fraction(1, 8)) if rough else (_CLOSELY, Fraction(0))
        # Large fleets pass close to the bound: long steps down until one is refuted.
        share = step_down = Fraction(1, 8)
        while not self._tracker.done:
            low = max(low, self._low)
            high = self._high if self._passing is None else min(self._high, self._passing)
            if high - low <= max(width * high, share_of_rest * (self._high - high)):
                return
            threshold = self._between(low, high, share)
            if not low <= threshold.value < high or (unclear and threshold.value == low):
                return
            answer = self._relax(threshold, precision)
            if isinstance(answer, Fractional):
                share = step_down
                continue
            if isinstance(answer, Undecided):
                if self._units <= _SEARCHABLE:
                    return  # to the exhaustive search
                low, unclear = Fraction(threshold.value), True
            share, step_down = min(2 * share, Fraction(1, 2)), Fraction(1, 2)

    def _dive_low(self, effort: Effort) -> None:
        """Dive at the lowest threshold that may pass."""
        lowest = self._low if self._passing is None else max(self._passing, self._low)
        if lowest < self._high and not self._tracker.done:
            self._dive(self._scaled.at_most(lowest), effort)

    def _climb(self, effort: Effort, number: int) -> None:
        """Search exhaustively from the bound upwards."""
        if self._units > _SEARCHABLE * 4**number:
            return
        step = self._low * _STEP
        for _ in range(_CLIMBS):
            if self._tracker.done:
                return
            width = self._high - self._low
            threshold = self._scaled.below(self._high)
            if step < width:
                ahead = min(2 * step, width)
                near = self._between(self._low, self._low + ahead, Fraction(1, 2))
                threshold = min(near, threshold, key=lambda choice: choice.value)
            answer = self._search(threshold, effort)
            if isinstance(answer, NoPacking):
                step *= 2
            elif isinstance(answer, Packing):
                step = min(step, (self._high - self._low) / 4)
            elif answer.patterns and Fraction(threshold.value) - self._low > step / 4:
                # Closer to the bound there are fewer patterns.
                step /= 8
            elif answer.patterns or not self._dive(threshold, effort):
                return

    def _lower(self, effort: Effort, attempt: Callable[[Threshold, Effort], bool]) -> None:
        """Try between bound and incumbent, halfway from the last threshold that failed."""
        tried = self._low
        for _ in range(_TRIES):
            if self._tracker.done:
                return
            threshold = self._scaled.below(self._high)
            if tried < threshold.value:
                half = self._between(tried, self._high, Fraction(1, 2))
                threshold = min(half, threshold, key=lambda choice: choice.value)
            if not attempt(threshold, effort):
                if threshold.value <= tried:
                    return
                tried = Fraction(threshold.value)

    # -- one threshold ---------------------------------------------------------------

    def _relax(self, threshold: Threshold, precision: Precision = Precision.FULL) -> Relaxed:
        """Ask the LP; a refutation raises the bound."""
        self._tracker.enter("pattern LP")
        question = Question.of(self._scaled, threshold)
        answer = self.lp.decide(question, self._limits, precision=precision)
        if isinstance(answer, DualVector):
            self._refuted_by(question, answer)
        elif isinstance(answer, Fractional):
            value = Fraction(threshold.value)
            self._passing = value if self._passing is None else min(self._passing, value)
        return answer

    def _dive(self, threshold: Threshold, effort: Effort) -> bool:
        """Whether a dive at the threshold improved the incumbent."""
        if "dives" in self._skip:
            return False
        self._tracker.enter("dive")
        question = Question.of(self._scaled, threshold)
        self._dives += 1
        packing = Dive(self.lp, self._limits, effort.dive, seed=self._dives).run(question)
        return packing is not None and self._packed(packing, "dive")

    def _repack(self, threshold: Threshold, effort: Effort) -> bool:
        """Whether packing a few GPUs at a time anew improved the incumbent."""
        incumbent = self._tracker.incumbent
        if "neighbourhoods" in self._skip or incumbent is None:
            return False
        self._tracker.enter("neighbourhoods")
        question = Question.of(self._scaled, threshold)
        self._repacks += 1
        packing = repack(
            question, packing_of(incumbent), self._limits, tries=effort.tries, seed=self._repacks
        )
        return packing is not None and self._packed(packing, "neighbourhoods")

    def _search(self, threshold: Threshold, effort: Effort) -> Packing | NoPacking | OutOfBudget:
        """Search a threshold exhaustively; bound or incumbent move with the answer."""
        if "exhaustive_search" in self._skip:
            return OutOfBudget(patterns=True)
        if self._overflow is not None:
            value, allowed = self._overflow
            if threshold.value >= value and effort.patterns <= allowed:
                return OutOfBudget(patterns=True)
        self._tracker.enter("exhaustive search")
        question = Question.of(self._scaled, threshold)
        duals = self.lp.duals(question, self._limits)
        if isinstance(duals, DualVector):
            self._refuted_by(question, duals)
            return NoPacking(0)
        answer = cover(
            question, self._limits, most_patterns=effort.patterns, work=effort.work,
            duals=() if duals is None else (duals,),
        )  # fmt: skip
        if isinstance(answer, NoPacking):
            self._exhausted(threshold, answer, duals)
        elif isinstance(answer, OutOfBudget) and answer.patterns:
            self._overflow = (Fraction(threshold.value), effort.patterns)
        elif isinstance(answer, Packing) and not self._packed(answer, "exhaustive search"):
            return OutOfBudget(patterns=True)  # it held in rounded numbers only
        return answer

    def _refuted_by(self, question: Question, vector: DualVector) -> None:
        proof = dual_proof(self._scaled, question.threshold, vector)
        self._refuted(question.threshold, proof, "pattern LP")

    def _exhausted(
        self, threshold: Threshold, answer: NoPacking, duals: tuple[Ints, Ints] | None
    ) -> None:
        """Raise the bound by an exhaustive search: by a proof where it matters, or our word."""
        proof: Evidence | None = None
        share = proving_share(self._tracker, self._bound_after(threshold))
        if duals is not None and share is not None:
            self._tracker.enter("proof for the checker")
            proof = tree_proof(self._scaled, threshold, duals, self._limits, share=share)
        word = exhaustion(threshold, answer)
        self._refuted(threshold, word if proof is None else proof, "exhaustive search")

    def _refuted(self, threshold: Threshold, evidence: Evidence, source: str) -> None:
        self._tracker.raise_bound(LowerBound(self._bound_after(threshold), evidence), source)

    def _bound_after(self, threshold: Threshold) -> Fraction | float:
        """The bound that follows when a threshold is refuted."""
        if self._scaled.total_pressure > 0 and threshold != self._scaled.finite():
            return self._scaled.next_value(threshold)
        return math.inf

    def _packed(self, packing: Packing, source: str) -> bool:
        """Whether a packing is a placement better than the incumbent."""
        try:
            placement = placement_of(self._instance, packing)
        except InvalidPlacementError:
            return False
        return self._tracker.offer(placement, source)

    def _between(self, low: Fraction, high: Fraction, share: Fraction) -> Threshold:
        """A threshold of small integers about a share of the way from `low` to `high`."""
        middle = low + (high - low) * share
        around = (high - low) * min(share, 1 - share) / 4
        return self._scaled.at_most(simplest_between(middle - around, middle + around))

    @property
    def _low(self) -> Fraction:
        value = self._tracker.bound_value
        assert isinstance(value, Fraction), "there is a finite bound while work is left"
        return value

    @property
    def _high(self) -> Fraction:
        value = self._tracker.incumbent_value
        assert value is not None, "there is an incumbent after the first stage"
        return value
