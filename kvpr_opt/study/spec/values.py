"""Single values of a study file: checked, and refused with their place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.problem.exact import decimal_text, to_fraction


def check_keys(keys: Iterable[str], known: tuple[str, ...], place: str = "") -> None:
    """Refuse a key that is not one of the known ones.

    Raises
    ------
    InputError
        With the nearest known key.
    """
    for key in keys:
        if key not in known:
            raise InputError(
                f"unknown key{nearest(key, known)}; known: {', '.join(known)}",
                place=f"{place}.{key}" if place else key,
            )


def table(value: Any, place: str) -> Mapping[str, Any]:
    """Return the value if it is a table.

    Raises
    ------
    InputError
        If it is not.
    """
    if not isinstance(value, dict):
        raise refused(value, "a table", place)
    return value


def texts(value: Any, what: str, place: str) -> list[str]:
    """Return the value if it is a list of texts that is not empty.

    Raises
    ------
    InputError
        If it is not; `what` names the texts.
    """
    if not isinstance(value, list) or not value or not all(isinstance(t, str) for t in value):
        raise refused(value, f"a list of {what}, at least one", place)
    return value


def whole(value: Any, place: str, *, least: int) -> int:
    """Return the value if it is a whole number of at least `least`.

    Raises
    ------
    InputError
        If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
        allowed = f"a whole number of at least {least}"
        raise InputError("missing" if value is None else f"{value!r} is not {allowed}", place=place)
    return value


def exact_text(value: Any, name: str, place: str) -> str:
    """A number as exact text.

    Raises
    ------
    InputError
        If it is not a number.
    """
    try:
        return decimal_text(to_fraction(value, name))
    except InputError as error:
        raise error.within(place=f"{place}.{name}" if place else name) from None


def seconds(value: Any) -> float | None:
    """A time limit in seconds; ``None`` for the text ``none``.

    Raises
    ------
    InputError
        If it is neither.
    """
    if value == "none":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise refused(value, "a number of seconds above 0, or 'none'", "time_limit")
    return float(value)


def refused(value: object, allowed: str, place: str) -> InputError:
    """The error for a value that is not allowed."""
    return InputError(f"{value!r} is not {allowed}", place=place)
