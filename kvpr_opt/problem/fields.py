"""Checks of single values, shared by GPUs, models and fleets."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.problem.exact import to_fraction
from kvpr_opt.problem.units import read_amount

# The default of most keys: there is one empty tuple.
_NONE: tuple[str, ...] = ()

_ZERO = Fraction(0)


def valid_name(name: object, what: str = "name") -> str:
    """A name, without white space around it: non-empty, valid Unicode.

    Raises
    ------
    InputError
        For anything else.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{what} {name!r} is not a non-empty text", place=what)
    if not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name):
        raise InputError(f"{what} {name!r} is not valid Unicode", place=what)
    return name.strip()


def names(value: object, what: str) -> tuple[str, ...]:
    """One name or several, each once, in their order; ``None`` is none.

    Raises
    ------
    InputError
        If one of them is not a valid name.
    """
    listed = listed_names(value, what)
    return tuple(dict.fromkeys(listed)) if len(listed) > 1 else listed


def listed_names(value: object, what: str) -> tuple[str, ...]:
    """One name or several in their order, the same one more than once included.

    Raises
    ------
    InputError
        If one of them is not a valid name.
    """
    if value is None or value is _NONE:
        return ()
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (valid_name(value, what),)
    return tuple(valid_name(name, what) for name in value)


def quantity(value: object, what: str, *, positive: bool = False) -> Fraction:
    """A number that is at least 0, or above 0.

    Raises
    ------
    InputError
        If it is not a number, or out of range.
    """
    try:
        number = to_fraction(value, what)
    except InputError as error:
        raise error.within(place=what) from None
    return in_range(number, value, what, positive=positive)


def amount(value: object, what: str, unit: str | None, *, positive: bool = False) -> Fraction:
    """An amount of memory in `unit`, of at least 0 or above 0.

    Raises
    ------
    InputError
        If it is not an amount, is out of range, or carries a unit where `unit` is not given.
    """
    if type(value) is int and value == 0 and not positive:
        return _ZERO  # at once: the default of two keys of each model
    try:
        read = read_amount(value, what)
        if read.unit is not None and unit is None:
            raise InputError(f"{what} {value!r} carries a unit; set the unit of the fleet, too")
    except InputError as error:
        raise error.within(place=what) from None
    return in_range(read.in_unit(unit), value, what, positive=positive)


def in_range(number: Fraction, value: object, what: str, *, positive: bool) -> Fraction:
    """The number, if it is at least 0, or above 0."""
    if number.numerator < 0 or (positive and number.numerator == 0):
        allowed = "above 0" if positive else "at least 0"
        raise InputError(f"{what} {value} is not {allowed}", place=what)
    return number


def whole(value: object, what: str, most: int) -> int:
    """A whole number from 1 to `most`, text included.

    Raises
    ------
    InputError
        For anything else.
    """
    if type(value) is int and 1 <= value <= most:
        return value
    try:
        number = to_fraction(value, what)
    except InputError as error:
        raise error.within(place=what) from None
    if number.denominator != 1 or not 1 <= number <= most:
        raise InputError(f"{what} {value} is not a whole number from 1 to {most}", place=what)
    return int(number)
