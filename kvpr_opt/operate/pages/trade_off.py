"""The trade-off of KVPR and the cost of moving: a chart, and the same as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from kvpr_opt.drawing.chart import chart_text, grid_line, line_legend
from kvpr_opt.drawing.rows import amount, kvpr_text
from kvpr_opt.html import Html, element
from kvpr_opt.operate.replan import Replan, ReplanRow

_WIDTH, _HEIGHT = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 24.0, 34.0, 46.0
_DOT, _RING = 4.5, 9.0

# Numbers below the chart: of more rows, not all are labelled.
_MAX_LABELS = 11

#: What budgets are counted in, in words.
COUNTED_IN = {"moves": "moves", "memory": "memory moved", "move_cost": "cost of moving"}


def drawn_trade_off(made: Replan, chosen: ReplanRow | None) -> Html | None:
    """The chart; ``None`` where no row has a placement."""
    rows = [row for row in made.rows if row.max_kvpr is not None]
    if not rows:
        return None
    chart = _Chart(made, rows)
    shapes = [*chart.grid(), *chart.fleet_bound(), *chart.line()]
    for row in rows:
        shapes += chart.dot(row)
    shapes += chart.marks(_marks(made, chosen))
    attributes = {
        "viewBox": f"0 0 {_WIDTH} {_HEIGHT}",
        "role": "img",
        "aria-label": f"highest KVPR by {COUNTED_IN[made.cost]}",
    }
    legend = [("placement", "lowest KVPR known within so much moved; a full dot is proved")]
    if any(row.gap for row in rows):
        legend.append(("whisker", "gap: down to what is proved"))
    legend.append(("lower", "no placement at all is below"))
    svg = element("svg", *shapes, class_="chart", **attributes)
    return element("figure", svg, line_legend(legend))


def trade_off_table(made: Replan, chosen: ReplanRow | None) -> Html:
    """One line a row."""
    marks: dict[int, list[str]] = {}
    for row, name in _marks(made, chosen):
        marks.setdefault(id(row), []).append(name)
    heads = (
        (f"{COUNTED_IN[made.cost]}, at most", "number"),
        ("costs", "number spare"),
        ("highest KVPR", "number"),
        ("none is below", "number spare"),
        ("how sure", ""),
        ("", ""),
    )
    head = element("tr", *(element("th", name, class_=kind) for name, kind in heads))
    lines = []
    for row in made.rows:
        cells = (
            (amount(row.budget), "number"),
            ("" if row.cost is None else amount(row.cost), "number spare"),
            ("none" if row.max_kvpr is None else kvpr_text(row.max_kvpr), "number"),
            (kvpr_text(row.lower_bound), "number spare"),
            (row.certainty, "good" if row.proved and row.certified else "warn"),
            (", ".join(marks.get(id(row), ())), ""),
        )
        line = [element("td", text, class_=style) for text, style in cells]
        lines.append(element("tr", *line, class_="chosen" if row is chosen else ""))
    return element("table", element("thead", head), element("tbody", *lines))


def _marks(made: Replan, chosen: ReplanRow | None) -> list[tuple[ReplanRow, str]]:
    named = ((made.elbow, "elbow"), (chosen, "chosen"))
    return [(row, name) for row, name in named if row is not None]


class _Chart:
    """The axes: budgets and KVPR, both evenly."""

    def __init__(self, made: Replan, rows: Sequence[ReplanRow]) -> None:
        self._made, self._rows = made, rows
        values = [float(row.max_kvpr) for row in rows if row.max_kvpr is not None]
        bounds = [float(row.lower_bound) for row in rows if row.lower_bound != math.inf]
        self._bound = made.optimum.lower_bound
        if isinstance(self._bound, Fraction):
            bounds.append(float(self._bound))
        self._low, self._high = min(values + bounds), max(values)
        self._margin = (self._high - self._low) * 0.08 or abs(self._high) * 0.05 or 1.0
        self._last = max((float(row.budget) for row in made.rows), default=0.0) or 1.0

    def _x(self, budget: Fraction) -> float:
        return _LEFT + float(budget) / self._last * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, value: Fraction | float) -> float:
        low, high = self._low - self._margin, self._high + self._margin
        return _HEIGHT - _BOTTOM - (float(value) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def grid(self) -> Iterator[Html]:
        """The highest and the lowest value, and the budgets below."""
        # The line falls, so that there is room on the right at the top, and below on the left.
        ends = {self._low: (_LEFT, "start"), self._high: (_WIDTH - _RIGHT, "end")}
        for value, (x, anchor) in ends.items():
            y = self._y(value)
            yield grid_line(_LEFT, y, _WIDTH - _RIGHT, y)
            yield chart_text(x, y - 6, kvpr_text(value), anchor)
        rows = self._made.rows
        step = -(-len(rows) // _MAX_LABELS)
        for number, row in enumerate(rows):
            x = self._x(row.budget)
            yield grid_line(x, _HEIGHT - _BOTTOM, x, _HEIGHT - _BOTTOM + 4)
            if number % step == 0:
                yield chart_text(x, _HEIGHT - _BOTTOM + 20, amount(row.budget), "middle")
        said = COUNTED_IN[self._made.cost]
        yield chart_text(_WIDTH / 2, _HEIGHT - 6, f"{said}, at most", "middle")

    def fleet_bound(self) -> Iterator[Html]:
        """What no placement is below, whatever moves."""
        if isinstance(self._bound, Fraction):
            y = self._y(self._bound)
            yield element("path", class_="lower", d=f"M{_LEFT:g} {y:.1f}H{_WIDTH - _RIGHT:g}")

    def line(self) -> Iterator[Html]:
        """Each value lasts until the next budget."""
        first, *rest = self._rows
        assert first.max_kvpr is not None
        moves = [f"M{self._x(first.budget):.1f} {self._y(first.max_kvpr):.1f}"]
        for row in rest:
            assert row.max_kvpr is not None
            moves.append(f"H{self._x(row.budget):.1f}V{self._y(row.max_kvpr):.1f}")
        yield element("path", class_="placement", d="".join(moves))

    def dot(self, row: ReplanRow) -> Iterator[Html]:
        """The value of a row, and down to its bound where the two differ."""
        assert row.max_kvpr is not None
        x, y = self._x(row.budget), self._y(row.max_kvpr)
        if not row.proved:
            yield grid_line(x, y, x, self._y(row.lower_bound), "whisker")
        title = element(
            "title", f"{amount(row.budget)}: {kvpr_text(row.max_kvpr)}, {row.certainty}"
        )
        yield _circle(x, y, _DOT, "proved" if row.proved else "open", title)

    def marks(self, marks: Sequence[tuple[ReplanRow, str]]) -> Iterator[Html]:
        """A ring around each row that has a name, and the name above it."""
        names: dict[int, tuple[ReplanRow, list[str]]] = {}
        for row, name in marks:
            if row.max_kvpr is not None:
                names.setdefault(id(row), (row, []))[1].append(name)
        for row, found in names.values():
            assert row.max_kvpr is not None
            x, y = self._x(row.budget), self._y(row.max_kvpr)
            anchor, beside = ("start", _RING / 2) if x < _WIDTH * 3 / 4 else ("end", _RING)
            yield _circle(x, y, _RING, "ring")
            yield chart_text(x + beside, y - _RING - 3, ", ".join(found), anchor, "mark")


def _circle(x: float, y: float, radius: float, kind: str, *content: Html) -> Html:
    return element("circle", *content, class_=kind, cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{radius:g}")
