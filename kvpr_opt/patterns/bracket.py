"""How large fleets reach the optimum: closing in on the LP threshold from both sides.

On fleets of hundreds of GPUs the optimum is, exactly or nearly, the lowest threshold
that passes the pattern LP, and that lies a few hundred-thousandths above the volume
bound. So the first question is asked there, not just below the incumbent: placements
are found where the LP leaves little slack, and a question costs the same everywhere.
A threshold that passes is rounded at once, since any placement found saves the
questions above it. Then bisection narrows the bracket around the LP threshold; the
last question, strictly below the incumbent, proves it optimal.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from kvpr_opt.patterns.problem import DualValues, Fractional
from kvpr_opt.patterns.steps import CONTINUOUS, Effort, EngineSteps
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.scaled import ScaledInstance, Threshold
from kvpr_opt.search.bounds import volume_bound

#: The first threshold asked, as a relative distance above the volume bound.
_FIRST = Fraction(5, 100_000)

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
    """

    def __init__(self, steps: EngineSteps) -> None:
        self._steps = steps
        volume = volume_bound(steps.scaled).value
        assert isinstance(volume, Fraction), "fleets that cannot be placed need no bracket"
        self._volume = volume
        self._distance = _FIRST
        # Everything below `_low` is refuted or too close to call; `_unclear` is the highest
        # threshold too close to call, `_top` the lowest that passes.
        self._low = steps.low
        self._unclear: Fraction | None = None
        self._top: Fraction | None = None
        # A threshold that passed but was not worth rounding yet.
        self._waiting: Threshold | None = None
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
            threshold = self._next()
            if threshold is None:
                return
            # With small numbers thresholds are few: none may be left between low and top.
            asked = threshold.value, self._low, self._top, steps.high, self._failures
            if asked == before:
                return
            before = asked
            answer = steps.relax_in_loads(threshold)
            value = Fraction(threshold.value)
            if isinstance(answer, Fractional):
                self._passed(threshold, answer)
            elif isinstance(answer, DualValues):
                self._low = max(self._low, steps.low)
            else:
                self._low = max(self._low, value)
                self._unclear = value if self._unclear is None else max(self._unclear, value)
                self._raise_bound()
            if not isinstance(answer, Fractional) and self._top is None:
                self._distance *= 2

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
        top = high if self._top is None else min(self._top, high)
        if self._top is None:
            distance = min(self._volume * self._distance, (high - self._volume) / 2)
            wanted = steps.between(
                self._volume + distance * Fraction(24, 25),
                self._volume + distance * Fraction(26, 25),
                Fraction(1, 2),
            )
            return wanted if self._is_open(wanted) and wanted.value < last.value else last
        if self._leap:
            self._leap = False
            return last
        if self._failures:
            # Each failed rounding moves halfway from the threshold up to the incumbent.
            return steps.between(top, high, 1 - Fraction(1, 2**self._failures))
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.value < high:
            if self._is_worthwhile(Fraction(waiting.value)):
                return waiting
            self._waiting = waiting
        middle = self._middle()
        return last if middle is None else middle

    def _middle(self) -> Threshold | None:
        """The question that halves the bracket; ``None`` if it is narrow enough."""
        assert self._top is not None, "something passed"
        high = self._steps.high
        top = min(self._top, high)
        if top - self._low <= _NARROW * high:
            return None
        middle = self._steps.between(self._low, top, Fraction(1, 2))
        return middle if self._is_open(middle) and middle.value < top else None

    def _is_worthwhile(self, value: Fraction) -> bool:
        """Whether to round at a passing threshold; this takes as long as two questions."""
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
        steps, value, high = self._steps, Fraction(threshold.value), self._steps.high
        first = self._top is None
        self._top = value if self._top is None else min(self._top, value)
        narrow = self._top - self._low <= _ROUNDABLE * high
        if not (first or self._failures or self._is_worthwhile(value)):
            self._waiting = threshold
            return
        if steps.round_down(threshold, answer, self._number + self._failures):
            self._failures = 0
            # A placement far below the threshold may be the optimum.
            self._leap = value - steps.high > _FAR * (value - self._low)
        elif narrow:
            self._failures += 1
