"""Amounts of memory: plain numbers in the unit of a fleet, or numbers that carry a unit.

Converted exactly and never guessed: GB and GiB differ by 7 %, so a suffix that is not
written in full is refused.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.problem.exact import to_fraction

#: Bytes in each unit.
UNITS: dict[str, int] = {
    "GB": 10**9,
    "GiB": 2**30,
    "MB": 10**6,
    "MiB": 2**20,
    "bytes": 1,
}

_SUFFIXED = re.compile(
    r"\s*(?P<number>[-+]?[0-9./]+(?:[eE][-+]?[0-9]+)?)\s*(?P<unit>[A-Za-z]+)\s*", re.ASCII
)


class Amount(NamedTuple):
    """A number, and the unit it was written with, if any."""

    number: Fraction
    unit: str | None

    def in_unit(self, unit: str | None) -> Fraction:
        """The amount as a multiple of a unit, exactly; a plain number is one already."""
        if self.unit is None or unit is None:
            return self.number
        return self.number * Fraction(UNITS[self.unit], UNITS[unit])


def read_amount(value: object, what: str) -> Amount:
    """An amount of memory, exactly as written.

    Parameters
    ----------
    value
        A number as for :func:`kvpr_opt.problem.exact.to_fraction`, or text that ends
        with one of :data:`UNITS`, such as ``"81559MiB"``.
    what
        The name of the quantity, for the error.

    Raises
    ------
    InputError
        If it is not a number, or its suffix is not a unit.
    """
    match = _SUFFIXED.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return Amount(to_fraction(value, what), None)
    unit = match["unit"]
    if unit not in UNITS:
        shown = unit if len(unit) <= 20 else f"{unit[:20]}..."
        raise InputError(
            f"{what} {str(value)[:40]!r}: {shown!r} is not a unit{nearest(shown, UNITS)}; "
            f"allowed: a plain number, or one with {', '.join(UNITS)}"
        )
    return Amount(to_fraction(match["number"], what), unit)


def check_unit(unit: str | None) -> str | None:
    """Refuse an unknown unit.

    Raises
    ------
    InputError
        With the nearest unit, and all of them.
    """
    if unit is None or (isinstance(unit, str) and unit in UNITS):
        return unit
    hint = nearest(unit, UNITS) if isinstance(unit, str) and len(unit) <= 20 else ""
    raise InputError(
        f"unit {str(unit)[:40]!r} is not known{hint}; known: {', '.join(UNITS)}", place="unit"
    )
