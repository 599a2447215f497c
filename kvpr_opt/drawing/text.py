"""A placement as text: who sits where, at any width of the window.

Names are never cut: a narrow window costs the bars first, then the table becomes a
list with a block per GPU.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells
from rich.text import Text

from kvpr_opt.drawing.rows import Row, amount, share_of
from kvpr_opt.text import printable

# Cells between two columns; that the models of a block are indented; that values of
# entries start after.
_GAP, _INDENT, _VALUES = "  ", "  ", 14

# Cells of a bar; and of the models beside bars, which long lists wrap in.
_MIN_BAR, _MAX_BAR, _MODELS_BESIDE_BARS = 6, 20, 36

# Lines for the models of one GPU: many where there are few GPUs, else a glimpse.
_FEW_GPUS, _MANY_LINES, _FEW_LINES = 8, 12, 3

_HEADER = ("GPU", "memory", "KVPR", "models")


class _Cells(NamedTuple):
    """What is written about one GPU."""

    name: str
    memory: str
    kvpr: str
    models: list[str]
    used: float
    pressed: float


def placement_text(
    rows: Sequence[Row], width: int | None = None, *, all_models: bool = False
) -> Text:
    """The GPUs with what they hold: a table or, where that is too wide, a list.

    Parameters
    ----------
    rows
        One a GPU, in order.
    width
        Cells in a line; ``None`` for a table without limit, one line a GPU.
    all_models
        Whether to name all models of a GPU that has many.

    Returns
    -------
    rich.text.Text
        Its ``plain`` is the text without colours. No line break at the end.
    """
    highest = max((row.kvpr for row in rows), default=0)
    cells = [_cells_of(row, highest) for row in rows]
    lines = None
    if not all_models:
        lines = _MANY_LINES if len(rows) <= _FEW_GPUS else _FEW_LINES
    columns = _columns(cells, width)
    drawn = _blocks(cells, width or 1, lines) if columns is None else _table(cells, columns, lines)
    return Text("\n").join(drawn)


def entry(name: str, value: str, width: int | None = None) -> str:
    """A name and its value, which continues below its start where the line ends."""
    start = f"{name:<{_VALUES}}"
    if width is None:
        return start + value
    return textwrap.fill(
        value,
        max(width, 2 * _VALUES),
        initial_indent=start,
        subsequent_indent=" " * _VALUES,
        break_on_hyphens=False,
    )


def _cells_of(row: Row, highest: object) -> _Cells:
    return _Cells(
        name=printable(row.name),
        memory=f"{amount(row.used)}/{amount(row.memory)}",
        kvpr=f"{float(row.kvpr):.4g}",
        models=[printable(name) for name in row.models],
        used=float(row.used / row.memory) if row.memory else 0.0,
        pressed=share_of(row.kvpr, highest),  # type: ignore[arg-type]
    )


class _Columns(NamedTuple):
    """Cells of each column; no bars at 0, models without limit at ``None``."""

    name: int
    memory: int
    kvpr: int
    bar: int
    models: int | None


def _columns(cells: Sequence[_Cells], width: int | None) -> _Columns | None:
    """The columns of the table, or ``None`` where names do not fit beside each other."""
    name, memory, kvpr = (
        max([len(header), *(cell_len(texts[index]) for texts in cells)])  # type: ignore[arg-type]
        for index, header in enumerate(_HEADER[:3])
    )
    if width is None:
        return _Columns(name, memory, kvpr, 0, None)
    names = [model for texts in cells for model in texts.models]
    longest = max([len(_HEADER[3]), *(cell_len(model) + 1 for model in names)])
    listed = max([len(_HEADER[3]), *(cell_len(", ".join(texts.models)) for texts in cells)])
    room = width - name - memory - kvpr - 3 * len(_GAP)
    if room < longest:
        return None
    models = max(longest, min(listed, _MODELS_BESIDE_BARS))
    bar = min(_MAX_BAR, (room - models) // 2 - len(_GAP))
    bar = bar if bar >= _MIN_BAR else 0
    return _Columns(name, memory, kvpr, bar, room - 2 * (bar + len(_GAP)) * (bar > 0))


def _table(cells: Sequence[_Cells], columns: _Columns, lines: int | None) -> Iterable[Text]:
    bars = columns.bar > 0
    yield _line(
        [
            Text(_left("GPU", columns.name)),
            *([Text(" " * columns.bar)] if bars else []),
            Text(f"{'memory':>{columns.memory}}"),
            Text(f"{'KVPR':>{columns.kvpr}}"),
            *([Text(" " * columns.bar)] if bars else []),
            Text("models"),
        ],
        style="bold",
    )
    for texts in cells:
        style = _style(texts)
        first, *rest = _listed(texts.models, columns.models, lines)
        yield _line(
            [
                Text(_left(texts.name, columns.name)),
                *([_bar(texts.used, columns.bar, "blue")] if bars else []),
                Text(f"{texts.memory:>{columns.memory}}"),
                Text(f"{texts.kvpr:>{columns.kvpr}}", style=style),
                *([_bar(texts.pressed, columns.bar, style)] if bars else []),
                Text(first),
            ]
        )
        before = columns.name + columns.memory + columns.kvpr + 3 * len(_GAP)
        before += 2 * (columns.bar + len(_GAP)) * bars
        yield from (Text(" " * before + line) for line in rest)


def _blocks(cells: Sequence[_Cells], width: int, lines: int | None) -> Iterable[Text]:
    inner = max(8, width - len(_INDENT))
    for texts in cells:
        yield from (Text(part, style="bold") for part in chop_cells(texts.name, max(8, width)))
        used, pressed = Text(f"{_INDENT}{texts.memory} used"), Text("KVPR ")
        pressed.append(texts.kvpr, style=_style(texts))
        if used.cell_len + 2 + pressed.cell_len <= width:
            yield used.append(", ").append_text(pressed)
        else:
            yield used
            yield Text(_INDENT).append_text(pressed)
        yield from (Text(_INDENT + line) for line in _listed(texts.models, inner, lines))


def _line(parts: Sequence[Text], style: str = "") -> Text:
    line = Text(_GAP).join(parts)
    line.rstrip()
    if style:
        line.stylize(style)
    return line


def _left(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _style(texts: _Cells) -> str:
    return "bold red" if texts.pressed == 1 else "cyan"


def _listed(models: Sequence[str], width: int | None, most: int | None) -> list[str]:
    """The names of models on lines of so many cells; too many lines end in "and n more"."""
    if not models:
        return ["-"]
    if width is None:
        return [", ".join(models)]
    lines, starts = [""], [0]  # and the models that begin before the end of each line
    for index, name in enumerate(models):
        word = name + ("," if index + 1 < len(models) else "")
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(word) > width:
            lines.append("")
            starts.append(index)
        *full, last = chop_cells(word, width)
        if full:
            lines[-1:] = full
            starts += [index] * (len(full) - 1)
            lines.append("")
            starts.append(index)
        lines[-1] += f" {last}" if lines[-1] else last
    if most is None or len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"and {len(models) - starts[most - 1]} more"]


def _bar(share: float, width: int, style: str) -> Text:
    """A bar of whole and eighth blocks; anything above nothing shows at least an eighth."""
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    full, part = divmod(eighths, 8)
    blocks = "█" * full + ("▏▎▍▌▋▊▉"[part - 1] if part else "")
    bar = Text(blocks, style=style)
    bar.append("·" * (width - len(blocks)), style="dim")
    return bar
