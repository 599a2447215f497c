"""The bracket around the threshold of the pattern LP: what is known, and what to ask next.

On fleets of hundreds of GPUs the optimum is, exactly or nearly, the lowest threshold
that passes the pattern LP, and that lies a few hundred-thousandths above the volume
bound. So the first question is asked there, not just below the incumbent: placements
are found where the LP leaves little slack, and a question costs the same everywhere.
:mod:`kvpr_opt.patterns.narrowing` asks, and rounds what passes.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from fractions import Fraction

from kvpr_opt.problem.scaled import ScaledInstance, Threshold
from kvpr_opt.search.bounds import volume_bound

#: The first threshold asked, as a relative distance above the volume bound, and how far from there
#: a simple fraction may be: in small numbers, tables by load are short.
_FIRST, _AROUND = Fraction(5, 100_000), Fraction(1, 4)

#: The share of that distance at which a second question is asked at the same time: the first one
#: mostly passes.
_LESS = Fraction(1, 2)

#: As shares of the bracket (of the distance, while nothing has passed): how far above the threshold
#: where the LP is expected to pass the next question is asked at least, and how far from both ends.
_ASIDE, _EDGE = Fraction(1, 16), Fraction(1, 8)

#: After this many refutations without a pass, the next question is just below the incumbent.
_MANY = 3

#: If an answer leaves more than this share of the bracket, the next question is in the middle.
_MUCH = Fraction(3, 4)

#: The LP passes at a jump if the bins still fall short by this share of what they did, a quarter
#: of the bracket further up.
_STILL, _UP = 0.75, Fraction(1, 4)

#: Relative width below which the bracket is narrow enough.
_NARROW = Fraction(1, 2_000_000)


class Bracket:
    """From the highest threshold refuted to the lowest that passes the LP.

    Parameters
    ----------
    scaled
        The fleet.
    low
        The bound so far.

    Attributes
    ----------
    low
        Everything below is refuted or too close to call.
    top
        The lowest threshold that passed, if any did.
    """

    def __init__(self, scaled: ScaledInstance, low: Fraction) -> None:
        volume = volume_bound(scaled).value
        assert isinstance(volume, Fraction), "fleets that cannot be placed need no bracket"
        self._scaled, self._volume = scaled, volume
        self.low = low
        self.top: Fraction | None = None
        # The highest threshold too close to call.
        self._unclear: Fraction | None = None
        self._distance, self._refutations = _FIRST, 0
        # The highest threshold refuted, and by how much the bins fall short there and at the top.
        self._refuted: Fraction | None = None
        self._short_at_low = self._short_at_top = math.nan
        # Whether the last question was asked far from where the LP begins to pass, and whether
        # it seems to pass at a jump.
        self._astray = self._jumps = False

    def is_open(self, threshold: Threshold) -> bool:
        """Whether a threshold is neither refuted nor too close to call."""
        value = Fraction(threshold.value)
        # The bound itself is open: a placement may have exactly that value.
        return value >= self.low and (self._unclear is None or value > self._unclear)

    def ceiling(self, high: Fraction) -> Fraction:
        """The lowest threshold that passes, or the incumbent's value `high`."""
        return high if self.top is None else min(self.top, high)

    def width(self, high: Fraction) -> Fraction:
        """From what is refuted to what passes, or to the incumbent."""
        return self.ceiling(high) - self.low

    @property
    def likely(self) -> Fraction:
        """The lowest threshold that is likely to pass."""
        expected = self._expected()
        return self.low if expected is None else expected

    # -- answers ---------------------------------------------------------------------

    def passed(self, value: Fraction, short: float) -> None:
        """Note that a threshold passed, and by which share the bins fall short (below zero)."""
        self._jumps = False
        if self.top is None or value < self.top:
            self.top, self._short_at_top = value, short

    def refuted(self, value: Fraction, low: Fraction, short: float) -> None:
        """Note that a threshold was refuted, the bound now, and how short the bins fall."""
        self.low = max(self.low, low)
        if self._refuted is None or value > self._refuted:
            if self._refuted is not None and self.top is not None:
                far = value - self._refuted >= _UP * (self.top - self._refuted)
                self._jumps = far and short >= _STILL * self._short_at_low
            self._refuted, self._short_at_low = value, short
        if self.top is None:
            self._distance *= 2
            self._refutations += 1

    def unclear(self, value: Fraction) -> None:
        """Note that a threshold is too close to call."""
        self.low = max(self.low, value)
        self._unclear = value if self._unclear is None else max(self._unclear, value)
        if self.top is None:
            self._distance *= 2

    def placed(self, high: Fraction, low: Fraction) -> None:
        """Forget what was too close to call, if a placement of value `high` shows that it passes.

        Parameters
        ----------
        high, low
            The incumbent's value, and the bound.
        """
        if self._unclear is not None and high <= self._unclear:
            self._unclear, self.low = None, low

    def look_back(self, before: Fraction, high: Fraction) -> None:
        """Compare the width with that before the last question."""
        self._astray = self.top is not None and self.width(high) > _MUCH * before

    # -- questions -------------------------------------------------------------------

    def first(self, high: Fraction, others: Collection[Fraction]) -> Threshold | None:
        """The question while nothing has passed; `others` are being asked already.

        ``None`` if the bracket up to the incumbent's value is narrow enough, or if so many were
        refuted that the incumbent may well be optimal.
        """
        if self._refutations >= _MANY and not others:
            return None
        distance, around = self._volume * self._distance * (_LESS if others else 1), _AROUND
        expected = self._expected()
        if expected is not None:
            if any(expected <= other < high for other in others):
                return self.below(high, others)  # what is asked there is expected to pass
            # By how much it was refuted tells where it passes; twice as far up each time.
            step = (expected - self.low) * 2 ** (self._refutations - 1)
            distance, around = (self.low + step - self._volume) / (1 - _ASIDE), _ASIDE
        if self._volume + distance > (self.low + high) / 2:
            return self.middle(high, others)
        return self._scaled.simplest(
            self._volume + distance * (1 - around), self._volume + distance * (1 + around)
        )

    def middle(self, high: Fraction, others: Collection[Fraction] = ()) -> Threshold | None:
        """The question that divides the bracket; ``None`` if it is narrow enough.

        Also ``None`` if the LP seems to pass at a jump, as with two models a GPU, where single
        pairs decide, and the incumbent's value is the likely place. Of a bracket that questions
        `others` divide already, the part where the LP is expected to pass is divided, or, if that
        is expected about where another question is, the larger part.
        """
        low, ceiling, expected = self.low, self.ceiling(high), self._expected()
        if self._jumps and ceiling == high and not others:
            return None
        for other in others:
            if low < other < ceiling:
                goal = (low + ceiling) / 2
                if expected is not None and abs(expected - other) >= _EDGE * (ceiling - low):
                    goal = expected
                low, ceiling = (low, other) if goal < other else (other, ceiling)
        return self._between(low, ceiling, high, others)

    def below(self, high: Fraction, others: Collection[Fraction]) -> Threshold | None:
        """The question that divides the lowest part that questions `others` leave."""
        inside = [other for other in others if self.low < other < self.ceiling(high)]
        return self._between(self.low, min(inside), high, others) if inside else None

    def _between(
        self, low: Fraction, ceiling: Fraction, high: Fraction, others: Collection[Fraction]
    ) -> Threshold | None:
        """A question in a part of the bracket; ``None`` if it is too narrow, or asked already.

        It is asked around the middle, or a little above where the LP is expected to pass, if that
        is known: what passes there can be rounded.
        """
        width, expected = ceiling - low, self._expected()
        if width <= _NARROW * high:
            return None
        share = _AROUND, 1 - _AROUND
        if expected is not None:
            nearest = min(max((expected - low) / width + _ASIDE, _EDGE), 1 - _EDGE - _AROUND)
            share = nearest, nearest + _AROUND
        middle = self._scaled.simplest(low + width * share[0], low + width * share[1])
        is_new = self.is_open(middle) and Fraction(middle.value) not in others
        return middle if is_new and middle.value < ceiling else None

    def _expected(self) -> Fraction | None:
        """Where the LP is expected to pass, ``None`` if unknown.

        On the line through the shares by which the bins fall short at both ends. If only one is
        known: the bins fall short by what the LP wastes less the slack, as shares of all bins. If
        the waste stays the same, a step from t to t' gains the slack (t' - t) / volume, of the
        memory that the weights leave free.
        """
        if self._astray:
            return None
        free = 1 - Fraction(self._scaled.total_size, self._scaled.total_capacity)
        if self._refuted is not None and self._short_at_low > 0:
            if self.top is None or not self._short_at_top < 0:
                step = self._volume * Fraction(self._short_at_low) / free
            else:
                share = self._short_at_low / (self._short_at_low - self._short_at_top)
                step = Fraction(share) * (self.top - self._refuted)
            return max(self.low, self._refuted + step)
        if self.top is not None and self._short_at_top < 0:
            return max(self.low, self.top + self._volume * Fraction(self._short_at_top) / free)
        return None
