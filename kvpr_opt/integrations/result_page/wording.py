"""How the pages format numbers and names, and their footer."""

from __future__ import annotations

import math
from fractions import Fraction
from importlib.metadata import version

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.html import Html, element
from kvpr_opt.problem.exact import decimal_text
from kvpr_opt.problem.instance import Instance

# Exact values of more characters are shown rounded only.
_MAX_EXACT = 40


def number(value: Fraction | float | None) -> str:
    """A number to six digits, or a placeholder."""
    if value is None:
        return "unknown"
    return "infinite" if value == math.inf else f"{float(value):.6g}"


def exactly(value: object) -> str:
    """A number to six digits, followed by its exact value if that is short."""
    if not isinstance(value, Fraction):
        return number(value if isinstance(value, float) else None)
    exact = decimal_text(value)
    rounded = number(value)
    return rounded if exact == rounded or len(exact) > _MAX_EXACT else f"{rounded} = {exact}"


def foot(instance: Instance, note: str = "") -> Html:
    """The footer: which program wrote the page, and for which fleet."""
    return element(
        "footer",
        f"Written by kvpr-opt {version('kvpr-opt')}. Fleet: SHA-256 ",
        element("code", digest(instance)),
        f".{note and f' {note}'}",
    )
