"""The order of questions and roundings of large fleets, with tools that only answer."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from kvpr_opt.generate import random_instance
from kvpr_opt.patterns import narrowing
from kvpr_opt.patterns.narrowing import Narrowing
from kvpr_opt.patterns.problem import DualValues, Fractional, Relaxed, Undecided
from kvpr_opt.patterns.steps import EngineSteps, Passed
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
        self.relax_rounded_down = self._not_here

    def _not_here(self, threshold: Threshold, until: Callable[[], bool]) -> Relaxed:
        raise AssertionError("placements are wanted")

    between = EngineSteps.between

    @property
    def done(self) -> bool:
        """Whether the gap is closed."""
        return self.low >= self.high

    over = done

    def relax_in_loads(self, threshold: Threshold, until: Callable[[], bool]) -> Relaxed:
        """Pass from a threshold on, refute below; in between, perhaps, neither."""
        value = Fraction(threshold.value)
        assert not until()
        assert value not in self.asked
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

    def prove(self) -> None:
        """Nothing is too long."""

    def round_passed(self, passed: Passed, number: int) -> bool:
        """A placement that just meets the threshold, or none."""
        value = Fraction(passed.threshold.value)
        self.rounded.append(value)
        if not self._roundable or value >= self.high:
            return False
        self.high = value
        return True


def close(told: Told) -> None:
    Narrowing(cast(Any, told)).close(0)


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
    assert len(failing.rounded) > narrowing._FAILURES
    assert len(failing.asked) < 60


def test_what_passes_with_little_to_spare_is_rounded_at_once(scaled: ScaledInstance) -> None:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    passes = Fraction(scaled.at_most(volume * (1 + Fraction(2, 10**5))).value)
    free = 1 - scaled.total_size / scaled.total_capacity
    before: list[int] = []

    class Noting(Told):
        """Notes how many questions come before each rounding."""

        def round_passed(self, passed: Passed, number: int) -> bool:
            before.append(len(self.asked))
            return super().round_passed(passed, number)

    told = Noting(scaled, passes, start=volume * Fraction(1002, 1000), slope=free / float(volume))
    close(told)
    assert told.done
    # The second question passes, too, far above the bound but near where the first expected it.
    assert told.asked[0] > told.asked[1] >= passes
    assert told.asked[1] - volume > (told.asked[0] - volume) / 4
    assert before[:2] == [1, 2]


def test_where_beam_search_finds_placements_the_lp_gives_the_bound_and_nothing_is_rounded() -> None:
    scaled = random_instance("real", gpus=24, models=96, seed=0).scaled
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    passes = Fraction(scaled.at_most(volume * (1 + Fraction(2, 10**5))).value)
    told = Told(scaled, passes, start=volume * (1 + Fraction(6, 10**5)), roundable=False)
    told.relax_rounded_down = told.relax_in_loads
    close(told)
    assert not told.rounded
    # All that is refuted is the bound, as closely as matters beside the gap.
    assert passes - told.low <= (told.high - told.low) / 16
    assert len(told.asked) < 12
    # A placement below what passed may be the optimum.
    told.high = passes
    close(told)
    assert told.done


class Hand:
    """The tools of one of several threads, with the same answers; `slow` ones round slowly."""

    def __init__(self, told: Told, *, slow: bool = False) -> None:
        self._told, self._slow = told, slow
        self.rounding = threading.Event()
        self.lp = SimpleNamespace(shortfall=math.nan, pool=SimpleNamespace(size=1))
        self.asked: list[Fraction] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._told, name)

    def relax_in_loads(self, threshold: Threshold, until: Callable[[], bool]) -> Relaxed:
        """As told."""
        self.asked.append(Fraction(threshold.value))
        return self._told.relax_in_loads(threshold, lambda: False)

    def round_passed(self, passed: Passed, number: int) -> bool:
        """As told, in the time of a few questions."""
        self.rounding.set()
        before = len(self._told.asked)
        end = time.monotonic() + 5
        while self._slow and len(self._told.asked) < before + 3 and time.monotonic() < end:
            time.sleep(0.001)
        return self._told.round_passed(passed, number)


def close_together(
    told: Told, first: Hand, second: Hand, *, after: threading.Event | None = None
) -> None:
    """Close the bracket by two threads, of which the second joins `after` an event."""
    shared = Narrowing(cast(Any, first))

    def assist() -> None:
        assert after is None or after.wait(10)
        while not told.done:
            shared.join(cast(Any, second))

    thread = threading.Thread(target=assist)
    thread.start()
    shared.close(0)
    thread.join()
    assert told.done


def test_one_thread_asks_while_another_rounds(scaled: ScaledInstance) -> None:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    passes = Fraction(scaled.at_most(volume * (1 + Fraction(2, 10**5))).value)
    told = Told(scaled, passes, start=volume * Fraction(1002, 1000))
    first, second = Hand(told, slow=True), Hand(told)
    close_together(told, first, second, after=first.rounding)
    assert told.low == told.high
    assert first.asked
    assert len(second.asked) >= 3
    # What one has asked, the other need not ask.
    assert len(set(told.asked)) == len(told.asked) == len(first.asked) + len(second.asked)


def test_what_may_end_the_run_is_rounded_by_one_thread_alone(scaled: ScaledInstance) -> None:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    passes = Fraction(scaled.at_most(volume * (1 + Fraction(2, 10**5))).value)
    told = Told(scaled, passes, start=volume * Fraction(1002, 1000))
    others: list[int] = []

    class Patient(Hand):
        """Where all below is refuted, a rounding takes a while."""

        def round_passed(self, passed: Passed, number: int) -> bool:
            if passed.threshold.value <= told.low:
                before = len(told.asked), len(told.rounded)
                time.sleep(0.3)
                others.extend(np.subtract((len(told.asked), len(told.rounded)), before).tolist())
            return self._told.round_passed(passed, number)

    close_together(told, Patient(told), Patient(told))
    assert others == [0, 0]


def test_with_nothing_left_to_ask_a_thread_rounds_what_waits(scaled: ScaledInstance) -> None:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    low = scaled.at_most(volume * (1 + Fraction(2, 10**5)))
    passes = Fraction(scaled.next_value(low))
    told = Told(scaled, passes, start=volume * Fraction(10_001, 10_000))
    told.low = Fraction(low.value)
    waited: list[bool] = []

    class Slow(Hand):
        """The question that is refuted takes as long as there is anything else to do."""

        def relax_in_loads(self, threshold: Threshold, until: Callable[[], bool]) -> Relaxed:
            end = time.monotonic() + 5
            while threshold.value < passes <= told.high and time.monotonic() < end:
                if told.high == passes:
                    waited.append(True)
                    break
                time.sleep(0.001)
            return super().relax_in_loads(threshold, until)

    close_together(told, Slow(told), Slow(told))
    assert waited


def test_where_a_rounding_failed_it_is_tried_again_without_a_question(
    scaled: ScaledInstance,
) -> None:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    passes = Fraction(scaled.at_most(volume * (1 + Fraction(2, 10**5))).value)
    told = Told(scaled, passes, start=Fraction(scaled.next_value(scaled.at_most(passes))))
    numbers: list[int] = []

    class Unlucky(Hand):
        """The third rounding succeeds."""

        def round_passed(self, passed: Passed, number: int) -> bool:
            numbers.append(number)
            return len(numbers) == 3 and self._told.round_passed(passed, number)

    unlucky = Unlucky(told)
    Narrowing(cast(Any, unlucky)).close(0)
    assert told.done
    assert numbers == [0, 1, 2]
    assert unlucky.asked.count(passes) == 1


def test_what_another_thread_settles_is_moot(scaled: ScaledInstance) -> None:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    passes = Fraction(scaled.at_most(volume * (1 + Fraction(2, 10**5))).value)
    told = Told(scaled, passes, start=volume * Fraction(1002, 1000))
    seen: list[bool] = []

    class Overtaken(Hand):
        def relax_in_loads(self, threshold: Threshold, until: Callable[[], bool]) -> Relaxed:
            if seen:
                return super().relax_in_loads(threshold, until)
            seen.append(until())
            told.high = Fraction(threshold.value)
            seen.append(until())
            return Undecided(np.zeros(0))

    Narrowing(cast(Any, Overtaken(told))).close(0)
    assert seen == [False, True]
    # It is not taken for too close to call.
    assert told.done
