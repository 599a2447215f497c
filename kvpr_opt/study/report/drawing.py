"""The look of the figures: one panel each, its methods named below it.

Line styles and markers distinguish methods without colour. The layout follows from the
number of names alone; an automatic layout would depend on the fonts of the machine.

This module imports matplotlib, which is an optional dependency; it draws through
figure objects of its own and leaves ``pyplot`` and the settings of the process alone.
"""

from __future__ import annotations

import math
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kvpr_opt.drawing.palette import GRID, SERIES

_DASHES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p")

#: More points than these add bytes to a line, but nothing visible.
MAX_POINTS = 250

# Inches.
_WIDTH, _LEFT, _RIGHT, _TOP, _BELOW = 4.2, 0.96, 0.26, 0.12, 0.46
_MARGIN = 0.04
_PANEL = 2.3
_LINE = 0.16

# Characters in a line of a name, so that it stays inside in any common font; and in all.
_WRAP, _LONGEST = 44, 140
_HALF = 18

# Any: only some versions of matplotlib have a type for the names of settings.
_SETTINGS: Any = {
    "axes.grid": True,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    # Text stays text: it can be searched, read aloud and set in another font.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    # Without it, ids are random and no two files are identical.
    "svg.hashsalt": "kvpr-opt",
}


@dataclass(frozen=True)
class Drawing:
    """A finished figure.

    Attributes
    ----------
    name
        Of its files, without a suffix.
    title, caption
        What it shows, in a few words and in full.
    svg
        A whole SVG file.
    pdf
        A whole PDF file.
    """

    name: str
    title: str
    caption: str
    svg: str
    pdf: bytes

    @property
    def inline(self) -> str:
        """The SVG element alone; its ids are unique on a page with several figures."""
        text = re.sub(r"\s*<metadata>.*?</metadata>", "", self.svg, flags=re.DOTALL)
        named = f'<svg role="img" aria-label="{escape(self.title)}" '
        text = named + text[text.index("<svg ") + len("<svg ") :]
        return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{self.name}-", text)


@contextmanager
def settings() -> Iterator[None]:
    """The settings of matplotlib that a :class:`Chart` is drawn and saved with, for a while."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


class Chart:
    """One panel with a line, or several, for each method; inside :func:`settings`.

    Parameters
    ----------
    legend
        The legend text of each method drawn, by the method's position in the study, which
        also determines its look: it is the same in all figures.
    x_label, y_label
        What the axes show, with units.
    height
        Of the panel, in inches.
    """

    def __init__(
        self,
        legend: Mapping[int, str],
        x_label: str,
        y_label: str,
        *,
        height: float = _PANEL,
    ) -> None:
        self._legend = {place: _folded(text) for place, text in legend.items()}
        below = _BELOW + _LINE * self._legend_lines + 0.1
        total = _TOP + height + below
        self.figure = Figure(figsize=(_WIDTH, total))
        self.axes: Axes = self.figure.add_axes(
            (_LEFT / _WIDTH, below / total, 1 - (_LEFT + _RIGHT) / _WIDTH, height / total)
        )
        self.axes.set_xlabel(x_label)
        self.axes.set_ylabel(y_label)
        # At the edge, however long the tick labels are.
        inside = _WIDTH - _LEFT - _RIGHT
        self.axes.yaxis.set_label_coords((_MARGIN - _LEFT) / inside, 0.5)
        self.axes.yaxis.label.set_verticalalignment("top")
        self.axes.set_axisbelow(True)

    @property
    def _two_columns(self) -> bool:
        return len(self._legend) > 1 and max(map(len, self._legend.values())) <= _HALF

    @property
    def _legend_lines(self) -> int:
        if self._two_columns:
            return math.ceil(len(self._legend) / 2)
        return sum(text.count("\n") + 1 for text in self._legend.values())

    def line(self, place: int, x: Sequence[float], y: Sequence[float], *, steps: bool) -> None:
        """Draw a line of the method at `place`; with `steps`, each value lasts to the next."""
        x, y = thinned(x, y)
        style = _style(place)
        # Markers at different points, in case lines coincide.
        every = max(1, len(x) // 6)
        style.set_markevery((place * max(1, every // 4) % max(1, len(x)), every))
        style.set_data(x, y)
        style.set_drawstyle("steps-post" if steps else "default")
        self.axes.add_line(style)

    def dot(self, place: int, x: float, y: float, low: float, high: float) -> None:
        """Draw a value of the method at `place` with its interval from `low` to `high`."""
        style = _style(place)
        style.set_data([low, high], [y, y])
        style.set_marker("|")
        style.set_linestyle("-")
        self.axes.add_line(style)
        marker = _style(place)
        marker.set_data([x], [y])
        self.axes.add_line(marker)

    def finished(self, name: str, title: str, caption: str) -> Drawing:
        """The figure with its legend, as files."""
        with warnings.catch_warnings():
            # A name in a script that this font lacks: pages show it in another.
            warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
            self._add_legend()
            svg, pdf = BytesIO(), BytesIO()
            self.figure.savefig(svg, format="svg", metadata={"Date": None})
            self.figure.savefig(pdf, format="pdf", metadata={"CreationDate": None})
        return Drawing(name, title, caption, svg.getvalue().decode("utf-8"), pdf.getvalue())

    def _add_legend(self) -> None:
        legend = self.figure.legend(
            [_style(place) for place in self._legend],
            # Set below: a name with a leading underscore would be left out here.
            ["name"] * len(self._legend),
            loc="lower left",
            bbox_to_anchor=(0.02, 0.0),
            ncols=2 if self._two_columns else 1,
            frameon=False,
            borderaxespad=0.0,
            handlelength=3.2,
            labelspacing=0.25,
        )
        for text, name in zip(legend.get_texts(), self._legend.values(), strict=True):
            text.set_parse_math(False)
            text.set_text(name)


def thinned(x: Sequence[float], y: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """At most :data:`MAX_POINTS` points of a line, its ends among them, evenly chosen."""
    last = len(x) - 1
    if last < MAX_POINTS:
        return x, y
    kept = [last * place // (MAX_POINTS - 1) for place in range(MAX_POINTS)]
    return [x[place] for place in kept], [y[place] for place in kept]


def _folded(name: str) -> str:
    """A name wrapped to lines that fit, and cut if it is too long."""
    if len(name) > _LONGEST:
        name = name[: _LONGEST - 1] + "…"
    return "\n".join(textwrap.wrap(name, _WRAP))


def _style(place: int) -> Line2D:
    """The look of the method at a position; 308 of them differ."""
    return Line2D(
        [],
        [],
        color=SERIES[place % len(SERIES)],
        linestyle=_DASHES[place % len(_DASHES)],
        marker=_MARKERS[place % len(_MARKERS)],
    )
