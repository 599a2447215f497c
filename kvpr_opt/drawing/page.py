"""A placement as a piece of HTML, for notebooks and pages: safe whatever the names are."""

from __future__ import annotations

from collections.abc import Sequence

from kvpr_opt.drawing.palette import AXIS, BOUND, HIGHEST, VALUE, translucent
from kvpr_opt.drawing.rows import Row, amount, counted, kvpr_text, most_pressed, share_of
from kvpr_opt.html import Html, element, joined
from kvpr_opt.text import printable

# It has to read on light and on dark pages: the text has their colour, bars are translucent.
_CELL = "text-align: left; vertical-align: top; padding: 2px 8px"
_NUMBER = "text-align: right; vertical-align: top; padding: 2px 8px; white-space: nowrap"
_MODELS = f"{_CELL}; min-width: 14em"
_BACK = f"width: 6em; background: {translucent(AXIS, 0.2)}"
_USED, _PRESSED, _HIGHEST = translucent(VALUE, 0.7), translucent(BOUND, 0.7), HIGHEST


def answer_html(
    rows: Sequence[Row] | None,
    status: str,
    ending: str,
    facts: Sequence[tuple[str, str]],
    *,
    max_gpus: int | None = None,
) -> Html:
    """The answer of a run: what is known, then who sits where.

    Parameters
    ----------
    rows
        The GPUs of the placement; ``None`` without one.
    status, ending
        What is known, in a word, and how the run ended, in a few.
    facts
        Names and values.
    max_gpus
        GPUs shown, the most pressed ones; ``None`` for all of them.
    """
    known = [
        element(
            "tr", element("th", name, style=_CELL, scope="row"), element("td", value, style=_CELL)
        )
        for name, value in facts
    ]
    parts = [
        element("p", element("strong", status), f" {ending}"),
        element("table", *known),
    ]
    if rows is not None:
        parts.append(placement_html(rows, max_gpus=max_gpus))
    return element("div", *parts)


def placement_html(rows: Sequence[Row], *, max_gpus: int | None = None) -> Html:
    """A table of the GPUs: memory taken and KVPR as bars, and the models."""
    shown = most_pressed(rows, max_gpus)
    highest = max((row.kvpr for row in rows), default=0)
    head = element(
        "tr",
        *(
            element("th", name, style=style, scope="col")
            for name, style in (
                ("GPU", _CELL),
                ("memory", _NUMBER),
                ("", _CELL),
                ("KVPR", _NUMBER),
                ("", _CELL),
                ("models", _MODELS),
            )
        ),
    )
    body = []
    for row in shown:
        used = float(row.used / row.memory) if row.memory else 0.0
        pressed = _HIGHEST if row.kvpr == highest and highest else _PRESSED
        body.append(
            element(
                "tr",
                element("td", printable(row.name), style=_CELL),
                element("td", f"{amount(row.used)}/{amount(row.memory)}", style=_NUMBER),
                element("td", _bar(used, _USED), style=_CELL),
                element("td", kvpr_text(row.kvpr), style=_NUMBER),
                element("td", _bar(share_of(row.kvpr, highest), pressed), style=_CELL),
                element("td", printable(", ".join(row.models)) or "-", style=_MODELS),
            )
        )
    table = element("table", element("thead", head), element("tbody", *body))
    if len(shown) == len(rows):
        return table
    note = f"The {len(shown)} most pressed of {counted(len(rows), 'GPU')}; the others are no worse."
    return joined([table, element("p", note)])


def _bar(share: float, colour: str) -> Html:
    inner = element("div", style=f"height: 1em; width: {100 * share:.1f}%; background: {colour}")
    return element("div", inner, style=_BACK)
