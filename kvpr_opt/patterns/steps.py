"""The engine's steps at one threshold; each reports its findings to the tracker."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Floats
from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.patterns.beam_search import beam_search
from kvpr_opt.patterns.cover.exact_cover import cover
from kvpr_opt.patterns.dive import Dive
from kvpr_opt.patterns.effort import Effort
from kvpr_opt.patterns.fill_and_dive import fill_and_dive
from kvpr_opt.patterns.findings import Findings
from kvpr_opt.patterns.guided_rounding import RoundingPlan, round_by_vertices
from kvpr_opt.patterns.lns import repack
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.pricing import Precision
from kvpr_opt.patterns.problem import (
    DualValues,
    Fractional,
    NoPacking,
    OutOfBudget,
    Packing,
    PackingQuestion,
    Relaxed,
    Undecided,
)
from kvpr_opt.patterns.proofs.evidence import packing_of, placement_of
from kvpr_opt.patterns.proofs.schedule import ProofSchedule
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.tracker import Tracker

#: Large fleets with capacities up to this many loads are decided in exact numbers; others are
#: rounded to this many. A table by load for some hundred classes takes a second.
LOADS = 2**22

#: How far up, from the bound that is proved to the one whose proof is too long, another is tried.
_LESS = Fraction(3, 4)

#: GPUs that a construction leaves to a dive.
_FILL_ALL_BUT = 24

#: How a rounding proceeds: in one step, which mostly succeeds, else in smaller ones, which waste
#: less, and where these failed before, with more dives. One of many short dives succeeds sooner
#: than a long one.
_BOLD = RoundingPlan(0.85, Effort.of_round(1).hasty().dive, tries=3)
_CAREFUL = RoundingPlan(0.4, Effort.of_round(1).hasty().dive, tries=2)
_STUBBORN = RoundingPlan(0.4, Effort.of_round(3).hasty().dive, tries=8)

#: Items that rounding leaves to a dive, and the minimum and maximum bins.
_LAST_ITEMS, _LEAST_BINS, _LAST_BINS = 100, 2, 48

#: GPUs, and models a GPU, up to which a dive over all of them comes first: with three models a
#: GPU the LP leaves no room, and rounding many at once seldom succeeds.
_DIVE_OVER, _DIVE_MODELS = 128, 3.5

#: The last round of which such a dive has the budget; more takes too long.
_DIVE_ROUND = 1


class Passed(NamedTuple):
    """A threshold that passed an LP, and the weights of the patterns in its pool."""

    threshold: Threshold
    lp: PatternLP
    weights: Floats


class EngineSteps:
    """The tools of the engine, one threshold at a time.

    Parameters
    ----------
    tracker
        Every placement and bound found goes to it.
    skip
        Tools to leave out.
    findings
        Shared by all threads that work on the run.
    seed
        The first random seed of dives and neighbourhoods.
    until
        Returns whether to stop even though the tracker is not done.

    Attributes
    ----------
    tracker, scaled, findings
        What is worked on, and what is known.
    lp
        The pattern LP, with all patterns found so far.
    proofs
        What becomes of refutations.
    """

    def __init__(
        self,
        tracker: Tracker,
        skip: Collection[str],
        findings: Findings,
        *,
        seed: int = 0,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        self.findings = findings
        self.lp = PatternLP(tracker.instance.scaled, findings.exchange)
        self.tracker = tracker
        self._skip = skip
        self.scaled = tracker.instance.scaled
        # Another thread working on the run may settle it in the meantime.
        self._limits = tracker.limits.until(lambda: tracker.settled or until())
        self.proofs = ProofSchedule(tracker, findings, self._limits)
        self._dives = self._repacks = seed

    def _start(self, stage: str) -> None:
        """Begin a stage, after a proof for which it may be time."""
        self.prove()
        self.tracker.enter(stage)

    def prove(self) -> None:
        """Shorten a proof, if it is time, or prove a lower bound where that fails.

        Near the threshold of the LP the bins fall short by a hair, and points of few digits
        cannot show it; a little lower they can.
        """
        self.proofs.shorten()
        value, proved = self.findings.too_long, self.tracker.certified_bound
        self.findings.too_long = None
        if value is None or proved is None or proved.value >= value or self.over:
            return
        threshold = self.between(Fraction(proved.value), value, _LESS)
        question = PackingQuestion.of(self.scaled, threshold)
        with self.proofs.charged():
            answer = self.lp.decide(question.rounded_down(LOADS), self._limits)
        if isinstance(answer, DualValues):
            self._refuted_by(question, answer)

    def relax(self, threshold: Threshold, precision: Precision) -> Relaxed:
        """Ask the LP; a refutation raises the bound."""
        self._start("pattern LP")
        question = PackingQuestion.of(self.scaled, threshold)
        answer = self.lp.decide(question, self._limits, precision=precision)
        if isinstance(answer, DualValues):
            self._refuted_by(question, answer)
        elif isinstance(answer, Fractional):
            value = Fraction(threshold.value)
            passing = self.findings.passing
            self.findings.passing = value if passing is None else min(passing, value)
        return answer

    def dive(self, threshold: Threshold, effort: Effort) -> bool:
        """Whether a dive at the threshold improved the incumbent."""
        if "dives" in self._skip:
            return False
        self._start("dive")
        question = PackingQuestion.of(self.scaled, threshold)
        self._dives += 1
        packing = Dive(self.lp, self._limits, effort.dive, seed=self._dives).run(question)
        return packing is not None and self._packed(packing, "dive")

    def relax_in_loads(
        self, threshold: Threshold, until: Callable[[], bool] = lambda: False
    ) -> Relaxed:
        """Ask the LP in numbers of a few digits, `until` it is moot; a refutation raises the bound.

        Sizes are rounded up first, so that a packing of what passes is a real one. If that
        is refuted, the question is asked again rounded down; if the refutation came only
        from the rounding, the answer is undecided.
        """
        self._start("pattern LP")
        start = self.tracker.limits.elapsed
        question = PackingQuestion.of(self.scaled, threshold)
        answer = self.lp.decide(question.rounded_up(LOADS), self._limits.until(until))
        if isinstance(answer, DualValues) and not self.refute_in_loads(threshold, answer, until):
            answer = Undecided(np.zeros(self.lp.pool.size))
        self.findings.asking = self.tracker.limits.elapsed - start
        return answer

    def relax_rounded_down(
        self, threshold: Threshold, until: Callable[[], bool] = lambda: False
    ) -> Relaxed:
        """Ask the LP in few digits, sizes rounded down, `until` it is moot.

        A refutation raises the bound. What passes may pass only because of the rounding.
        """
        self._start("pattern LP")
        start = self.tracker.limits.elapsed
        question = PackingQuestion.of(self.scaled, threshold)
        answer = self.lp.decide(question.rounded_down(LOADS), self._limits.until(until))
        self.findings.asking = self.tracker.limits.elapsed - start
        if isinstance(answer, DualValues):
            self.proofs.claim(question, answer, self.lp.pool)
        return answer

    def refute_in_loads(
        self,
        threshold: Threshold,
        known: DualValues | None = None,
        until: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Whether the LP, rounded down, refutes a threshold; if so, the bound is raised.

        Parameters
        ----------
        threshold, known
            The threshold, and the vector that refutes it rounded up.
        until
            Returns whether the question is moot.
        """
        question = PackingQuestion.of(self.scaled, threshold)
        if known is not None and question.rounded_down(LOADS) is question:
            self.proofs.claim(question, known, self.lp.pool)
            return True
        return isinstance(self.relax_rounded_down(threshold, until), DualValues)

    def search_by_beam(self, threshold: Threshold, effort: Effort) -> bool:
        """Whether a beam search improved the incumbent; fleets with rules have none."""
        question = PackingQuestion.of(self.scaled, threshold)
        if "dives" in self._skip or question.rules is not None or question.slack < 0:
            return False
        self._start("beam search")
        self._dives += 1
        packing = beam_search(question, self._limits, work=effort.beam, seed=self._dives)
        return packing is not None and self._packed(packing, "beam search")

    def fill_and_dive(self, threshold: Threshold, effort: Effort) -> bool:
        """Whether filling most GPUs, and a dive on the last ones, improved the incumbent."""
        question = PackingQuestion.of(self.scaled, threshold)
        if "dives" in self._skip or question.rules is not None or question.slack < 0:
            return False
        self._start("construction and dive")
        self._dives += 1
        packing = fill_and_dive(
            self.scaled, question, self._limits, effort.dive,
            last_bins=_FILL_ALL_BUT, seed=self._dives,
        )  # fmt: skip
        return packing is not None and self._packed(packing, "construction and dive")

    def round_passed(self, passed: Passed, number: int) -> bool:
        """Whether rounding what passed, many bins at a time, improved the incumbent.

        Parameters
        ----------
        passed
            The answer of this LP, or of another thread's, of which the patterns are adopted.
        number
            How often this was tried: more work is done after a failure.
        """
        if "dives" in self._skip:
            return False
        gpus, models = len(self.scaled.capacities), len(self.scaled.sizes)
        if gpus <= _DIVE_OVER and models <= _DIVE_MODELS * gpus:
            effort = Effort.of_round(min(number, _DIVE_ROUND))
            if self.dive(passed.threshold, effort):
                return True
        self._start("rounding")
        value = Fraction(passed.threshold.value)
        question = PackingQuestion.of(self.scaled, passed.threshold).rounded_up(LOADS)
        items = int(question.counts.sum())
        bins = max(_LEAST_BINS, min(_LAST_BINS, _LAST_ITEMS * question.bins // items))
        limits = self._limits.until(lambda: self.high <= value)
        answer = Fractional(self.lp.translated(passed.weights, passed.lp))
        for plan in (_BOLD, _STUBBORN if number else _CAREFUL):
            self._dives += 1
            packing = round_by_vertices(
                self.lp, question, answer, limits, plan, last_bins=bins, seed=self._dives
            )
            if packing is not None:
                return self._packed(packing, "rounding")
        return False

    def repack(self, threshold: Threshold, effort: Effort) -> bool:
        """Whether repacking a few GPUs at a time improved the incumbent."""
        incumbent = self.tracker.incumbent
        if "neighbourhoods" in self._skip or incumbent is None:
            return False
        self._start("neighbourhoods")
        question = PackingQuestion.of(self.scaled, threshold)
        self._repacks += 1
        packing = repack(
            question, packing_of(incumbent), self._limits, tries=effort.tries, seed=self._repacks
        )
        return packing is not None and self._packed(packing, "neighbourhoods")

    def search(self, threshold: Threshold, effort: Effort) -> Packing | NoPacking | OutOfBudget:
        """Search a threshold exhaustively; update bound or incumbent with the answer."""
        if "exhaustive_search" in self._skip:
            return OutOfBudget(patterns=True)
        if self.findings.overflow is not None:
            value, allowed = self.findings.overflow
            if threshold.value >= value and effort.patterns <= allowed:
                return OutOfBudget(patterns=True)
        self._start("exhaustive search")
        question = PackingQuestion.of(self.scaled, threshold)
        duals = self.lp.duals(question, self._limits)
        if isinstance(duals, DualValues):
            self._refuted_by(question, duals)
            return NoPacking(0)
        answer = cover(
            question, self._limits, most_patterns=effort.patterns, work=effort.work,
            duals=() if duals is None else (duals,),
        )  # fmt: skip
        if isinstance(answer, NoPacking):
            self.proofs.exhausted(threshold, answer, duals)
        elif isinstance(answer, OutOfBudget) and answer.patterns and not self.over:
            self.findings.overflow = (Fraction(threshold.value), effort.patterns)
        elif isinstance(answer, Packing):
            placement = self._placement(answer)
            if placement is None:
                return OutOfBudget(patterns=True)  # the packing held in rounded numbers only
            self.tracker.offer(placement, "exhaustive search")
        return answer

    def _refuted_by(self, question: PackingQuestion, vector: DualValues) -> None:
        self.proofs.claim(question, vector, self.lp.pool)
        self.proofs.shorten()

    def _packed(self, packing: Packing, source: str) -> bool:
        """Whether a packing is a placement better than the incumbent."""
        placement = self._placement(packing)
        return placement is not None and self.tracker.offer(placement, source)

    def _placement(self, packing: Packing) -> Placement | None:
        """The placement of a packing; ``None`` if that held in rounded numbers only."""
        try:
            return placement_of(self.tracker.instance, packing)
        except InvalidPlacementError:
            return None

    def between(self, low: Fraction, high: Fraction, share: Fraction) -> Threshold:
        """A threshold of small integers about a share of the way from `low` to `high`."""
        middle = low + (high - low) * share
        around = (high - low) * min(share, 1 - share) / 4
        return self.scaled.simplest(middle - around, middle + around)

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return self._limits.stopped

    @property
    def low(self) -> Fraction:
        """The bound."""
        value = self.tracker.bound_value
        assert isinstance(value, Fraction), "there is a finite bound while work is left"
        return value

    @property
    def high(self) -> Fraction:
        """The value of the incumbent."""
        value = self.tracker.value_to_beat
        assert value is not None, "there is an incumbent after the first stage"
        return value
