"""The answer of a run as text: who sits where, then what is known about it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.text import Text

from kvpr_opt.drawing.rows import Row, counted, most_pressed
from kvpr_opt.drawing.text import entry, placement_text


def answer_text(
    rows: Sequence[Row] | None,
    status: tuple[str, str],
    ending: str,
    facts: Sequence[tuple[str, str]],
    *,
    width: int | None = None,
    max_gpus: int | None = None,
    hint: str = "",
) -> Text:
    """The table of a placement, a headline and the facts below it.

    Parameters
    ----------
    rows
        The GPUs of the placement; ``None`` without one.
    status
        What is known, in a word, and its colour.
    ending
        How the run ended, in a few words.
    facts
        Names and values, for a line each.
    width
        Cells in a line; ``None`` for lines of any length.
    max_gpus
        GPUs shown, the most pressed ones; ``None`` for all of them, with all models.
    hint
        How to see the GPUs that are left out.
    """
    parts = []
    if rows is not None:
        shown = most_pressed(rows, max_gpus)
        parts.append(placement_text(shown, width, all_models=max_gpus is None))
        if len(shown) < len(rows):
            note = (
                f"The {len(shown)} most pressed of {counted(len(rows), 'GPU')}; the others "
                f"are no worse{hint and f'. {hint}'}."
            )
            parts.append(Text(note if width is None else textwrap.fill(note, max(width, 8))))
        parts.append(Text())
    headline = f"{status[0]}  {ending}"
    headline = headline if width is None else textwrap.fill(headline, max(width, 8))
    parts.append(Text(headline))
    parts[-1].stylize(status[1], 0, len(status[0]))
    parts += [Text(entry(name, value, width)) for name, value in facts]
    return Text("\n").join(parts)
