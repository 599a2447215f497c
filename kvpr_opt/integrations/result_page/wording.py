"""How numbers and names are written on the pages, and their last line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from importlib.metadata import version

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.html import Html, element
from kvpr_opt.problem.exact import decimal_text
from kvpr_opt.problem.instance import Instance

#: Names in one cell; of more, so many and the number of the others.
MAX_NAMES = 12

# An exact value of more characters is given rounded only.
_MAX_EXACT = 40


def number(value: Fraction | float | None) -> str:
    """A number to six digits, or what stands for it."""
    if value is None:
        return "unknown"
    return "infinite" if value == math.inf else f"{float(value):.6g}"


def exactly(value: object) -> str:
    """A number to six digits and, where it is short, exactly."""
    if not isinstance(value, Fraction):
        return number(value if isinstance(value, float) else None)
    exact = decimal_text(value)
    rounded = number(value)
    return rounded if exact == rounded or len(exact) > _MAX_EXACT else f"{rounded} = {exact}"


def listed(names: Iterable[str]) -> str:
    """Names one after the other, not too many of them."""
    shown = list(names)
    more = len(shown) - MAX_NAMES
    return ", ".join(shown[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def foot(instance: Instance, note: str = "") -> Html:
    """The last line: what wrote the page, and which fleet it is about."""
    return element(
        "footer",
        f"Written by kvpr-opt {version('kvpr-opt')}. Fleet: SHA-256 ",
        element("code", digest(instance)),
        f".{note and f' {note}'}",
    )
