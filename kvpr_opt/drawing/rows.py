"""What is drawn of a placement: one row per GPU, and how its numbers are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

#: GPUs drawn where no more are asked for: of a larger fleet the most pressed ones.
MAX_GPUS = 24


class Row(Protocol):
    """One GPU under a placement; quantities in the units of the fleet."""

    @property
    def name(self) -> str:
        """The GPU."""

    @property
    def memory(self) -> Fraction:
        """Its usable memory."""

    @property
    def used(self) -> Fraction:
        """The part of it that its models occupy."""

    @property
    def kvpr(self) -> Fraction | float:
        """Its KVPR, ``math.inf`` for a full GPU under pressure."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of its models."""


def most_pressed(rows: Sequence[Row], most: int | None) -> Sequence[Row]:
    """The `most` rows of highest KVPR, in their order; all of them for ``None``."""
    if most is None or len(rows) <= most:
        return rows
    # Stable, so that of equal ones the first are kept.
    by_kvpr = sorted(range(len(rows)), key=lambda index: rows[index].kvpr, reverse=True)
    return [rows[index] for index in sorted(by_kvpr[:most])]


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 GPU, 2 GPUs."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def amount(value: Fraction) -> str:
    """A quantity of memory or pressure, to four significant digits."""
    return f"{float(value):.4g}" if value < 10_000 else f"{float(value):.0f}"


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


def share_of(value: Fraction | float, highest: Fraction | float) -> float:
    """The length of a bar, 0 to 1, beside a bar of length 1 for the highest value."""
    if value == math.inf:
        return 1.0
    if not highest or highest == math.inf:
        return 0.0
    return float(value / highest)
