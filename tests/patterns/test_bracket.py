"""Where the next question is asked, from what is known of the LP at both ends."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from kvpr_opt.generate import random_instance
from kvpr_opt.patterns.bracket import Bracket
from kvpr_opt.problem.scaled import ScaledInstance
from kvpr_opt.search.bounds import volume_bound

FLEET = random_instance("precise", gpus=64, models=256, seed=0).scaled


def volume_of(scaled: ScaledInstance) -> Fraction:
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    return volume


VOLUME = volume_of(FLEET)
HIGH = VOLUME * Fraction(1002, 1000)
TOP = VOLUME * Fraction(1001, 1000)


def known(short_at_low: float, short_at_top: float) -> Bracket:
    """From the volume bound to a thousandth above."""
    bracket = Bracket(FLEET, VOLUME)
    bracket.passed(TOP, short_at_top)
    bracket.refuted(VOLUME, VOLUME, short_at_low)
    return bracket


def share(bracket: Bracket, others: list[Fraction] | None = None) -> Fraction:
    """Where the next question divides it."""
    middle = bracket.middle(HIGH, others or [])
    assert middle is not None
    return (Fraction(middle.value) - VOLUME) / (TOP - VOLUME)


@pytest.mark.parametrize(("crossing", "least"), [(0.1, 0.125), (0.4, 0.4), (0.8, 0.5)])
def test_the_next_question_is_asked_where_the_lp_is_expected_to_pass(
    crossing: float, least: float
) -> None:
    bracket = known(crossing, crossing - 1)
    assert least <= share(bracket) <= max(crossing + 0.35, 0.375)
    # After an answer that was no help, in the middle.
    bracket.look_back((TOP - VOLUME) * Fraction(10, 9), HIGH)
    assert Fraction(1, 4) <= share(bracket) <= Fraction(3, 4)


def free_share() -> float:
    return 1 - FLEET.total_size / FLEET.total_capacity


def test_one_end_tells_where_the_lp_is_expected_to_pass() -> None:
    # By the slack that a step gains, of the memory that is free: here three tenths of the way.
    gained = 0.3e-3 * free_share()
    from_above = Bracket(FLEET, VOLUME)
    from_above.passed(TOP, gained - 1e-3 * free_share())
    assert 0.3 <= share(from_above) <= 0.65
    from_below = Bracket(FLEET, VOLUME)
    from_below.refuted(VOLUME, VOLUME, gained)
    first = from_below.first(HIGH, [])
    assert first is not None
    assert 0.3e-3 <= first.value / VOLUME - 1 <= 0.4e-3
    second = from_below.first(HIGH, [Fraction(first.value)])
    assert second is not None
    assert VOLUME < second.value < first.value
    # Another thread that asks where a refutation is expected changes nothing.
    assert from_below.first(HIGH, [VOLUME * (1 + Fraction(1, 10**5))]) == first
    nothing = Bracket(FLEET, VOLUME)
    nothing.passed(TOP, math.nan)
    assert Fraction(1, 4) <= share(nothing) <= Fraction(3, 4)


def test_what_passes_with_little_to_spare_is_the_lowest_that_is_likely_to_pass() -> None:
    bracket = Bracket(FLEET, VOLUME)
    assert bracket.likely == VOLUME
    bracket.passed(TOP, -1e-6 * free_share())
    assert 0.99e-6 <= (TOP - bracket.likely) / VOLUME <= 1.01e-6
    assert known(0.3, -0.7).likely == VOLUME + (TOP - VOLUME) * Fraction(0.3)


def test_shares_are_those_of_the_threshold_refuted_whatever_bound_follows() -> None:
    bound = VOLUME + (TOP - VOLUME) / 4
    bracket = Bracket(FLEET, VOLUME)
    bracket.passed(TOP, -0.6)
    bracket.refuted(VOLUME, bound, 0.4)
    middle = bracket.middle(HIGH)
    assert middle is not None
    # Four tenths of the way from the volume bound, a little above that.
    assert Fraction(2, 5) <= (Fraction(middle.value) - VOLUME) / (TOP - VOLUME) <= Fraction(5, 9)
    bracket.refuted(VOLUME + (TOP - VOLUME) / 10, bound, 0.01)
    middle = bracket.middle(HIGH)
    assert middle is not None
    assert Fraction(middle.value) >= bound


def test_a_second_question_is_asked_in_the_other_part() -> None:
    above = VOLUME + (TOP - VOLUME) * Fraction(6, 10)
    assert share(known(0.2, -0.8), [above]) < Fraction(6, 10)
    below = VOLUME + (TOP - VOLUME) * Fraction(2, 10)
    assert share(known(0.6, -0.4), [below]) > Fraction(2, 10)


@pytest.mark.parametrize("crossing", [0.25, 0.35, 0.65, 0.75])
def test_where_another_thread_asks_already_the_larger_part_is_divided(crossing: float) -> None:
    bracket, tenths = known(crossing, crossing - 1), round(10 * crossing)
    other = VOLUME + (TOP - VOLUME) * Fraction(tenths, 10)
    assert (share(bracket, [other]) > Fraction(tenths, 10)) == (tenths < 5)
    below = bracket.below(HIGH, [other, TOP])
    assert below is not None
    assert VOLUME <= below.value < other
    assert bracket.below(HIGH, [TOP]) is None, "nothing is asked within"


def test_what_another_thread_asks_is_not_asked_again() -> None:
    # Between two values that KVPR can take, there is no other.
    scaled = random_instance("uniform", gpus=64, models=256, seed=0).scaled
    value = scaled.at_most(volume_of(scaled) * (1 + Fraction(3, 10**5)))
    low, top = Fraction(value.value), Fraction(scaled.next_value(value))
    bracket = Bracket(scaled, low)
    bracket.passed(top, math.nan)
    assert bracket.middle(2 * top) == value
    assert bracket.middle(2 * top, [low]) is None


def test_while_nothing_passes_questions_move_away_from_the_bound() -> None:
    bracket = Bracket(FLEET, VOLUME)
    first = bracket.first(HIGH, [])
    assert first is not None
    second = bracket.first(HIGH, [Fraction(first.value)])
    assert second is not None
    assert VOLUME < second.value < first.value, "the first one mostly passes"
    asked = Fraction(first.value)
    for _ in range(3):
        bracket.unclear(asked)
        assert not bracket.is_open(first)
        following = bracket.first(HIGH, [])
        assert following is not None
        assert following.value > asked
        asked = Fraction(following.value)


def test_a_narrow_bracket_is_divided_no_more() -> None:
    bracket = Bracket(FLEET, VOLUME)
    bracket.passed(VOLUME * (1 + Fraction(1, 10**7)), math.nan)
    assert bracket.middle(HIGH) is None
    assert bracket.ceiling(HIGH) == VOLUME * (1 + Fraction(1, 10**7))


def test_what_was_too_close_to_call_is_open_again_once_a_placement_is_below() -> None:
    bracket = Bracket(FLEET, VOLUME)
    bracket.unclear(TOP)
    bracket.placed(HIGH, VOLUME)
    assert bracket.low == TOP
    bracket.placed(VOLUME * Fraction(10005, 10000), VOLUME)
    assert bracket.low == VOLUME
    assert bracket.is_open(FLEET.at_most(VOLUME * Fraction(10004, 10000)))


def test_where_the_lp_passes_at_a_jump_the_next_question_is_below_the_incumbent() -> None:
    bracket = known(0.5, -0.5)
    third = VOLUME + (TOP - VOLUME) / 3
    bracket.refuted(third, third, 0.49)
    assert bracket.middle(TOP) is None
    assert bracket.middle(TOP, [TOP]) is not None, "another thread asks there"
    assert bracket.middle(HIGH) is not None, "nothing is placed where it passes"
    bracket.passed(TOP - (TOP - VOLUME) / 10, -0.5)
    assert bracket.middle(TOP) is not None, "it passes lower down"


def test_after_refutations_without_a_pass_the_next_question_is_below_the_incumbent() -> None:
    bracket = Bracket(FLEET, VOLUME)
    asked = []
    while (question := bracket.first(HIGH, [])) is not None:
        asked.append(Fraction(question.value))
        bracket.refuted(asked[-1], asked[-1], 1e-5)
    assert len(asked) <= 3
    assert asked == sorted(asked)
    assert bracket.first(HIGH, [HIGH]) is not None, "another thread asks there"
