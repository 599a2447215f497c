"""How large fleets reach the optimum: closing in on the LP threshold from both sides.

The first threshold that passes the LP is rounded at once, since any placement found saves
the questions above it; where beam search finds the placements, nothing is rounded, and the LP
gives the bound only. Then the bracket around the threshold of the LP is narrowed
(:mod:`kvpr_opt.patterns.bracket`), by questions where the LP is expected to pass; the
last question, strictly below the incumbent, proves it optimal. Two threads may work on it:
while one rounds, the other asks, or both ask, each in a part of its own.
"""

from __future__ import annotations

import threading
from fractions import Fraction

from kvpr_opt.patterns.bracket import Bracket
from kvpr_opt.patterns.continuous import suits_beam_search
from kvpr_opt.patterns.problem import DualValues, Fractional, Undecided
from kvpr_opt.patterns.steps import EngineSteps, Passed
from kvpr_opt.problem.scaled import Threshold

#: Relative width of the bracket below which a failed rounding is retried at a higher threshold.
_ROUNDABLE = Fraction(1, 100_000)

#: A rounding is worthwhile if it may divide the gap by this.
_WORTHWHILE = 4

#: Width of the bracket, as a share of the gap, at which it is narrow enough for a bound.
_CLOSELY = Fraction(1, 16)

#: If a placement lies below its threshold by this share of the bracket, the next question
#: is asked just below it.
_FAR = Fraction(1, 8)

#: Roundings of passing thresholds that may fail in a row.
_FAILURES = 4

#: What failed within this share of the way from the incumbent to the bound is tried again.
_NEAR = Fraction(1, 8)

#: Seconds after which a thread that has nothing to do looks again.
_LOOK = 0.05


class Narrowing:
    """Questions and roundings, by one thread or several, each with tools of its own.

    Parameters
    ----------
    steps
        The tools of the main thread; their findings go to the tracker of the run.

    Attributes
    ----------
    answers
        Questions answered so far.
    """

    def __init__(self, steps: EngineSteps) -> None:
        self._steps = steps
        self._bracket = Bracket(steps.scaled, steps.low)
        # Where beam search finds the placements, roundings find none, and the LP is only asked
        # for the bound, as closely as matters beside the gap.
        self._rounds = not suits_beam_search(steps.scaled)
        self.answers = 0
        # What threads are asking, and rounding.
        self._asked: dict[EngineSteps, Fraction] = {}
        self._rounded: dict[EngineSteps, Passed] = {}
        self._changed = threading.Condition()
        # What passed, by threshold: where a rounding failed, another may succeed.
        self._passed: dict[Fraction, Passed] = {}
        # What passed last but was not worth rounding yet.
        self._waiting: Passed | None = None
        # Thresholds at which roundings have failed, and how many have in a row.
        self._failed: list[Fraction] = []
        self._failures = self._number = 0
        self._leap = False

    def close(self, number: int) -> None:
        """Narrow the bracket and round, until the tracker is done or nothing more is learned.

        Parameters
        ----------
        number
            How often this was done before: roundings do more work each time.
        """
        with self._changed:
            self._failed, self._failures, self._number = [], 0, number
        self._work(self._steps)

    def join(self, steps: EngineSteps) -> None:
        """Take part with the tools of another thread, while there is something to do."""
        if not steps.lp.pool.size:
            steps.lp.adopt(self._steps.lp)
        self._work(steps)

    def _work(self, steps: EngineSteps) -> None:
        before = None
        while not steps.over and self._failures <= _FAILURES:
            with self._changed:
                passed, threshold = self._choose(steps)
                bracket = self._bracket
                state = threshold, bracket.low, bracket.top, steps.high, self._failures
                # With small numbers thresholds are few: none may be left between low and top.
                if passed is None and (threshold is None or state == before):
                    if not (self._asked or self._rounded):
                        return
                    self._changed.wait(_LOOK)
                    continue
                before = state
                if threshold is not None and Fraction(threshold.value) in self._passed:
                    passed, threshold = self._passed[Fraction(threshold.value)], None
                # Other threads know of it before they choose.
                if passed is not None:
                    self._rounded[steps] = passed
                elif threshold is not None:
                    self._asked[steps] = Fraction(threshold.value)
            try:
                if threshold is not None:
                    passed = self._ask(steps, threshold)
                if passed is not None:
                    self._round(steps, passed)
            finally:
                with self._changed:
                    self._asked.pop(steps, None)
                    self._rounded.pop(steps, None)
                    self._changed.notify_all()

    # -- what to do next ---------------------------------------------------------------

    def _choose(self, steps: EngineSteps) -> tuple[Passed | None, Threshold | None]:
        """What to round, or else to ask, if anything is left."""
        self._bracket.placed(steps.high, steps.low)
        self._bracket.low = max(self._bracket.low, steps.low)
        # A rounding that may end the run is not slowed down.
        if any(value <= self._bracket.low for value in self._rounded_by_others(steps)):
            return None, None
        passed = self._to_round(steps)
        return passed, self._next(steps) if passed is None else None

    def _asked_by_others(self, steps: EngineSteps) -> list[Fraction]:
        return [value for other, value in self._asked.items() if other is not steps]

    def _rounded_by_others(self, steps: EngineSteps) -> list[Fraction]:
        return [
            Fraction(passed.threshold.value)
            for other, passed in self._rounded.items()
            if other is not steps
        ]

    def _to_round(self, steps: EngineSteps) -> Passed | None:
        """What has waited, if it is worth rounding by now."""
        if not self._rounds or self._waiting is None or self._leap or self._failures:
            return None
        value = Fraction(self._waiting.threshold.value)
        if value < steps.high and not self._is_worthwhile(steps, value):
            return None
        passed, self._waiting = self._waiting, None
        return passed if value < steps.high else None

    def _is_worthwhile(self, steps: EngineSteps, value: Fraction) -> bool:
        """Whether to round at a passing threshold: it divides the gap, or nothing else is left.

        What other threads are rounding is expected to succeed.
        """
        bracket, high = self._bracket, steps.high
        expected, likely = min([high, *self._rounded_by_others(steps)]), bracket.likely
        soon = _WORTHWHILE * (value - likely) <= expected - likely
        return soon or bracket.middle(high, self._asked_by_others(steps)) is None

    def _next(self, steps: EngineSteps) -> Threshold | None:
        """The next question; ``None`` if none is left."""
        bracket, high = self._bracket, steps.high
        last = steps.scaled.below(high)
        others = self._asked_by_others(steps)
        if not bracket.is_open(last):
            return None
        if bracket.top is None:
            first = bracket.first(high, others)
            early = first is not None and bracket.is_open(first) and first.value < last.value
            chosen = first if early else last
        elif self._leap:
            self._leap = False
            chosen = last
        else:
            chosen = self._dividing(steps, last, others)
        return None if chosen is None or Fraction(chosen.value) in others else chosen

    def _dividing(
        self, steps: EngineSteps, last: Threshold, others: list[Fraction]
    ) -> Threshold | None:
        """The next question once something has passed."""
        bracket, high = self._bracket, steps.high
        if not self._rounds and bracket.width(high) <= _CLOSELY * (high - bracket.low):
            return None
        middle = None if self._failures else bracket.middle(high, others)
        middle = middle or bracket.below(high, others)
        if middle is not None:
            return middle
        if not self._rounds:
            return last if bracket.top is None or last.value < bracket.top else None
        # Halfway up to the incumbent from what failed, or may fail; what it has come near to may
        # succeed next time.
        near = high - (high - bracket.low) * _NEAR
        tried = [*self._failed, *self._rounded_by_others(steps)]
        tried = [value for value in tried if value < near]
        return steps.between(max(tried), high, Fraction(1, 2)) if tried else last

    # -- doing it ----------------------------------------------------------------------

    def _ask(self, steps: EngineSteps, threshold: Threshold) -> Passed | None:
        """Ask the LP; return what passes if rounding it may help."""
        bracket, value = self._bracket, Fraction(threshold.value)
        dividing, width = value < bracket.ceiling(steps.high), bracket.width(steps.high)

        def moot() -> bool:
            ceiling = bracket.ceiling(steps.high) if dividing else steps.high
            return value < bracket.low or value >= ceiling

        relax = steps.relax_in_loads if self._rounds else steps.relax_rounded_down
        answer = relax(threshold, until=moot)
        with self._changed:
            self.answers += 1
            del self._asked[steps]
            rounds = isinstance(answer, Fractional) and self._passes(steps, value)
            if isinstance(answer, DualValues):
                bracket.refuted(value, steps.low, steps.lp.shortfall)
            unclear = isinstance(answer, Undecided) and not moot() and not steps.over
            if unclear:
                bracket.unclear(value)
            bracket.look_back(width, steps.high)
            if isinstance(answer, Fractional):
                passed = Passed(threshold, steps.lp, answer.weights)
                if self._rounds:
                    self._passed[value] = passed
                if rounds:
                    self._rounded[steps] = passed
                else:
                    self._keep(passed)
            self._changed.notify_all()
        if isinstance(answer, Fractional):
            return passed if rounds else None
        if unclear:
            self._raise_bound(steps)
        steps.prove()
        return None

    def _passes(self, steps: EngineSteps, value: Fraction) -> bool:
        """Note that a threshold passed; return whether to round it at once."""
        first = self._bracket.top is None
        self._bracket.passed(value, steps.lp.shortfall)
        soon = first or bool(self._failures) or self._is_worthwhile(steps, value)
        return self._rounds and soon

    def _keep(self, passed: Passed) -> None:
        """Let what passed wait, if nothing lower does."""
        waiting = self._waiting
        if waiting is None or passed.threshold.value < waiting.threshold.value:
            self._waiting = passed

    def _raise_bound(self, steps: EngineSteps) -> None:
        """Raise the bound by asking below a threshold left undecided only by rounding."""
        for share in (Fraction(7, 8), Fraction(1, 2)):
            low = steps.low
            if self._bracket.low - low <= _ROUNDABLE * low / 4 or steps.tracker.done:
                return
            if steps.refute_in_loads(steps.between(low, self._bracket.low, share)):
                return

    def _round(self, steps: EngineSteps, passed: Passed) -> None:
        """Round what passed, and decide how to go on."""
        value, number = Fraction(passed.threshold.value), self._number + self._failures
        lower = steps.round_passed(passed, number)
        with self._changed:
            if lower:
                self._failures = 0
                # A placement far below what passed may be the optimum.
                down = self._bracket.ceiling(value) - steps.high
                self._leap = down > _FAR * (value - self._bracket.low)
            elif value < steps.high:
                self._failed.append(value)
                self._failures += self._bracket.width(steps.high) <= _ROUNDABLE * steps.high
