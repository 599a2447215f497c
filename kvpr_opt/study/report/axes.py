"""The axes of the figures: seconds, ratios, percentages that may be 0, and counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)


def time_axis(axes: Axes, times: Sequence[float]) -> tuple[float, float]:
    """Make the x axis one of seconds, in powers of ten around the given times; its ends."""
    low, high = _decades(times, least=1e-4)
    _set_decades(axes, low, high)
    return low, high


def ratio_axis(axes: Axes, ratios: Sequence[float]) -> float:
    """Make the x axis one of ratios from 1 on; its right end."""
    _, high = _decades(ratios, least=1.0)
    _set_decades(axes, 1.0, high)
    return high


def count_axis(axes: Axes, most: int) -> None:
    """Make the y axis one of whole numbers from 0 to a little above `most`."""
    axes.set_ylim(0, most * 1.04)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))


def share_axis(axes: Axes) -> None:
    """Make the y axis one of percentages from 0 to a little above 100."""
    axes.set_ylim(0, 104)


def _set_decades(axes: Axes, low: float, high: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    exponents = range(round(math.log10(low)), round(math.log10(high)) + 1)
    axes.xaxis.set_major_locator(FixedLocator([10.0**e for e in _at_most_six(exponents)]))
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.xaxis.set_minor_formatter(NullFormatter())


def percent_axis(
    axes: Axes, which: str, values: Sequence[float], *, below: bool = False
) -> tuple[float, float]:
    """Make an axis one of percentages that shows 0 and each power of ten beside it; its ends.

    Parameters
    ----------
    axes
        Of the panel.
    which
        ``x`` or ``y``.
    values
        Percentages that will be drawn, signs left out.
    below
        Whether the axis goes on below 0 as it does above.
    """
    # Where all is 0, any scale will do: that of a usual gap.
    low, high = _decades(values, least=1e-6) if any(values) else (0.01, 1.0)
    exponents = range(round(math.log10(low)), round(math.log10(high)) + 1)
    ticks = [10.0**e for e in _at_most_six(exponents, most=4 if below else 6)]
    signed = [*(-tick for tick in reversed(ticks) if below), 0.0, *ticks]
    set_scale, axis = (
        (axes.set_xscale, axes.xaxis) if which == "x" else (axes.set_yscale, axes.yaxis)
    )
    # Room for the 0 beside the first number, on however many powers of ten.
    set_scale("symlog", linthresh=low, linscale=max(0.6, 0.16 * len(exponents)))
    axis.set_major_locator(FixedLocator(signed))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_plain))
    ends = (-high if below else 0.0, high)
    (axes.set_xlim if which == "x" else axes.set_ylim)(*ends)
    return ends


def _decades(values: Sequence[float], least: float) -> tuple[float, float]:
    """The powers of ten around the positive values, at least a factor of 10 apart."""
    positive = [max(value, least) for value in values if 0 < value < math.inf] or [least]
    low = math.floor(math.log10(min(positive)) + 1e-9)
    high = max(math.ceil(math.log10(max(positive)) - 1e-9), low + 1)
    return 10.0**low, 10.0**high


def _at_most_six(exponents: range, most: int = 6) -> list[int]:
    """Evenly spread ones, the last among them."""
    step = math.ceil(len(exponents) / most)
    return list(exponents)[::-1][::step][::-1]


def _plain(value: float, _: object = None) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
