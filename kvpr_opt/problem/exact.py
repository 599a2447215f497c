"""Exact numbers: reading them from outside, and the fractions that a placement can reach.

The second half is elementary number theory on fractions with a bounded
denominator (Farey sequences): a KVPR is an integer over a free memory, so the
values that a placement can take are such fractions, and "strictly below t"
becomes "at most the fraction just below t".
"""

from __future__ import annotations

import math
import numbers as abstract
import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from kvpr_opt.errors import InputError

#: Digits that a number from outside may have, exponent written out.
MAX_DIGITS = 60
_LARGEST = 10**MAX_DIGITS

# Texts whose values are remembered: the models of a fleet share sizes, rates and objectives.
_REMEMBERED = 4096

#: Digits of numerator and denominator of a KVPR, which combines many numbers of a fleet.
MAX_CLAIM_DIGITS = 20_000

_DECIMAL = re.compile(
    r"(?P<sign>[-+]?)(?P<whole>\d*)(?:\.(?P<part>\d*))?(?:[eE](?P<exponent>[-+]?\d+))?",
    re.ASCII,
)


def to_fraction(value: object, what: str = "number") -> Fraction:
    """The exact value of a number as written.

    Text and ``Decimal`` are read digit by digit; a ``float`` stands for its
    shortest decimal form, so ``0.1`` means 1/10 and not the nearest double;
    ``"7/3"`` is a fraction.

    Parameters
    ----------
    value
        An integer, a fraction, a float, a ``Decimal``, a numpy scalar or text.
    what
        The name of the quantity, for the error.

    Raises
    ------
    InputError
        If it is not a finite number, or has more than :data:`MAX_DIGITS` digits
        once its exponent is written out.
    """
    # First what is most common: the checks of abstract types below take microseconds each.
    if type(value) is Fraction:
        return _bounded(value, value, what)
    if isinstance(value, bool) or value is None:
        raise _refused(value, what, "a number")
    if isinstance(value, int):
        return _bounded(Fraction(value), value, what)
    if isinstance(value, str):
        return _from_text(value.strip(), what)
    if isinstance(value, abstract.Rational):
        return _bounded(Fraction(int(value.numerator), int(value.denominator)), value, what)
    if isinstance(value, abstract.Real) and not math.isfinite(value):
        raise _refused(value, what, "a finite number")
    if isinstance(value, (Decimal, abstract.Real)):
        return _from_text(str(value).strip(), what)
    raise _refused(value, what, "a number")


def whole_number(what: str, value: object, least: int, most: int) -> int:
    """The value of an argument that has to be a whole number within limits.

    Accepts any integer, including those of numpy, but no float, text or bool.

    Raises
    ------
    InputError
        With the argument, its value and what is allowed.
    """
    if isinstance(value, abstract.Integral) and not isinstance(value, bool):
        number = int(value)
        if least <= number <= most:
            return number
    raise InputError(f"{what} {value!r} is not a whole number from {least} to {most}", place=what)


@lru_cache(_REMEMBERED)
def _from_text(text: str, what: str) -> Fraction:
    numerator, slash, denominator = text.partition("/")
    if slash:
        below = _decimal(denominator.strip(), text, what)
        if below == 0:
            raise _refused(text, what, "a fraction with a denominator other than 0")
        return _bounded(_decimal(numerator.strip(), text, what) / below, text, what)
    return _bounded(_decimal(text, text, what), text, what)


def _decimal(text: str, whole_text: str, what: str) -> Fraction:
    match = _DECIMAL.fullmatch(text)
    if not match or not (match["whole"] or match["part"]):
        raise _refused(
            whole_text, what, "a finite decimal number such as 16.1, or a fraction '7/3'"
        )
    part = match["part"] or ""
    digits = (match["whole"] + part).lstrip("0")
    # The exponent is judged by its digits before it is used as a number: the
    # 12 bytes 1e400000000 must not ask for a number of 400 million digits.
    exponent = match["exponent"] or "0"
    if len(digits) > MAX_DIGITS or len(part) > 2 * MAX_DIGITS or len(exponent) > 4:
        raise _refused(whole_text, what, f"a number of at most {MAX_DIGITS} digits")
    places = int(exponent) - len(part)
    if digits and abs(places) > 2 * MAX_DIGITS:
        raise _refused(whole_text, what, f"a number of at most {MAX_DIGITS} digits, written out")
    return Fraction(int(f"{match['sign']}{digits or '0'}")) * Fraction(10) ** (
        places if digits else 0
    )


def _bounded(number: Fraction, value: object, what: str) -> Fraction:
    if abs(number.numerator) >= _LARGEST or number.denominator > _LARGEST:
        raise _refused(value, what, f"a number of at most {MAX_DIGITS} digits, written out")
    return number


def _refused(value: object, what: str, allowed: str) -> InputError:
    try:
        shown = str(value) if isinstance(value, abstract.Number) else repr(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        shown = "an integer of thousands of digits"
    if len(shown) > 60:
        shown = f"{shown[:40]}... ({len(shown)} characters)"
    return InputError(f"{what} {shown} is not {allowed}")


def fraction_text(number: Fraction) -> str:
    """The fraction as ``p/q``, or ``p``, of any length.

    Unlike ``str``, which refuses integers of more than 4300 digits: the common
    denominator of many measured rates can be longer.
    """
    parts = [number.numerator, *([number.denominator] if number.denominator != 1 else [])]
    return "/".join(f"{Decimal(part):f}" for part in parts)


def read_fraction(text: str, what: str) -> Fraction:
    """The number that :func:`fraction_text` wrote, of up to :data:`MAX_CLAIM_DIGITS` digits.

    Raises
    ------
    InputError
        If the text is longer, or no such number.
    """
    match = re.fullmatch(r"(-?\d+)(?:/([1-9]\d*))?", text, re.ASCII)
    if not match or max(len(part or "") for part in match.groups()) > MAX_CLAIM_DIGITS:
        raise _refused(text, what, f"a fraction p/q of at most {MAX_CLAIM_DIGITS} digits each")
    # Through Decimal, since int() reads no more than 4300 digits at once.
    return Fraction(int(Decimal(match[1])), int(Decimal(match[2] or "1")))


def decimal_text(number: Fraction) -> str:
    """The shortest exact text of a fraction: a decimal where it ends, else ``p/q``.

    Examples
    --------
    >>> decimal_text(Fraction(161, 10)), decimal_text(Fraction(7, 3))
    ('16.1', '7/3')
    """
    rest, twos, fives = number.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    places = max(twos, fives)
    if rest != 1 or places > MAX_DIGITS:
        return fraction_text(number)
    if places == 0:
        return str(number.numerator)
    digits = str(abs(number.numerator) * 10**places // number.denominator).rjust(places + 1, "0")
    return f"{'-' if number < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def farey_below(value: Fraction, largest: int) -> Fraction:
    """The largest fraction strictly below `value` with a denominator of at most `largest`.

    Parameters
    ----------
    value
        Any fraction.
    largest
        The largest denominator allowed, at least 1.

    Notes
    -----
    O(log) by the extended Euclidean algorithm: among the fractions a/f < p/q
    the smallest distance (p f - a q) / (f q) has the numerator 1 where some
    f <= `largest` solves p f = 1 (mod q), and the largest such f is best.
    Otherwise (q > `largest`) `value` is no such fraction itself, and the
    predecessor is the largest one not above it.
    """
    p, q = value.numerator, value.denominator
    if q > largest:
        return farey_floor(value, largest)
    f = pow(p, -1, q)
    f += (largest - f) // q * q
    return Fraction((p * f - 1) // q, f)


def farey_floor(value: Fraction, largest: int) -> Fraction:
    """The largest fraction at or below `value` with a denominator of at most `largest`."""
    if value.denominator <= largest:
        return value
    low, _ = _farey_neighbours(value, largest)
    return low


def farey_ceil(value: Fraction, largest: int) -> Fraction:
    """The smallest fraction at or above `value` with a denominator of at most `largest`."""
    return -farey_floor(-value, largest)


def farey_above(value: Fraction, largest: int) -> Fraction:
    """The smallest fraction strictly above `value` with a denominator of at most `largest`."""
    return -farey_below(-value, largest)


def _farey_neighbours(value: Fraction, largest: int) -> tuple[Fraction, Fraction]:
    """The two fractions of denominators <= `largest` on either side of a `value` between them.

    A walk down the Stern-Brocot tree, whole runs of equal turns at once.
    """
    low_n, low_d = math.floor(value), 1
    high_n, high_d = 1, 0
    p, q = value.numerator, value.denominator
    while low_d + high_d <= largest:
        # Largest k with (high + k * low) still above value, then the other way round.
        step = (high_n * q - p * high_d - 1) // (p * low_d - low_n * q)
        step = min(step, (largest - high_d) // low_d)
        high_n, high_d = high_n + step * low_n, high_d + step * low_d
        if low_d + high_d > largest:
            break
        step = (p * low_d - low_n * q - 1) // (high_n * q - p * high_d)
        if high_d:
            step = min(step, (largest - low_d) // high_d)
        low_n, low_d = low_n + step * high_n, low_d + step * high_d
    return Fraction(low_n, low_d), Fraction(high_n, max(high_d, 1))


def simplest_between(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of smallest denominator in the closed interval, ``low < high``.

    Examples
    --------
    >>> simplest_between(Fraction(31, 100), Fraction(34, 100))
    Fraction(1, 3)
    """
    whole = math.ceil(low)
    if whole <= high:
        return Fraction(whole)
    whole -= 1
    return whole + 1 / simplest_between(1 / (high - whole), 1 / (low - whole))


def exact_sum(numbers: Iterable[Fraction]) -> Fraction:
    """The sum of many fractions, reduced only once.

    Numbers of equal denominator are added first, the rest in pairs, pairs of pairs and so
    on: a common denominator of thousands of digits comes late. ``sum`` would reduce after
    every step, which takes seconds for a thousand random denominators.
    """
    by_denominator: Counter[int] = Counter()
    for number in numbers:
        by_denominator[number.denominator] += number.numerator
    parts = [(top, bottom) for bottom, top in by_denominator.items()]
    while len(parts) > 1:
        odd = parts[-1:] if len(parts) % 2 else []
        pairs = zip(parts[::2], parts[1::2], strict=False)
        parts = [(a * d + c * b, b * d) for (a, b), (c, d) in pairs] + odd
    return Fraction(*parts[0]) if parts else Fraction(0)


def relative_gap(incumbent: Fraction | None, bound: Fraction | float | None) -> Fraction | None:
    """``(incumbent - bound) / incumbent``, exactly; 0 where both are equal, also at 0.

    ``None`` if either is missing.
    """
    if incumbent is None or bound is None or isinstance(bound, float):
        return None
    return Fraction(0) if incumbent == bound else (incumbent - bound) / incumbent
