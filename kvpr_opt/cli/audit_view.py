"""An audit in the terminal: the worst cases in a table, then the verdict and the scores."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kvpr_opt.audit.outcome import Audit, CaseAudit
from kvpr_opt.audit.summary import facts, headline, outcome, percent, problems, scores, verdict_text
from kvpr_opt.cli.console import shortened
from kvpr_opt.drawing.text import entry
from kvpr_opt.text import printable

# Maximum number of cases shown.
_MAX_CASES = 24

# Minimum width for all columns.
_WIDE = 72

# Maximum cells for the name of a case, with and without room for all columns.
_MAX_NAME, _NARROW_NAME = 24, 10


def show(console: Console, audit: Audit) -> None:
    """Write an audit to the terminal."""
    width = console.width
    chosen = _chosen(audit)
    console.print(_table(chosen, width))
    if len(chosen) < len(audit.cases):
        note = f"The {len(chosen)} worst of {len(audit.cases)} cases."
        console.print(Text(textwrap.fill(note, width)))
    style = "bold green" if audit.valid else "bold red"
    console.print(Text(outcome(audit), style=style))
    program = f"{Path(audit.program.path).name} on {audit.suite}"
    lines = [
        ("program", program),
        ("cases", headline(audit)),
        *problems(audit),
        *((name, f"{value}, {remark}") for name, value, remark in scores(audit)),
        *facts(audit),
    ]
    for name, text in lines:
        console.print(Text(entry(name, printable(text), width)))


def _chosen(audit: Audit) -> list[CaseAudit]:
    """All cases of a small suite; for a larger one, invalid cases first, then the largest gaps."""
    cases = list(audit.cases)
    if len(cases) <= _MAX_CASES:
        return cases
    return sorted(cases, key=lambda case: (case.valid, -(case.gap or 0)))[:_MAX_CASES]


def _table(cases: Sequence[CaseAudit], width: int) -> Table:
    wide = width >= _WIDE
    longest = max(cell_len(printable(case.case.name)) for case in cases)
    name = max(4, min(longest, _MAX_NAME if wide else _NARROW_NAME))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    table.add_column("case", no_wrap=True, width=name)
    table.add_column("KVPR", justify="right", no_wrap=True)
    if wide:
        table.add_column("bound", justify="right", no_wrap=True)
        table.add_column("naive", justify="right", no_wrap=True)
    table.add_column("gap", justify="right", no_wrap=True)
    table.add_column("verdict")
    for case in cases:
        values = [case.max_kvpr]
        if wide:
            values += [case.case.lower_bound, case.runs[0].reading.naive]
        cells = [shortened(case.case.name, name), *(Text(_value(value)) for value in values)]
        style = "red" if not case.valid else "default" if case.repeatable else "yellow"
        table.add_row(*cells, Text(percent(case) or "-"), Text(verdict_text(case), style=style))
    return table


def _value(value: Fraction | float | None) -> str:
    return "-" if value is None else f"{float(value):#.4g}"
