"""The screen: where it is, and how numbers are written on it."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

from rich.console import Console


def screen(*, to_stderr: bool = False, quiet: bool = False) -> Console:
    """A console on stdout, or on stderr where stdout carries data or is a pipe."""
    # None where the program was started without one, as by `>&-`.
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return Console(stderr=to_stderr or not terminal, quiet=quiet, highlight=False)


def kvpr_text(value: Fraction | float | None) -> str:
    """A KVPR to six significant digits."""
    if value is None:
        return "unknown"
    if value == math.inf:
        return "inf"
    return f"{float(value):.6g}"


def exact_text(value: Fraction) -> str:
    """The exact value, where it is short enough to be worth reading."""
    if value.denominator == 1 or max(value.numerator, value.denominator) >= 10**12:
        return ""
    return f" = {value}"


def gap_text(gap: Fraction | None) -> str:
    """A relative gap as a percentage; only an exact 0 is written as 0."""
    if gap is None:
        return "unknown"
    if gap == 0:
        return "0 %"
    return f"{float(gap) * 100:.2g} %"


def amount(value: Fraction) -> str:
    """A quantity of memory or pressure, to four significant digits."""
    return f"{float(value):.4g}" if value < 10_000 else f"{float(value):.0f}"
