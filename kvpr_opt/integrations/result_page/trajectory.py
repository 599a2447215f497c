"""A chart of the best placement and the bound over the time of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kvpr_opt.drawing.chart import chart_text, grid_line, line_legend
from kvpr_opt.html import Html, element

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 12, 30, 40

#: The two lines: class, key of the values, and legend text.
_LINES = (("placement", "max_kvpr", "best placement"), ("lower", "lower_bound", "lower bound"))

#: Finest time resolution of the chart, in seconds.
_FIRST = 1e-4


def drawn_trajectory(events: Sequence[Mapping[str, Any]], seconds: float) -> Html | None:
    """The chart; ``None`` if there is nothing to draw.

    Parameters
    ----------
    events
        In order of time: ``seconds``, and ``max_kvpr`` and ``lower_bound`` where known.
    seconds
        Duration of the run.
    """
    values = [
        float(event[key])
        for event in events
        for _, key, _ in _LINES
        if event.get(key) is not None and math.isfinite(event[key])
    ]
    if not values:
        return None
    chart = _Chart(min(values), max(values), max(seconds, 10 * _FIRST))
    content: list[Html] = [*chart.grid()]
    for kind, key, _ in _LINES:
        points = [
            (float(event["seconds"]), float(event[key]))
            for event in events
            if event.get(key) is not None and math.isfinite(event[key])
        ]
        if points:
            content.append(element("path", class_=kind, d=chart.path(points)))
    attributes = {
        "viewBox": f"0 0 {_WIDTH} {_HEIGHT}",
        "role": "img",
        "aria-label": "KVPR of the best placement and of the bound, over time",
    }
    svg = element("svg", *content, class_="chart", **attributes)
    legend = line_legend((kind, said) for kind, _, said in _LINES)
    return element("figure", svg, legend)


class _Chart:
    """The axes: seconds on a logarithmic scale, KVPR on a linear one."""

    def __init__(self, low: float, high: float, seconds: float) -> None:
        self.values = dict.fromkeys((low, high))
        margin = (high - low) * 0.1 or abs(high) * 0.05 or 1.0
        self.low, self.high = low - margin, high + margin
        self.first, self.last = math.log10(_FIRST), math.log10(seconds)
        self.seconds = seconds

    def x(self, seconds: float) -> float:
        share = (math.log10(max(seconds, _FIRST)) - self.first) / (self.last - self.first)
        return _LEFT + min(1.0, share) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        """A step line: each value holds until the next, and the last to the end."""
        moves = [f"M{self.x(points[0][0]):.1f} {self.y(points[0][1]):.1f}"]
        moves += [f"H{self.x(time):.1f}V{self.y(value):.1f}" for time, value in points[1:]]
        return "".join([*moves, f"H{self.x(self.seconds):.1f}"])

    def grid(self) -> list[Html]:
        """Grid lines with labels: the lowest and highest value, and powers of ten of seconds."""
        shapes = []
        for value in self.values:
            y = self.y(value)
            shapes.append(grid_line(_LEFT, y, _WIDTH - _RIGHT, y))
            shapes.append(chart_text(_LEFT, y - 5, f"{value:.5g}", "start"))
        for power in range(math.ceil(self.first), math.floor(self.last) + 1):
            x = self.x(10.0**power)
            shapes.append(grid_line(x, self.y(self.high), x, self.y(self.low)))
            if power % 2 == 0:
                anchor = "end" if x > _WIDTH * 0.8 else "start"
                shapes.append(chart_text(x, _HEIGHT - 12, f"{10.0**power:g} s", anchor))
        return shapes
