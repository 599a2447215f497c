"""The exact engine: pattern LP, dives and exhaustive search in turn.

The schedule, for a fleet with a lower bound L and an incumbent U:

1. Without an incumbent, thresholds rise from L in doubling steps until the LP
   passes and a dive finds a placement.
2. The LP is asked strictly below U: refuted, U is optimal. If not, nearly continuous
   fleets of a dozen GPUs or more are constructed anew by beam search, and searched
   exhaustively below U while that is conclusive. The local search goes on for a
   while. Fleets of a handful of models are searched exhaustively
   below U, until nothing is left.
3. Rounds of growing budgets, until L = U:

   a. Bisection finds the lowest threshold that passes the LP; each refutation raises
      L. In the first round, on fleets small enough to be searched, it goes on only
      while it closes much of the gap.
   b. A dive at that threshold: if the optimum equals the LP bound, as on most fleets
      of two, three or eight models a GPU and on large ones, this ends the run.
   c. Below U, halfway from the last failure: a few GPUs at a time are repacked. From
      six models a GPU on this is what lowers U; with fewer it waits for round two.
   d. Exhaustive search: of everything below U, if that is quick; then from L upwards.
      The step is doubled after a refutation and shortened if there are too many
      patterns; if another budget runs out, a dive follows.
      Close to L little may be wasted and few patterns are left; this settles
      fleets of four models a GPU.
   e. Dives between L and U, the most promising first: they lower U where the fleet
      is too large to search.

Small fleets are settled in the first round. Large ones, out of reach of any search,
get rounds of another kind (:mod:`kvpr_opt.patterns.narrowing`), which close in on the LP
threshold from both sides and round where it passes; nearly continuous ones get the bound
from it, and placements from beam searches. A large fleet learns nothing from
the question just below the incumbent that a small one is asked first: the LP passes
there as long as a better placement exists, and that answer takes as long as a question
that lowers the incumbent. Budgets count work, so a run not stopped by a limit can be
repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from contextlib import nullcontext
from fractions import Fraction
from itertools import count

from kvpr_opt.patterns.construction import construct, construct_by_beam
from kvpr_opt.patterns.continuous import is_nearly_continuous, suits_beam_search
from kvpr_opt.patterns.effort import Effort
from kvpr_opt.patterns.findings import Findings
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.pricing import Precision
from kvpr_opt.patterns.narrowing import Narrowing
from kvpr_opt.patterns.primal import assisted, dive_low, lower
from kvpr_opt.patterns.problem import (
    DualValues,
    Fractional,
    NoPacking,
    OutOfBudget,
    Packing,
    Undecided,
)
from kvpr_opt.patterns.proofs.shortening import Refutation
from kvpr_opt.patterns.steps import EngineSteps
from kvpr_opt.problem.scaled import ScaledInstance
from kvpr_opt.search.tracker import Tracker

#: Stages that can be left out.
STAGES = ("lp_bound", "dives", "neighbourhoods", "exhaustive_search")

#: Stages that raise the bound, and stages that find a first placement.
_CLIMBING, _FINDING = ("lp_bound", "exhaustive_search"), ("dives", "exhaustive_search")

#: Stages that lower the incumbent.
_LOWERING = ("dives", "neighbourhoods", "exhaustive_search")

#: Relative width to which the LP bound is narrowed: in the first pass, and later.
_ROUGHLY, _CLOSELY = Fraction(1, 100_000), Fraction(1, 10**8)

#: First relative step of the exhaustive search up from the bound.
_STEP = Fraction(1, 100_000)

#: Exhaustive searches in one round.
_CLIMBS = 12

#: Rounds without a first placement if the exhaustive search is skipped.
_FEW_ROUNDS = 3

#: Fleets of up to this many models are searched exhaustively at any threshold, right away.
_TINY = 20

#: Models a GPU from which neighbourhoods run in the first round.
_DENSE = 5

#: Models times GPUs up to which the first round runs best without a second thread.
_SMALL = 1024

#: Models times GPUs up to which the first round searches exhaustively; the second value is
#: for nearly continuous data, where few patterns waste nothing and none of them matters.
_SEARCHABLE, _CONTINUOUS_UNITS = 4096, 2048

#: Classes up to which the pattern LP of a large fleet is solved as a whole.
MAX_CLASSES = 1_500


def is_large(scaled: ScaledInstance) -> bool:
    """Whether a fleet is out of reach of exhaustive search, but not of the pattern LP."""
    units = len(scaled.sizes) * len(scaled.capacities)
    most = _CONTINUOUS_UNITS if is_nearly_continuous(scaled) else _SEARCHABLE
    return units > most and len(scaled.classes) <= MAX_CLASSES


class PatternEngine:
    """Closes the gap of a run by means of patterns.

    Parameters
    ----------
    tracker
        Its instance is solved, its incumbent (if any) and bound are the start,
        and every placement and bound found goes to it.
    skip
        Stages to leave out, of :data:`STAGES`, for ablations. If no remaining stage
        raises the bound, or none lowers the incumbent, there are one or two rounds; if none
        finds a first placement there are no rounds.
    threads
        With 2 or more, one thread works on lowering the incumbent throughout, on small
        fleets from the second round on.
    """

    def __init__(
        self,
        tracker: Tracker,
        skip: Collection[str] = (),
        *,
        threads: int = 1,
    ) -> None:
        self._tracker = tracker
        self._skip = frozenset(skip)
        self._local_search: Callable[[], None] | None = None
        self._threads = threads
        self._scaled = tracker.instance.scaled
        self._steps = EngineSteps(tracker, self._skip, Findings())
        self._units = len(self._scaled.sizes) * len(self._scaled.capacities)

    def run(
        self, local_search: Callable[[], None] | None = None, *, search_first: bool = False
    ) -> None:
        """Work until the tracker is done. It must already have a lower bound.

        Parameters
        ----------
        local_search
            Called after the first question, if that leaves a gap.
        search_first
            On a large fleet, call it before, too: a second thread asks meanwhile.
        """
        self._local_search = local_search
        steps = self._steps
        if self._skip.issuperset(STAGES):
            return
        if self._scaled.total_pressure == 0:
            if not self._skip.issuperset((*_FINDING, "lp_bound")):
                self._settle_sizes()
            return
        self._find_first()
        if self._tracker.done or self._tracker.incumbent is None:
            return
        if self._large:
            self._settle_large(search_first=search_first)
            return
        self.ask_first()
        if suits_beam_search(self._scaled):
            construct_by_beam(steps)
            self._search_down()
        if self._local_search is not None and not self._tracker.done:
            self._local_search()
        self._settle_tiny()
        if not self._tracker.done:
            self._rounds()

    @property
    def shares_work(self) -> bool:
        """Whether a second thread takes part from the start, as on large fleets."""
        return self._threads > 1 and self._large

    @property
    def _large(self) -> bool:
        """Whether only the LP can decide, because exhaustive search is out of reach."""
        return "lp_bound" not in self._skip and is_large(self._scaled)

    def _settle_large(self, *, search_first: bool) -> None:
        """Close the bracket around the LP threshold, with growing effort."""
        steps, narrowing = self._steps, Narrowing(self._steps)
        with (
            assisted(self._tracker, self._skip, steps.findings, narrowing)
            if self.shares_work
            else nullcontext()
        ):
            if search_first and self._local_search is not None:
                self._local_search()
            for number in count():
                construct(steps, number)
                narrowing.close(number)
                if self._tracker.done or self._skip.issuperset(_LOWERING):
                    return
                if number == 0 and self._local_search is not None:
                    self._local_search()
                effort = Effort.of_round(number)
                lower(steps, effort, steps.repack)
                # Of nearly continuous models too many sets fill a GPU.
                if number > 0 and not self._by_beam:
                    self._climb(effort, number)

    @property
    def _by_beam(self) -> bool:
        """Whether beam search is what lowers the incumbent."""
        return suits_beam_search(self._scaled) and "dives" not in self._skip

    def ask_first(self) -> None:
        """Ask whether the LP refutes everything below the incumbent, unless it is known to pass."""
        known = self._tracker.incumbent is not None and self._scaled.total_pressure > 0
        if not known or "lp_bound" in self._skip or self._tracker.done:
            return
        threshold, passing = self._scaled.below(self._steps.high), self._steps.findings.passing
        if passing is None or threshold.value < passing:
            self._steps.relax(threshold, Precision.FINE)

    def raise_bound(self) -> None:
        """Raise the bound by the LP, once: for fleets only partly modelled by patterns."""
        if self._scaled.total_pressure == 0 or self._tracker.done:
            return
        if self._tracker.incumbent is None:
            self._steps.relax(self._scaled.finite(), Precision.FINE)
            return
        self._steps.relax(self._scaled.below(self._steps.high), Precision.FINE)
        self._narrow(False, Precision.FULL)

    def _rounds(self) -> None:
        """Run rounds of growing budgets until L = U or no stage is left that raises L."""
        numbers = count()
        climbing = not self._skip.issuperset(_CLIMBING)
        if self._threads == 1 or self._units <= _SMALL or not climbing:
            self._round(next(numbers))  # which settles most small fleets
        if self._tracker.done or not climbing:
            return
        if self._skip.issuperset(_LOWERING):
            self._round(next(numbers))  # the LP alone knows no more after that
            return
        alone = self._threads == 1
        with nullcontext() if alone else assisted(self._tracker, self._skip, self._steps.findings):
            while not self._tracker.done:
                self._round(next(numbers))

    @property
    def _dense(self) -> bool:
        """Whether a few GPUs hold enough models to be packed in many ways."""
        return len(self._scaled.sizes) >= _DENSE * len(self._scaled.capacities)

    @property
    def lp(self) -> PatternLP:
        """The pattern LP, with all patterns found so far."""
        return self._steps.lp

    @property
    def refutation(self) -> Refutation | None:
        """The highest question that the LP refuted."""
        return self._steps.findings.refutation

    def _round(self, number: int) -> None:
        steps, effort = self._steps, Effort.of_round(number)
        # If few patterns are left, searching them early decides more than the last digits.
        rough = number == 0 and self._units <= _SEARCHABLE
        self._narrow(rough, Precision.FINE if rough else Precision.FULL)
        dive_low(steps, effort)
        if number > 0 or self._dense:
            lower(steps, effort, steps.repack)
        self._climb(effort, number)
        lower(steps, effort, steps.dive)

    # -- stages ----------------------------------------------------------------------

    def _settle_sizes(self) -> None:
        """Answer the only question for a fleet without pressure: whether the sizes pack."""
        steps = self._steps
        number = 0
        threshold = self._scaled.finite()
        if "lp_bound" not in self._skip:
            steps.relax(threshold, Precision.FINE)
        while not self._tracker.done and number < self._patience:
            effort = Effort.of_round(number)
            if not steps.dive(threshold, effort):
                steps.search(threshold, effort)
            number += 1

    @property
    def _patience(self) -> float:
        """Maximum rounds without a first placement: few if nothing could prove there is none."""
        return _FEW_ROUNDS if "exhaustive_search" in self._skip else math.inf

    def _settle_tiny(self) -> None:
        """Search a fleet of a handful of models from the incumbent downwards.

        The values of its placements can be many orders of magnitude apart, so that
        steps up from the bound might never arrive. After a success the next question
        is halfway down to the bound, otherwise just below the incumbent.
        """
        steps = self._steps
        if len(self._scaled.sizes) > _TINY:
            return
        halfway = False
        while not self._tracker.done:
            threshold = self._scaled.below(steps.high)
            if halfway:
                half = steps.between(steps.low, steps.high, Fraction(1, 2))
                threshold = min(half, threshold, key=lambda choice: choice.value)
            answer = steps.search(threshold, Effort.of_round(0))
            if isinstance(answer, OutOfBudget):
                return
            halfway = isinstance(answer, Packing)

    def _search_down(self) -> None:
        """Search just below the incumbent while that is conclusive.

        For placements so near the optimum that few better ones are left: each one found is
        likely to be far down among them.
        """
        while not self._tracker.done:
            threshold = self._scaled.below(self._steps.high)
            if isinstance(self._steps.search(threshold, Effort.of_round(0)), OutOfBudget):
                return

    def _find_first(self) -> None:
        """Raise the threshold until a dive finds a placement."""
        steps = self._steps
        if self._skip.issuperset(_FINDING):
            return
        step, number = Fraction(1, 200), 0
        highest = self._scaled.finite()
        if len(self._scaled.sizes) <= _TINY and self._tracker.incumbent is None:
            steps.search(highest, Effort.of_round(0))
        while self._tracker.incumbent is None and not self._tracker.done:
            if number >= self._patience:
                return
            threshold = self._scaled.at_most(steps.low * (1 + step))
            if threshold.value >= highest.value:
                threshold, number = highest, number + 1
            effort = Effort.of_round(number)
            asked = "lp_bound" not in self._skip
            step *= 2
            if asked and isinstance(steps.relax(threshold, Precision.FINE), DualValues):
                continue
            if not steps.dive(threshold, effort) and threshold is highest:
                steps.search(threshold, effort)

    def _narrow(self, rough: bool, precision: Precision) -> None:
        """Bisect for the lowest threshold that passes the LP.

        If `rough`, stop once little is left for the LP to refute compared with the rest.
        """
        steps = self._steps
        if "lp_bound" in self._skip:
            return
        # A lower threshold that passes may lie just above one that was too close to call.
        low, unclear = steps.low, False
        width, share_of_rest = (_ROUGHLY, Fraction(1, 8)) if rough else (_CLOSELY, Fraction(0))
        # Large fleets pass close to the bound: take long steps down until one is refuted.
        share = step_down = Fraction(1, 8)
        while not self._tracker.done:
            low = max(low, steps.low)
            top, passing = steps.high, steps.findings.passing
            high = top if passing is None else min(top, passing)
            if high - low <= max(width * high, share_of_rest * (top - high)):
                return
            threshold = steps.between(low, high, share)
            if not low <= threshold.value < high or (unclear and threshold.value == low):
                return
            answer = steps.relax(threshold, precision)
            if isinstance(answer, Fractional):
                share = step_down
                continue
            if isinstance(answer, Undecided):
                if self._units <= _SEARCHABLE:
                    return  # leave the rest to the exhaustive search
                low, unclear = Fraction(threshold.value), True
            share, step_down = min(2 * share, Fraction(1, 2)), Fraction(1, 2)

    def _climb(self, effort: Effort, number: int) -> None:
        """Search exhaustively from the bound upwards."""
        steps = self._steps
        if self._units > _SEARCHABLE * 4**number:
            return
        if number == 0 and not self._dense and not self._tracker.done:
            # If few patterns are left even just below the incumbent, one search is enough.
            steps.search(self._scaled.below(steps.high), effort.reduced())
        step = steps.low * _STEP
        for _ in range(_CLIMBS):
            if self._tracker.done:
                return
            width = steps.high - steps.low
            threshold = self._scaled.below(steps.high)
            if step < width:
                ahead = min(2 * step, width)
                near = steps.between(steps.low, steps.low + ahead, Fraction(1, 2))
                threshold = min(near, threshold, key=lambda choice: choice.value)
            answer = steps.search(threshold, effort)
            if isinstance(answer, NoPacking):
                step *= 2
            elif isinstance(answer, Packing):
                step = min(step, (steps.high - steps.low) / 4)
            elif answer.patterns and Fraction(threshold.value) - steps.low > step / 4:
                # Closer to the bound there are fewer patterns.
                step /= 8
            elif answer.patterns or not steps.dive(threshold, effort):
                return
