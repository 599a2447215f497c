"""When the engine proves what it has refuted in a form that the checker can follow.

A bound counts as soon as it is found. Its proof may be too long to be checked at once, and
shorter points take time that the search could use: so they are looked for where the bound is all
that is missing, within a share of the run, or towards its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

from kvpr_opt._types import Ints
from kvpr_opt.certificates.evidence import QUICK_WORK, Evidence, LowerBound
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.continuous import suits_beam_search
from kvpr_opt.patterns.findings import Findings
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.problem import DualValues, NoPacking, PackingQuestion
from kvpr_opt.patterns.proofs.case_proof import PROVING, bound_after, shortened, tree_proof
from kvpr_opt.patterns.proofs.evidence import dual_proof, exhaustion
from kvpr_opt.patterns.proofs.shortening import Refutation
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.tracker import Tracker

#: How long shortening takes, about, as a multiple of the question.
_EACH = 2.0

#: On large fleets it is left to the last share of a time limit, or, if longer, to the time of
#: so many such proofs.
_LATE, _LATE_FOR = 0.3, 3.0

#: How far, relative to the incumbent, the proved bound may lag behind the bound during search.
_MAX_LAG = Fraction(3, 100_000)

#: The share of the time that proofs may take during search, so that a run stopped by a limit has
#: a proof of what it claims, and seconds below which none is tried by cases.
_SHARE, _TOO_SHORT = 0.1, 0.02


class ProofSchedule:
    """Bounds from refutations, and their proofs, of one thread.

    Parameters
    ----------
    tracker
        The run, which gets bounds and proofs.
    findings
        What the threads of the run know.
    limits
        When to stop.
    """

    def __init__(self, tracker: Tracker, findings: Findings, limits: LimitsView) -> None:
        self._tracker, self._findings, self._limits = tracker, findings, limits
        self._scaled = tracker.instance.scaled
        # Seconds that proofs have taken so far.
        self._spent = 0.0

    def claim(self, question: PackingQuestion, vector: DualValues, pool: PatternPool) -> None:
        """Raise the bound; leave a proof that is too long for :meth:`shorten`.

        Parameters
        ----------
        question, vector, pool
            As in :class:`~kvpr_opt.patterns.proofs.shortening.Refutation`.
        """
        proof = dual_proof(self._scaled, question.threshold, vector, most=QUICK_WORK)
        known = self._findings.refutation
        if known is None or known.question.threshold.value <= question.threshold.value:
            refutation = self._findings.refutation = Refutation(question, vector, pool)
            self._findings.unproved = None if proof.certified else refutation
        self._refuted(question.threshold, proof, "pattern LP")

    def shorten(self) -> None:
        """Shorten the proof of the highest refutation if it cannot be checked, and it is time.

        That is so where the bound is all that is missing, and towards a time limit. Otherwise it
        takes a share of the run's time; but on large fleets, where the next question may make it
        useless, only if there is no limit, or the placements are those of beam searches.
        """
        unproved, proved = self._findings.unproved, self._tracker.certified_bound
        if unproved is None:
            return
        bound = bound_after(self._scaled, unproved.question.threshold)
        if proved is not None and proved.value >= bound:
            self._findings.unproved = None
            return
        if not self._is_time_to_shorten(bound):
            return
        self._findings.unproved = None
        self._tracker.enter(PROVING)
        with self.charged():
            proof = shortened(self._tracker, unproved, self._limits)
        if self._tracker.shortened is not proof:
            if self._findings.unproved is None:
                self._findings.unproved = unproved  # cut off: it may be tried again
            return
        if not proof.certified and self._findings.refutation is unproved:
            self._findings.refutation = None  # of no use for a proof at the end, either
            self._findings.too_long = Fraction(bound) if bound < math.inf else None
        self._refuted(unproved.question.threshold, proof, "pattern LP")

    @contextmanager
    def charged(self) -> Iterator[None]:
        """Count the time of a block as spent on proofs."""
        start = self._tracker.limits.elapsed
        yield
        self._spent += self._tracker.limits.elapsed - start

    def _is_time_to_shorten(self, bound: Fraction | float) -> bool:
        limits = self._tracker.limits
        if proving_seconds(self._tracker, bound, self._spent) == math.inf:
            return True  # nothing else is missing, or nothing else is known
        left = _SHARE * limits.elapsed - self._spent
        seconds = _EACH * self._findings.asking
        if seconds and limits.remaining < math.inf:
            late = max(_LATE * (limits.elapsed + limits.remaining), _LATE_FOR * seconds)
            if limits.remaining <= late:
                return left > 0
            if not suits_beam_search(self._scaled):
                return False
        return left > seconds

    def exhausted(
        self, threshold: Threshold, answer: NoPacking, duals: tuple[Ints, Ints] | None
    ) -> None:
        """Raise the bound after an exhaustive search: by a proof if it matters, else our claim."""
        proof: Evidence | None = None
        tracker = self._tracker
        seconds = proving_seconds(tracker, bound_after(self._scaled, threshold), self._spent)
        if duals is not None and seconds > 0:
            tracker.enter(PROVING)
            with self.charged():
                # Uses the limits themselves: a view of them cannot be left at once.
                proof = tree_proof(self._scaled, threshold, duals, tracker.limits, seconds=seconds)
        word = exhaustion(threshold, answer)
        self._refuted(threshold, word if proof is None else proof, "exhaustive search")

    def _refuted(self, threshold: Threshold, evidence: Evidence, source: str) -> None:
        self._tracker.raise_bound(
            LowerBound(bound_after(self._scaled, threshold), evidence), source
        )


def proving_seconds(tracker: Tracker, value: Fraction | float, spent: float) -> float:
    """How long to try to prove a bound: as long as it takes, for a while, or not at all.

    A bound that ends the run gets all the time left. Before that, only a bound well above
    the last proved one gets a share of the time, so that a run stopped by a limit has a
    proof of nearly all that it claims.

    Parameters
    ----------
    tracker, value
        The run, and the bound.
    spent
        Seconds that proofs during the search have taken so far.
    """
    incumbent, proved = tracker.value_to_beat, tracker.certified_bound
    if isinstance(value, float) or incumbent is None:
        return math.inf
    if (incumbent - value) <= tracker.target_gap * incumbent:
        return math.inf
    lag = value - (Fraction(0) if proved is None else Fraction(proved.value))
    left = _SHARE * tracker.limits.elapsed - spent
    return left if lag > _MAX_LAG * incumbent and left > _TOO_SHORT else 0.0
