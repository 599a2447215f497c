"""Amounts of memory on the command line."""

from __future__ import annotations

import re
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.problem.exact import to_fraction

_UNITS = {
    "bytes": 1,
    "MB": 10**6,
    "GB": 10**9,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}


def bytes_of(text: str, place: str) -> int:
    """The bytes of an amount such as ``3.5``, which is GB, ``3.5GiB`` or ``2000 MiB``.

    Raises
    ------
    InputError
        If it is no such amount, or not a whole number of bytes.
    """
    match = re.fullmatch(r"\s*(\S+?)\s*([A-Za-z]*)\s*", text)
    unit = _UNITS.get(match[2] or "GB") if match else None
    try:
        number = to_fraction(match[1]) * unit if match and unit else Fraction(-1)
    except InputError:
        number = Fraction(-1)
    if number < 0:
        known = ", ".join(_UNITS)
        raise InputError(
            f"{text!r} is not an amount of memory, such as 3.5GB (known: {known})", place=place
        )
    return round(number)
