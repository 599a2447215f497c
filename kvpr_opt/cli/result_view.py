"""A result on the screen: the verdict, then a bar picture of the GPUs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kvpr_opt.cli.console import amount, exact_text, gap_text, kvpr_text
from kvpr_opt.files.text import printable
from kvpr_opt.problem.placement import GPULoad, Kvpr
from kvpr_opt.result import Result, Status, StopReason

#: GPUs drawn; of a larger fleet the most pressed ones.
MAX_ROWS = 24

# Cells that names and values start after, and least widths of names and of models.
_INDENT = 14
_LEAST_NAME, _LEAST_MODELS = 12, 20

# Lines for the models of one GPU: all of them on a few GPUs, a glimpse on many.
_MODEL_LINES, _FEW_GPUS, _FEW_LINES = 12, 8, 3

_STYLE = {
    Status.OPTIMAL: "bold green",
    Status.FEASIBLE: "bold yellow",
    Status.INFEASIBLE: "bold red",
    Status.UNKNOWN: "bold red",
}


def show(console: Console, result: Result) -> None:
    """Write a result to the screen."""
    width = console.width
    if result.placement is not None:
        gpus = result.placement.gpus
        console.print(_picture(gpus, width))
        if len(gpus) > MAX_ROWS:
            note = f"The {MAX_ROWS} most pressed GPUs of {len(gpus)}; the others are no worse."
            console.print(Text(textwrap.fill(note, width)))
    console.print(_headline(result))
    for name, value in _facts(result):
        console.print(Text(entry(name, value, width)))


def _headline(result: Result) -> Text:
    instance = result.instance
    counts = f"{_counted(len(instance.models), 'model')} on {_counted(len(instance.gpus), 'GPU')}"
    line = Text(result.status.value.upper(), style=_STYLE[result.status])
    line.append(f"  {counts}, {result.seconds:.2f} s, {_ending(result)}", style="default")
    return line


def _ending(result: Result) -> str:
    if result.stop_reason is not StopReason.FINISHED:
        return str(result.stop_reason.value)
    if result.parameters.get("method") == "heuristic":
        return "heuristic alone, as asked for"
    return "the method can do no more"


def _facts(result: Result) -> list[tuple[str, str]]:
    facts = []
    if result.message:
        facts.append(("cause", printable(result.message)))
    if result.max_kvpr is not None:
        value = f"{kvpr_text(result.max_kvpr)}{exact_text(result.max_kvpr)}"
        facts.append(("highest KVPR", value))
    if result.status is Status.INFEASIBLE:
        facts.append(("evidence", _grade(result)))
    else:
        facts.append(("lower bound", f"{kvpr_text(result.lower_bound)} ({_grade(result)})"))
        facts.append(("gap", gap_text(result.gap)))
    return facts


def entry(name: str, value: str, width: int) -> str:
    """A name and its value, which goes on under itself where the line ends."""
    indent = " " * _INDENT
    return textwrap.fill(
        value,
        max(width, 2 * _INDENT),
        initial_indent=f"{name:<{_INDENT}}",
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _grade(result: Result) -> str:
    if result.lower_bound is None:
        return "nothing proved yet"
    if result.certified:
        return "certified: anyone can check the proof"
    return "on the word of the solver; no proof to check"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _picture(gpus: Sequence[GPULoad], width: int) -> Table:
    """One row a GPU: memory taken by weights, KVPR relative to the highest, its models."""
    chosen = sorted(gpus, key=lambda gpu: gpu.kvpr, reverse=True)[:MAX_ROWS]
    names = {gpu.name for gpu in chosen}
    rows = [gpu for gpu in gpus if gpu.name in names]
    highest = max((gpu.kvpr for gpu in gpus), default=0)
    memory = [f"{amount(gpu.used)}/{amount(gpu.memory)}" for gpu in rows]
    values = [f"{float(gpu.kvpr):.4g}" for gpu in rows]
    name_widths = [cell_len(printable(gpu.name)) for gpu in rows]
    bar, for_name, for_models = _layout(
        width, max(3, *name_widths), max(map(len, ["memory", *memory])), max(map(len, values))
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    table.add_column("GPU", no_wrap=True)
    if bar:
        table.add_column("weights", no_wrap=True, min_width=bar)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("KVPR", justify="right", no_wrap=True)
    if bar:
        table.add_column("", no_wrap=True, min_width=bar)
    if for_models:
        table.add_column("models", width=for_models)
    for gpu, used, value in zip(rows, memory, values, strict=True):
        share = float(gpu.used / gpu.memory) if gpu.memory else 0.0
        style = "bold red" if gpu.kvpr == highest and highest > 0 else "cyan"
        name = shortened(gpu.name, for_name)
        cells = [name, Text(used), Text(value, style=style)]
        if bar:
            cells.insert(1, _bar(share, bar, "blue"))
            cells.append(_bar(_relative(gpu.kvpr, highest), bar, style))
        if for_models:
            lines = _MODEL_LINES if len(rows) <= _FEW_GPUS else _FEW_LINES
            cells.append(_listed(gpu.models, for_models, lines))
        table.add_row(*cells)
    return table


def _layout(width: int, names: int, memory: int, values: int) -> tuple[int, int, int]:
    """Widths of the bars, of the names of GPUs and of the models; 0 for what has no room."""
    bar = max(4, min(20, (width - 34) // 4))
    for columns in (6, 5, 3):  # with bars and models, with bars, without both
        bars = max(bar, len("weights")) + bar if columns > 3 else 0
        gaps = 3 * columns - 1
        room = width - gaps - memory - max(values, len("KVPR")) - bars
        least = _LEAST_MODELS if columns == 6 else 0
        if room >= min(names, _LEAST_NAME) + least:
            break
    if columns == 6:
        name = min(names, max(_LEAST_NAME, room // 2))
        return bar, name, room - name
    return bar if columns > 3 else 0, max(3, min(names, room)), 0


def shortened(name: str, width: int) -> Text:
    """A name on one line of so many cells, with an ellipsis where it does not fit."""
    text = Text(printable(name))
    text.truncate(width, overflow="ellipsis")
    return text


def _listed(models: Sequence[str], width: int, lines: int) -> Text:
    """The names of models, as many as fit on the lines there are, and how many more there are."""
    listed = Text()
    line, column = 1, 0
    for index, name in enumerate(models):
        text = shortened(name, width - 1)
        left = len(models) - index
        size = text.cell_len + (left > 1)  # with its comma
        if column and column + 1 + size > width:
            line, column = line + 1, 0
        column += size + (column > 0)
        # The last line keeps room for what is said where the next name does not fit.
        kept = len(f" {left - 1} more") if line == lines and left > 1 else 0
        if index and (line > lines or column + kept > width):
            return listed.append(f", {left} more")
        listed.append(", " if index else "").append_text(text)
    return listed


def _relative(value: Kvpr, highest: Kvpr) -> float:
    if value == math.inf:
        return 1.0
    return float(value / highest) if highest else 0.0


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
