"""The table of a record: counts, times and gaps for each cell and method.

The table is Markdown with padded columns, readable on a screen and in a file.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.result import Status
from kvpr_opt.study.recorded_run import Answer, RecordedRun
from kvpr_opt.study.runs import Method
from kvpr_opt.text import markdown_cell, one_line

#: Column headings; the first two columns hold text, the others numbers.
COLUMNS = (
    "fleet",
    "method",
    "limit",
    "threads",
    "runs",
    "failed",
    "proved",
    "certified",
    "median s",
    "max s",
    "mean gap %",
    "worst gap %",
    "off best %",
)


@dataclass
class TableRow:
    """All runs of one cell by one method.

    Attributes
    ----------
    runs, failed
        Number of runs, and of those that failed.
    proved
        Proved optimal or infeasible.
    certified
        Those of them with a proof that the checker accepts without a solver's word.
    seconds
        Wall time of the runs that did not fail; ``math.inf`` if cut short by the limit.
    gaps
        Of the runs that were not proved infeasible; ``math.inf`` without a placement or
        a bound.
    off_best
        Of the same runs: the distance of the value from the best one that any run of the
        record found on the fleet, relative to the value. A heuristic's gap says more
        about its bound; this says more about its placement.
    """

    cell: str
    method: str
    limit: float | None
    threads: int | None
    runs: int = 0
    failed: int = 0
    proved: int = 0
    certified: int = 0
    seconds: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    off_best: list[float] = field(default_factory=list)

    def add(self, answer: Answer | None, best: Fraction | None) -> None:
        """Count one run in; `best` is the smallest value found on its fleet."""
        self.runs += 1
        if answer is None:
            self.failed += 1
            return
        self.proved += answer.proved
        self.certified += answer.proved and answer.certified
        self.seconds.append(math.inf if answer.cut_short else answer.seconds)
        if answer.status is not Status.INFEASIBLE:
            self.gaps.append(_distance(answer.max_kvpr, answer.lower_bound))
            self.off_best.append(_distance(answer.max_kvpr, best))

    def cells(self) -> list[str]:
        """The row as text, by column."""
        return [
            self.cell,
            self.method,
            "none" if self.limit is None else f"{self.limit:g} s",
            "all" if self.threads is None else str(self.threads),
            str(self.runs),
            str(self.failed),
            str(self.proved),
            str(self.certified),
            self._time(statistics.median_low),
            self._time(max),
            percent_text(_mean(self.gaps)),
            percent_text(max(self.gaps, default=None)),
            percent_text(_mean(self.off_best)),
        ]

    def _time(self, pick: Callable[[list[float]], float]) -> str:
        if not self.seconds:
            return "-"
        value = pick(self.seconds)
        if value < math.inf:
            return seconds_text(value)
        # Without a limit, only a signal cuts a run short.
        return "stopped" if self.limit is None else f"> {self.limit:g}"


def rows(runs: Iterable[RecordedRun]) -> list[TableRow]:
    """The rows of a table, in the order in which their first runs were recorded."""
    runs = list(runs)
    best = best_values(recorded.answer for recorded in runs)
    found: dict[tuple[str, Method], TableRow] = {}
    for recorded in runs:
        cell, method = row_of(recorded), recorded.run.method
        if (cell, method) not in found:
            found[cell, method] = TableRow(cell, method.label, method.time_limit, method.threads)
        answer = recorded.answer
        found[cell, method].add(answer, None if answer is None else best.get(answer.fleet_sha256))
    return list(found.values())


def row_of(recorded: RecordedRun) -> str:
    """The row that a run belongs to: its cell, or the class of instances that have a file each."""
    cell, schedule = str(recorded.run.cell), recorded.schedule
    if schedule is None or cell.endswith(".jsonl"):
        return cell
    return schedule.group or cell


def best_values(answers: Iterable[Answer | None]) -> dict[str, Fraction]:
    """The smallest maximum KVPR that any run found, by the digest of the fleet."""
    best: dict[str, Fraction] = {}
    for answer in answers:
        if answer is not None and answer.max_kvpr is not None:
            fleet, value = answer.fleet_sha256, answer.max_kvpr
            best[fleet] = min(value, best.get(fleet, value))
    return best


def report(runs: Sequence[RecordedRun], *, left: int = 0) -> str:
    """The table of a record, with what it was measured on.

    Parameters
    ----------
    runs
        As in :class:`~kvpr_opt.study.record.RecordContent`.
    left
        Runs that were asked for and are not recorded, for a line that says so.
    """
    table = markdown([list(COLUMNS), *(row.cells() for row in rows(runs))])
    notes = provenance(runs)
    if left:
        notes.append(f"Not complete: {left} runs are left.")
    failures = [
        f"- {one_line(f'{recorded.run}: {recorded.error}')}"
        for recorded in runs
        if recorded.error is not None
    ]
    parts = [table, "\n".join(notes)]
    if failures:
        parts.append("\n".join(["Failed:", "", *failures]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _distance(value: Fraction | None, bound: Fraction | None) -> float:
    gap = relative_gap(value, bound)
    return math.inf if gap is None else float(gap)


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def seconds_text(seconds: float) -> str:
    """A time to three significant digits; the limit for one that the limit cut short."""
    if seconds == math.inf:
        return "> limit"
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:.0f}"


def percent_text(gap: float | None) -> str:
    """A gap in percent; only an exact 0 is written as 0."""
    if gap is None:
        return "-"
    return "unknown" if gap == math.inf else f"{100 * gap:.2g}"


def provenance(runs: Iterable[RecordedRun]) -> list[str]:
    """One line for each machine and for each set of versions that the runs were made with."""
    runs = list(runs)
    return [
        *_distinct("Machine", (recorded.machine for recorded in runs)),
        *_distinct("Versions", (recorded.versions for recorded in runs)),
    ]


def _distinct(head: str, facts: Iterable[Mapping[str, object]]) -> list[str]:
    lines = dict.fromkeys(
        ", ".join(f"{name} {value}" for name, value in found.items())
        for found in facts
        if found  # empty for a run that was lost with its machine
    )
    return [one_line(f"{head}: {line}.") for line in lines]


def markdown(table: Sequence[Sequence[str]], *, text_columns: int = 2) -> str:
    """A table in Markdown, its first row the header, padded so that its source reads well.

    The first columns are text, aligned left; the others are numbers, aligned right.
    """
    table = [[markdown_cell(text) for text in line] for line in table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rule = [
        "-" * width if c < text_columns else "-" * (width - 1) + ":"
        for c, width in enumerate(widths)
    ]
    return "\n".join(_padded(line, widths, text_columns) for line in (table[0], rule, *table[1:]))


def _padded(line: Sequence[str], widths: Sequence[int], text_columns: int) -> str:
    cells = (
        text.ljust(width) if c < text_columns else text.rjust(width)
        for c, (text, width) in enumerate(zip(line, widths, strict=True))
    )
    return f"| {' | '.join(cells)} |"
