"""One table of a record: for each cell and method what came out, in counts, times and gaps.

The table is Markdown with padded columns, to be read on a screen and stored in
a file alike.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from kvpr_opt.problem.exact import read_fraction, relative_gap
from kvpr_opt.result import Status, StopReason
from kvpr_opt.study.runs import Method, run_of

#: Heads of the columns; the first two hold text, the others numbers.
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

#: Values of ``status`` that leave no question open.
PROVED = {Status.OPTIMAL.value, Status.INFEASIBLE.value}

#: Values of ``stop_reason`` of a run that could have gone on.
CUT_SHORT = {StopReason.TIME_LIMIT.value, StopReason.INTERRUPTED.value}


@dataclass
class Row:
    """All runs of one cell by one method.

    Attributes
    ----------
    runs, failed
        How many there are, and how many of them ended with an error.
    proved
        Proved optimal or infeasible.
    certified
        Of these, with a proof that the checker accepts without a solver's word.
    seconds
        Wall time of the runs without an error; ``math.inf`` where the limit cut in.
    gaps
        Of the runs that were not proved infeasible; ``math.inf`` without a
        placement or a bound.
    off_best
        Of the same runs: how far the value is from the best one that any run of
        the record found on the fleet, relative to the value. The gap of a
        heuristic says more about its bound, this about its placement.
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

    def add(self, entry: Mapping[str, Any], best: Fraction | None) -> None:
        """Count one entry in; `best` is the smallest value found on its fleet."""
        self.runs += 1
        if "error" in entry:
            self.failed += 1
            return
        proved = entry["status"] in PROVED
        self.proved += proved
        self.certified += proved and entry["certified"]
        cut_short = not proved and entry["stop_reason"] in CUT_SHORT
        self.seconds.append(math.inf if cut_short else entry["seconds"])
        if entry["status"] != Status.INFEASIBLE.value:
            value = value_of(entry, "max_kvpr")
            self.gaps.append(_distance(value, value_of(entry, "lower_bound")))
            self.off_best.append(_distance(value, best))

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

    def _time(self, pick: Any) -> str:
        if not self.seconds:
            return "-"
        value = pick(self.seconds)
        if value < math.inf:
            return f"{value:.3g}" if value < 100 else f"{value:.0f}"
        # Without a limit only Ctrl-C cuts a run short.
        return "stopped" if self.limit is None else f"> {self.limit:g}"


def rows(entries: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows of a table, in the order in which their first runs were recorded."""
    entries = list(entries)
    best = _best_values(entries)
    found: dict[tuple[str, Method], Row] = {}
    for entry in entries:
        run = run_of(entry["run"])
        cell, method = str(run.cell), run.method
        if (cell, method) not in found:
            found[cell, method] = Row(cell, method.label, method.time_limit, method.threads)
        found[cell, method].add(entry, best.get(_fleet_of(entry)))
    return list(found.values())


def _best_values(entries: Iterable[Mapping[str, Any]]) -> dict[str, Fraction]:
    """The smallest value found on each fleet."""
    best: dict[str, Fraction] = {}
    for entry in entries:
        value = None if "error" in entry else value_of(entry, "max_kvpr")
        if value is not None:
            fleet = _fleet_of(entry)
            best[fleet] = min(value, best.get(fleet, value))
    return best


def _fleet_of(entry: Mapping[str, Any]) -> str:
    """What the runs on one fleet have in common."""
    return json.dumps({**entry["run"], "method": None}, sort_keys=True)


def report(entries: Sequence[Mapping[str, Any]], *, left: int = 0) -> str:
    """The table of a record, with what it was measured on.

    Parameters
    ----------
    entries
        As :func:`kvpr_opt.study.record.read_entries` gives them.
    left
        Runs that were asked for and have no entry, for a line that says so.
    """
    table = markdown([list(COLUMNS), *(row.cells() for row in rows(entries))])
    notes = provenance(entries)
    if left:
        notes.append(f"Not complete: {left} runs are left.")
    failures = [
        f"- {run_of(entry['run'])}: {' '.join(entry['error'].split())}"
        for entry in entries
        if "error" in entry
    ]
    parts = [table, "\n".join(notes)]
    if failures:
        parts.append("\n".join(["Failed:", "", *failures]))
    return "\n\n".join(part for part in parts if part) + "\n"


def value_of(entry: Mapping[str, Any], name: str) -> Fraction | None:
    """The exact value under a name of an entry; ``None`` where the run has none.

    Raises
    ------
    InputError
        If it is no fraction.
    """
    return None if entry[name] is None else read_fraction(entry[name], name)


def _distance(value: Fraction | None, bound: Fraction | None) -> float:
    gap = relative_gap(value, bound)
    return math.inf if gap is None else float(gap)


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def percent_text(gap: float | None) -> str:
    """A gap in percent; only an exact 0 is written as 0."""
    if gap is None:
        return "-"
    return "unknown" if gap == math.inf else f"{100 * gap:.2g}"


def provenance(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each machine and for each set of versions that the runs were made with."""
    return [*_distinct(entries, "machine"), *_distinct(entries, "versions")]


def _distinct(entries: Iterable[Mapping[str, Any]], key: str) -> list[str]:
    lines = dict.fromkeys(
        ", ".join(f"{name} {value}" for name, value in entry[key].items())
        for entry in entries
        if entry[key]  # of a run that was lost with its machine nothing is known
    )
    return [f"{key.capitalize()}: {line}." for line in lines]


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its first row the header, padded to be read as it stands.

    The first two columns are text, to the left; the others numbers, to the right.
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rule = ["-" * width if c < 2 else "-" * (width - 1) + ":" for c, width in enumerate(widths)]
    lines = [
        "| "
        + " | ".join(
            text.ljust(width) if c < 2 else text.rjust(width)
            for c, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in [table[0], rule, *table[1:]]
    ]
    return "\n".join(lines)
