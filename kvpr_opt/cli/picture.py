"""A result on the screen: the verdict, then a bar picture of the GPUs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kvpr_opt.cli.screen import amount, exact_text, gap_text, kvpr_text
from kvpr_opt.placement import GPULoad, Kvpr
from kvpr_opt.result import Result, Status

#: GPUs drawn; of a larger fleet the most pressed ones.
MOST_ROWS = 24

_STYLE = {
    Status.OPTIMAL: "bold green",
    Status.FEASIBLE: "bold yellow",
    Status.INFEASIBLE: "bold red",
    Status.UNKNOWN: "bold red",
}


def show(console: Console, result: Result) -> None:
    """Write a result to the screen."""
    if result.placement is not None:
        console.print(_picture(result.placement.gpus, console.width))
        hidden = len(result.placement.gpus) - MOST_ROWS
        if hidden > 0:
            console.print(f"The {MOST_ROWS} most pressed GPUs; {hidden} more are below them.")
    for line in _verdict(result):
        console.print(line)


def _verdict(result: Result) -> list[Text]:
    instance = result.instance
    first = Text(result.status.value.upper(), style=_STYLE[result.status])
    counts = f"{_counted(len(instance.models), 'model')} on {_counted(len(instance.gpus), 'GPU')}"
    first.append(f"  {counts}, {result.seconds:.2f} s, {result.stop_reason.value}", style="default")
    lines = [first]
    if result.message:
        lines.append(Text(result.message))
    if result.max_kvpr is not None:
        value = f"{kvpr_text(result.max_kvpr)}{exact_text(result.max_kvpr)}"
        lines.append(Text(f"highest KVPR  {value}"))
    if result.status is not Status.INFEASIBLE:
        lines.append(Text(f"lower bound   {kvpr_text(result.lower_bound)} ({_grade(result)})"))
        lines.append(Text(f"gap           {gap_text(result.gap)}"))
    else:
        lines.append(Text(f"evidence      {_grade(result)}"))
    return lines


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
    chosen = sorted(gpus, key=lambda gpu: gpu.kvpr, reverse=True)[:MOST_ROWS]
    names = {gpu.name for gpu in chosen}
    rows = [gpu for gpu in gpus if gpu.name in names]
    highest = max((gpu.kvpr for gpu in gpus), default=0)
    bar = max(4, min(20, (width - 34) // 4))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    table.add_column("GPU", no_wrap=True, overflow="ellipsis")
    if width >= 60:
        table.add_column("weights", no_wrap=True, min_width=bar)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("KVPR", justify="right", no_wrap=True)
    if width >= 60:
        table.add_column("", no_wrap=True, min_width=bar)
    if width >= 80:
        table.add_column("models", ratio=1)
    for gpu in rows:
        share = float(gpu.used / gpu.memory) if gpu.memory else 0.0
        cells: list[Text] = [Text(gpu.name)]
        memory = Text(f"{amount(gpu.used)}/{amount(gpu.memory)}")
        pressed = _relative(gpu.kvpr, highest)
        style = "bold red" if gpu.kvpr == highest and highest > 0 else "cyan"
        value = Text(f"{float(gpu.kvpr):.4g}", style=style)
        if width >= 60:
            cells += [_bar(share, bar, "blue"), memory, value, _bar(pressed, bar, style)]
        else:
            cells += [memory, value]
        if width >= 80:
            cells.append(Text(", ".join(gpu.models)))
        table.add_row(*cells)
    return table


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
