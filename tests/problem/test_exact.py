"""Numbers from outside, and fractions of bounded denominator."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvpr_opt.errors import InputError
from kvpr_opt.problem.exact import (
    MAX_DIGITS,
    decimal_text,
    farey_above,
    farey_below,
    farey_ceil,
    farey_floor,
    simplest_between,
    to_fraction,
    whole_number,
)

fractions = st.fractions(min_value=-20, max_value=20, max_denominator=40)


@pytest.mark.parametrize(
    ("given_as", "means"),
    [
        (3, Fraction(3)),
        ("16.1", Fraction(161, 10)),
        (0.1, Fraction(1, 10)),
        (Decimal("0.10"), Fraction(1, 10)),
        (np.float32(0.1), Fraction(1, 10)),
        (np.float64(0.1), Fraction(1, 10)),
        (np.int64(7), Fraction(7)),
        (" 7/3 ", Fraction(7, 3)),
        ("0.5/0.25", Fraction(2)),
        ("1e3", Fraction(1000)),
        ("-2.5E-1", Fraction(-1, 4)),
        (".5", Fraction(1, 2)),
        ("5.", Fraction(5)),
        ("0e9999", Fraction(0)),
    ],
)
def test_a_number_means_what_its_writer_wrote(given_as: object, means: Fraction) -> None:
    assert to_fraction(given_as) == means


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        ("1e400000000", f"at most {MAX_DIGITS} digits"),
        ("1e61", f"at most {MAX_DIGITS} digits"),
        ("9" * 61, f"at most {MAX_DIGITS} digits"),
        pytest.param(10**5000, f"at most {MAX_DIGITS} digits", id="5001 digits"),
        ("nan", "finite decimal number"),
        ("Infinity", "finite decimal number"),
        (float("nan"), "finite number"),
        (float("inf"), "finite number"),
        ("1/0", "denominator other than 0"),
        ("1/2/3", "finite decimal number"),
        ("", "finite decimal number"),
        (".", "finite decimal number"),
        ("0x10", "finite decimal number"),
        ("1_000", "finite decimal number"),
        ("\u0661", "finite decimal number"),
        (True, "a number"),
        (None, "a number"),
        ([1], "a number"),
    ],
)
def test_what_is_no_number_is_refused_with_what_is_allowed(refused: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        to_fraction(refused, "slo")


def test_the_error_names_the_quantity_and_the_value() -> None:
    with pytest.raises(InputError, match="slo 'fast' is not"):
        to_fraction("fast", "slo")


@given(st.fractions(max_denominator=10**12))
def test_the_text_of_a_number_reads_back_as_the_number(number: Fraction) -> None:
    assert to_fraction(decimal_text(number)) == number


@given(st.integers(-(10**20), 10**20), st.integers(0, 60))
def test_the_text_of_a_decimal_is_a_decimal(digits: int, places: int) -> None:
    number = Fraction(digits, 10**places)
    assert "/" not in decimal_text(number)
    assert to_fraction(decimal_text(number)) == number


@given(fractions, st.integers(1, 25))
def test_farey_neighbours_are_the_nearest_of_all_fractions(value: Fraction, largest: int) -> None:
    near = {
        Fraction(round(value * f) + shift, f)
        for f in range(1, largest + 1)
        for shift in (-2, -1, 0, 1, 2)
    }
    assert farey_below(value, largest) == max(x for x in near if x < value)
    assert farey_floor(value, largest) == max(x for x in near if x <= value)
    assert farey_ceil(value, largest) == min(x for x in near if x >= value)
    assert farey_above(value, largest) == min(x for x in near if x > value)


def test_farey_neighbours_take_a_few_steps_for_huge_numbers() -> None:
    value = Fraction(10**200 + 1, 3 * 10**199 + 7)
    below = farey_below(value, 10**90)
    assert below < value < farey_above(value, 10**90)
    assert below.denominator <= 10**90


@given(fractions, fractions)
def test_simplest_between_has_the_smallest_denominator(one: Fraction, other: Fraction) -> None:
    low, high = sorted((one, other))
    if low == high:
        return
    simplest = simplest_between(low, high)
    assert low <= simplest <= high
    for f in range(1, simplest.denominator):
        assert -(-low.numerator * f // low.denominator) > high * f


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_any_integer_is_a_whole_number(value: object) -> None:
    number = whole_number("gpus", value, 1, 3)
    assert (number, type(number)) == (3, int)


@pytest.mark.parametrize("value", [0, 4, 2.0, True, "2", None, Fraction(2)])
def test_what_is_no_whole_number_within_limits_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"^gpus: gpus .* is not a whole number from 1 to 3$"):
        whole_number("gpus", value, 1, 3)
