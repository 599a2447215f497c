"""Pieces of the charts on pages: lines of a grid, text, and what the lines of a chart mean."""

from __future__ import annotations

from collections.abc import Iterable

from kvpr_opt.html import Html, element


def grid_line(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> Html:
    """A straight line, in the coordinates of the picture."""
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return element("line", class_=kind, **{key: f"{end:.1f}" for key, end in ends.items()})


def chart_text(x: float, y: float, text: str, anchor: str, kind: str = "") -> Html:
    """A text that starts or ends at a point, or has it in its middle."""
    return element("text", text, class_=kind, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def line_legend(lines: Iterable[tuple[str, str]]) -> Html:
    """A sample of each line, by its class, and what it means."""
    items = [
        element(
            "li",
            element(
                "svg",
                element("path", class_=f"sample {kind}", d="M0 5H10"),
                viewBox="0 0 10 10",
                aria_hidden="true",
            ),
            said,
        )
        for kind, said in lines
    ]
    return element("ul", *items, class_="legend")
