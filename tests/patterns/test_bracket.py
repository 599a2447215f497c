"""The order of questions of large fleets, with tools that only answer."""

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from kvpr_opt.generate import random_instance
from kvpr_opt.patterns import bracket
from kvpr_opt.patterns.bracket import Bracket
from kvpr_opt.patterns.problem import DualValues, Fractional, Relaxed, Undecided
from kvpr_opt.patterns.steps import EngineSteps
from kvpr_opt.problem.scaled import ScaledInstance, Threshold
from kvpr_opt.search.bounds import volume_bound


class Told:
    """Steps of which the answers are known: the threshold of the LP, and what can be packed."""

    def __init__(
        self,
        scaled: ScaledInstance,
        passes: Fraction,
        *,
        start: Fraction,
        unclear: tuple[Fraction, Fraction] | None = None,
        roundable: bool = True,
        slope: float = math.nan,
    ) -> None:
        volume = volume_bound(scaled).value
        assert isinstance(volume, Fraction)
        self.scaled, self.tracker = scaled, self
        self.low, self.high = volume, start
        self.lp = SimpleNamespace(shortfall=math.nan)
        self.asked: list[Fraction] = []
        self.rounded: list[Fraction] = []
        self._passes, self._unclear, self._roundable = passes, unclear, roundable
        self._slope = slope

    between = EngineSteps.between

    @property
    def done(self) -> bool:
        """Whether the gap is closed."""
        return self.low >= self.high

    def relax_in_loads(self, threshold: Threshold) -> Relaxed:
        """Pass from a threshold on, refute below; in between, perhaps, neither."""
        value = Fraction(threshold.value)
        assert value not in self.asked or value >= self._passes  # to be rounded
        self.asked.append(value)
        self.lp.shortfall = self._slope * float(self._passes - value)
        if self._unclear is not None and self._unclear[0] <= value <= self._unclear[1]:
            return Undecided(np.zeros(0))
        if value >= self._passes:
            return Fractional(np.zeros(0))
        self.low = max(self.low, Fraction(self.scaled.next_value(threshold)))
        return DualValues((), ())

    def refute_in_loads(self, threshold: Threshold) -> bool:
        """Refute nothing else."""
        return False

    def round_down(self, threshold: Threshold, answer: Fractional, number: int) -> bool:
        """A placement that just meets the threshold, or none."""
        value = Fraction(threshold.value)
        self.rounded.append(value)
        if not self._roundable or value >= self.high:
            return False
        self.high = value
        return True


def close(told: Told) -> None:
    Bracket(cast(Any, told)).close(0)


@pytest.fixture
def scaled() -> ScaledInstance:
    return random_instance("uniform", gpus=64, models=256, seed=0).scaled


@pytest.mark.parametrize("above", [1, 2, 7, 15])
def test_the_last_question_is_asked_below_the_best_placement(
    scaled: ScaledInstance, above: int
) -> None:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    passes = Fraction(scaled.at_most(volume * (1 + Fraction(above, 10**5))).value)
    told = Told(scaled, passes, start=volume * Fraction(10_002, 10_000))
    close(told)
    assert told.done
    assert told.low == told.high
    # Nothing between the refuted and the placement.
    assert passes <= told.high
    assert scaled.below(told.high).value < passes


def test_the_value_that_the_bound_has_is_a_question_of_its_own(scaled: ScaledInstance) -> None:
    # All below a value is refuted, so that it is the bound, and a placement lies just above.
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    bound = scaled.at_most(volume * (1 + Fraction(3, 10**5)))
    above = Fraction(scaled.next_value(bound))
    told = Told(scaled, above, start=above)
    told.low = Fraction(bound.value)
    close(told)
    assert told.asked == [bound.value]
    assert told.done


def test_what_was_too_close_to_call_is_not_asked_again(scaled: ScaledInstance) -> None:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    passes = Fraction(scaled.at_most(volume * (1 + Fraction(4, 10**5))).value)
    low = volume * (1 + Fraction(2, 10**5))
    told = Told(scaled, passes, start=volume * Fraction(10_002, 10_000), unclear=(low, passes))
    close(told)
    assert not told.done
    assert len(told.asked) < 60


def test_roundings_are_few(scaled: ScaledInstance) -> None:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    passes = Fraction(scaled.at_most(volume * (1 + Fraction(2, 10**5))).value)
    told = Told(scaled, passes, start=volume * Fraction(1002, 1000))
    close(told)
    assert told.done
    assert 2 <= len(told.rounded) <= 4
    # What waited to be rounded is not asked again.
    assert len(set(told.asked)) == len(told.asked)
    failing = Told(scaled, passes, start=volume * Fraction(1002, 1000), roundable=False)
    close(failing)
    assert not failing.done
    # They are tried further up, and given up.
    assert len(failing.rounded) > bracket._FAILURES
    assert len(failing.asked) < 60


def test_another_thread_may_round_while_there_are_questions(scaled: ScaledInstance) -> None:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    passes = Fraction(scaled.at_most(volume * (1 + Fraction(2, 10**5))).value)
    told = Told(scaled, passes, start=volume * Fraction(1002, 1000))
    handed: list[Fraction] = []
    Bracket(cast(Any, told), lambda threshold, _: handed.append(threshold.value)).close(0)
    # It rounds nothing here, so what is left in the end is rounded in this thread.
    assert told.done
    assert len(handed) >= 2
    assert told.rounded[0] == min(handed + told.rounded)
    assert len(set(told.asked)) == len(told.asked)


@pytest.mark.parametrize(("crossing", "least"), [(0.1, 0.125), (0.4, 0.4), (0.8, 0.5)])
def test_the_next_question_is_asked_where_the_lp_is_expected_to_pass(
    crossing: float, least: float
) -> None:
    scaled = random_instance("precise", gpus=64, models=256, seed=0).scaled
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    told = Told(scaled, volume, start=volume * Fraction(1002, 1000))
    asked = Bracket(cast(Any, told))
    asked._top = volume * Fraction(1001, 1000)
    asked._short_at_low, asked._short_at_top = crossing, crossing - 1
    middle = asked._middle()
    assert middle is not None
    share = (Fraction(middle.value) - volume) / (asked._top - volume)
    assert least <= share <= max(crossing + 0.35, 0.375)
    # After an answer that was no help, in the middle.
    asked._astray = True
    middle = asked._middle()
    assert middle is not None
    assert volume * Fraction(10_002, 10_000) < middle.value < volume * Fraction(10_008, 10_000)
