"""How large fleets reach the optimum: closing in on the LP threshold from both sides.

On fleets of hundreds of GPUs the optimum is, exactly or nearly, the lowest threshold
that passes the pattern LP, and that lies a few hundred-thousandths above the volume
bound. So the first question is asked there, not just below the incumbent: placements
are found where the LP leaves little slack, and a question costs the same everywhere.
The first that passes is rounded at once, since any placement found saves the
questions above it. Then the bracket around the LP threshold is narrowed, by questions
where the LP is expected to pass; the last question, strictly below the incumbent,
proves it optimal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from kvpr_opt.patterns.effort import Effort
from kvpr_opt.patterns.problem import DualValues, Fractional
from kvpr_opt.patterns.steps import CONTINUOUS, EngineSteps
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.exact import simplest_between
from kvpr_opt.problem.scaled import ScaledInstance, Threshold
from kvpr_opt.search.bounds import volume_bound

#: The first threshold asked, as a relative distance above the volume bound, and how far from there
#: a simple fraction may be: in small numbers, tables by load are short.
_FIRST, _AROUND = Fraction(5, 100_000), Fraction(1, 4)

#: As shares of the bracket: how far above the threshold where the LP is expected to pass the next
#: question is asked at least, and how far from both ends.
_ASIDE, _EDGE = Fraction(1, 16), Fraction(1, 8)

#: If an answer leaves more than this share of the bracket, the next question is in the middle.
_MUCH = Fraction(3, 4)

#: Relative widths of the bracket below which a failed rounding is retried at a higher
#: threshold, and below which the bracket is narrow enough.
_ROUNDABLE, _NARROW = Fraction(1, 100_000), Fraction(1, 2_000_000)

#: A rounding is worthwhile if it may divide the gap by this.
_WORTHWHILE = 4

#: If a placement lies below its threshold by this share of the bracket, the next question
#: is asked just below it.
_FAR = Fraction(1, 8)

#: GPUs from which a beam search pays off, and models a GPU up to which; with more models, GPUs
#: from which filling and a dive pay off.
_BEAM_FROM, _BEAM_TO, _CONSTRUCT_FROM = 12, 6, 28

#: The largest distance from the volume bound that is tried, as a share of it.
_FURTHEST = Fraction(1, 1000)

#: How often the work of a construction is doubled, by kind, and the ways from the bound to the
#: incumbent that are tried with each.
_DOUBLINGS, _DOUBLINGS_OF_DIVES = 7, 1
_WAYS = (Fraction(1, 2), Fraction(3, 4), Fraction(7, 8), Fraction(15, 16))

#: Roundings of passing thresholds that may fail in a row.
_FAILURES = 4


def constructs(scaled: ScaledInstance) -> bool:
    """Whether beam search is the way to good placements of a fleet."""
    gpus = len(scaled.capacities)
    plain = not isinstance(scaled, ConstrainedInstance)
    few = gpus >= _BEAM_FROM and len(scaled.sizes) <= _BEAM_TO * gpus
    return plain and few and scaled.largest_capacity >= CONTINUOUS


class Bracket:
    """The bracket around the threshold of the pattern LP, and how it is narrowed.

    Parameters
    ----------
    steps
        The tools; their findings go to the tracker of the run.
    hand_over
        If given, called with what passes the LP while there are more questions, so that another
        thread rounds it.
    """

    def __init__(
        self,
        steps: EngineSteps,
        hand_over: Callable[[Threshold, Fractional], object] | None = None,
    ) -> None:
        self._steps, self._hand_over = steps, hand_over
        volume = volume_bound(steps.scaled).value
        assert isinstance(volume, Fraction), "fleets that cannot be placed need no bracket"
        self._volume = volume
        self._distance = _FIRST
        # Everything below `_low` is refuted or too close to call; `_unclear` is the highest
        # threshold too close to call, `_top` the lowest that passes.
        self._low = steps.low
        self._unclear: Fraction | None = None
        self._top: Fraction | None = None
        # By how much the bins fall short at `_low` and at `_top`, as far as known.
        self._short_at_low = self._short_at_top = math.nan
        # Whether the last question was asked far from where the LP begins to pass.
        self._astray = False
        # A threshold that passed but was not worth rounding yet, and the answer of the LP.
        self._waiting: tuple[Threshold, Fractional] | None = None
        self._failures = self._number = 0
        self._leap = False

    def close(self, number: int) -> None:
        """Narrow the bracket and round, until the tracker is done or nothing more is learned.

        Parameters
        ----------
        number
            How often this was done before: roundings do more work each time.
        """
        steps = self._steps
        self._failures, self._number = 0, number
        before = None
        while not steps.tracker.done and self._failures <= _FAILURES:
            self._low = max(self._low, steps.low)
            if self._round_waiting():
                continue
            threshold = self._next()
            if threshold is None:
                return
            # With small numbers thresholds are few: none may be left between low and top.
            asked = threshold.value, self._low, self._top, steps.high, self._failures
            if asked == before:
                return
            before = asked
            width = self._width
            answer = steps.relax_in_loads(threshold)
            value = Fraction(threshold.value)
            if isinstance(answer, Fractional):
                self._passed(threshold, answer)
            elif isinstance(answer, DualValues):
                self._low, self._short_at_low = max(self._low, steps.low), steps.lp.shortfall
            else:
                self._low = max(self._low, value)
                self._unclear = value if self._unclear is None else max(self._unclear, value)
                self._raise_bound()
            if not isinstance(answer, Fractional) and self._top is None:
                self._distance *= 2
            self._astray = self._width > _MUCH * width

    def construct(self, number: int) -> None:
        """Construct placements of nearly continuous data, ever closer to the bound.

        At each distance a little work is done first: below some distance nothing succeeds, and
        just above it, little suffices.

        Parameters
        ----------
        number
            How often this was done before: more work is done each time.
        """
        steps, scaled = self._steps, self._steps.scaled
        beam = constructs(scaled)
        large = len(scaled.capacities) >= _CONSTRUCT_FROM
        if not beam and not (large and scaled.largest_capacity >= CONTINUOUS):
            return
        attempt = steps.search_by_beam if beam else steps.fill_and_dive
        most = _DOUBLINGS if beam else _DOUBLINGS_OF_DIVES
        effort, way, doublings = Effort.of_round(number).hasty(), 0, 0
        while not steps.tracker.done and doublings <= most:
            low = max(self._volume, steps.low)
            high = min(steps.high, self._volume * (1 + _FURTHEST))
            threshold = scaled.at_most(low + (high - low) * _WAYS[way])
            if threshold.value < steps.high and attempt(threshold, effort):
                way = max(0, way - 1)
                continue
            way += 1
            if way == len(_WAYS):
                way, doublings = 0, doublings + 1
                effort = replace(effort, beam=2 * effort.beam)

    def _next(self) -> Threshold | None:
        """The next question; ``None`` if none is left."""
        steps, high = self._steps, self._steps.high
        last = steps.scaled.below(high)
        if not self._is_open(last):
            return None
        if self._top is None:
            distance = min(self._volume * self._distance, (high - self._volume) / 2)
            wanted = self._simplest(
                self._volume + distance * (1 - _AROUND), self._volume + distance * (1 + _AROUND)
            )
            return wanted if self._is_open(wanted) and wanted.value < last.value else last
        if self._leap:
            self._leap = False
            return last
        if self._failures:
            # Each failed rounding moves halfway from the threshold up to the incumbent.
            return steps.between(self._ceiling, high, 1 - Fraction(1, 2**self._failures))
        middle = self._middle()
        return last if middle is None else middle

    def _middle(self) -> Threshold | None:
        """The question that divides the bracket; ``None`` if it is narrow enough.

        It is asked around the middle, or a little above where the line through the shortfalls
        at both ends crosses zero, if they are known: what passes there can be rounded.
        """
        assert self._top is not None, "something passed"
        width = self._width
        if width <= _NARROW * self._steps.high:
            return None
        share = _AROUND, 1 - _AROUND
        fall = self._short_at_low - self._short_at_top
        if fall > 0 and not self._astray:
            crossing = Fraction(self._short_at_low / fall) * (self._top - self._low) / width
            nearest = min(max(crossing + _ASIDE, _EDGE), 1 - _EDGE - _AROUND)
            share = nearest, nearest + _AROUND
        middle = self._simplest(self._low + width * share[0], self._low + width * share[1])
        return middle if self._is_open(middle) and middle.value < self._ceiling else None

    @property
    def _ceiling(self) -> Fraction:
        """The lowest threshold that passes, or the incumbent."""
        high = self._steps.high
        return high if self._top is None else min(self._top, high)

    @property
    def _width(self) -> Fraction:
        """From what is refuted to what passes, or to the incumbent."""
        return self._ceiling - self._low

    def _simplest(self, low: Fraction, high: Fraction) -> Threshold:
        """The threshold of smallest numbers between two values."""
        return self._steps.scaled.at_most(simplest_between(low, high))

    def _is_worthwhile(self, value: Fraction) -> bool:
        """Whether to round at a passing threshold; this takes as long as two questions.

        With another thread for that, only once there is nothing else to do.
        """
        if self._hand_over is not None:
            return self._middle() is None
        soon = _WORTHWHILE * (value - self._low) <= self._steps.high - self._low
        return soon or self._middle() is None

    def _is_open(self, threshold: Threshold) -> bool:
        """Whether a threshold is neither refuted nor too close to call."""
        value = Fraction(threshold.value)
        # The bound itself is open: a placement may have exactly that value.
        return value >= self._low and (self._unclear is None or value > self._unclear)

    def _raise_bound(self) -> None:
        """Raise the bound by asking below a threshold left undecided only by rounding."""
        steps = self._steps
        for share in (Fraction(7, 8), Fraction(1, 2)):
            low = steps.low
            if self._low - low <= _ROUNDABLE * low / 4 or steps.tracker.done:
                return
            if steps.refute_in_loads(steps.between(low, self._low, share)):
                return

    def _passed(self, threshold: Threshold, answer: Fractional) -> None:
        """Record a passing threshold and round at it if that may help."""
        steps, value = self._steps, Fraction(threshold.value)
        first = self._top is None
        if self._top is None or value < self._top:
            self._top, self._short_at_top = value, steps.lp.shortfall
        if self._hand_over is not None and not self._failures and self._middle() is not None:
            self._hand_over(threshold, answer)
            self._waiting = threshold, answer
        elif first or self._failures or self._is_worthwhile(value):
            self._round(threshold, answer)
        else:
            self._waiting = threshold, answer

    def _round_waiting(self) -> bool:
        """Round what has waited, if that may help by now; return whether it was done."""
        if self._waiting is None or self._leap or self._failures:
            return False
        threshold, answer = self._waiting
        if threshold.value >= self._steps.high:
            self._waiting = None
        elif self._is_worthwhile(Fraction(threshold.value)):
            self._waiting = None
            self._round(threshold, answer)
            return True
        return False

    def _round(self, threshold: Threshold, answer: Fractional) -> None:
        """Round what passed, and decide how to go on."""
        steps, value = self._steps, Fraction(threshold.value)
        if steps.round_down(threshold, answer, self._number + self._failures):
            self._failures = 0
            # A placement far below the threshold may be the optimum.
            self._leap = value - steps.high > _FAR * (value - self._low)
        elif self._is_narrow:
            self._failures += 1

    @property
    def _is_narrow(self) -> bool:
        """Whether so little is open that a rounding that failed is tried again."""
        assert self._top is not None, "something passed"
        return self._top - self._low <= _ROUNDABLE * self._steps.high
