"""Fields of files that other programs wrote: the value, or one line that says what is wrong."""

from __future__ import annotations

from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import NumberText, Tree, shown
from kvpr_opt.problem.exact import to_fraction


def text(record: dict[str, Tree], key: str, place: str = "") -> str:
    """The text at a key, which has to be there."""
    where = _joined(place, key)
    if key not in record:
        raise InputError("missing", place=where)
    value = record[key]
    if isinstance(value, NumberText) or not isinstance(value, str) or not value.strip():
        raise InputError(f"{shown(value)} is not a text", place=where)
    return value


def amount(value: Tree, place: str) -> Fraction:
    """A number of at least 0; no NaN, no infinity."""
    if not isinstance(value, str):
        raise InputError(f"{shown(value)} is not a number", place=place)
    try:
        number = to_fraction(value.strip())
    except InputError:
        raise InputError(f"{shown(value)} is not a finite number", place=place) from None
    if number < 0:
        raise InputError(f"{shown(value)} is below 0", place=place)
    return number


def whole(value: Tree, place: str, *, least: int = 0) -> int:
    """A whole number of at least `least`."""
    number = amount(value, place)
    if number.denominator != 1 or number < least:
        raise InputError(f"{shown(value)} is not a whole number of at least {least}", place=place)
    return int(number)


def _joined(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
