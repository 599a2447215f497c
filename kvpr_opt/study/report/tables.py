"""The tables of a report, as plain text by row and column."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean

from kvpr_opt.study.analysis.convergence import primal_integrals
from kvpr_opt.study.analysis.outcomes import KINDS, Outcome, Outcomes, StudyFleet
from kvpr_opt.study.analysis.statistics import (
    Interval,
    bootstrap,
    mean_difference,
    shifted_geometric_mean,
    time_ratio,
)
from kvpr_opt.study.analysis.table import COLUMNS, percent_text, rows
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.text import one_line

#: Rows of the table by cell, at most; the table that ``study report`` prints has all of them.
MAX_CELLS = 200


@dataclass(frozen=True)
class ReportTable:
    """A table.

    Attributes
    ----------
    caption
        What it shows.
    heads
        Column headings, with units.
    lines
        The rows; the first column names the row.
    """

    caption: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def summaries(outcomes: Outcomes, fleets: Sequence[StudyFleet], what: str) -> list[ReportTable]:
    """Counts and means by method; feasible, infeasible and undecided fleets separately."""
    found = []
    for kind in KINDS:
        chosen = [fleet for fleet in fleets if outcomes.kind(fleet) == kind]
        lines = tuple(
            _summary(outcomes, method, runs)
            for method in outcomes.methods
            if (runs := outcomes.of(method, chosen))
        )
        if lines:
            caption = f"{what}, {counted(len(chosen), f'{kind} fleet')}"
            found.append(ReportTable(caption, _SUMMARY, lines))
    return found


_SUMMARY = (
    "method",
    "runs",
    "closed",
    "certified",
    "at the limit",
    "failed",
    "time, s",
    "mean gap, %",
    "primal integral, s",
)


def _summary(outcomes: Outcomes, method: str, runs: Sequence[Outcome]) -> tuple[str, ...]:
    times = [run.counted_seconds for run in runs]
    gaps = [run.gap for run in runs if _has_gap(outcomes, run)]
    integrals = primal_integrals(outcomes, runs)
    return (
        method,
        str(len(runs)),
        str(sum(run.closed for run in runs)),
        str(sum(run.closed and run.certified for run in runs)),
        str(sum(run.at_limit for run in runs)),
        str(sum(run.failed for run in runs)),
        number(shifted_geometric_mean([time for time in times if time is not None])),
        percent_text(fmean(gaps) if gaps else None),
        number(fmean(integrals) if integrals else None),
    )


def _has_gap(outcomes: Outcomes, run: Outcome) -> bool:
    return not run.failed and outcomes.kind(run.fleet) != "infeasible"


_COMPARISON = (
    "methods",
    "fleets",
    "closed by the one / the other",
    "placement better / equal / worse",
    "ratio of times",
    "difference of gaps, percentage points",
    "difference of primal integrals, s",
)


def comparison(outcomes: Outcomes) -> ReportTable | None:
    """Each method compared with the first, on the fleets that both were run on.

    ``None`` if no two methods share a fleet.
    """
    first, *others = outcomes.methods or ("",)
    lines = []
    for other in others:
        pairs = _pairs(outcomes, first, other)
        if pairs:
            lines.append(_compared(outcomes, pairs))
    caption = f"Each method against {first}, with 95 % bootstrap intervals"
    return ReportTable(caption, _COMPARISON, tuple(lines)) if lines else None


Pair = tuple[Outcome, Outcome]


def _pairs(outcomes: Outcomes, first: str, other: str) -> list[Pair]:
    """The runs of another method, each with that of the first on the same fleet."""
    reference = {run.fleet: run for run in outcomes.of(first, outcomes.fleets)}
    return [
        (run, reference[run.fleet])
        for run in outcomes.of(other, outcomes.fleets)
        if run.fleet in reference
    ]


def _compared(outcomes: Outcomes, pairs: Sequence[Pair]) -> tuple[str, ...]:
    runs, bases = zip(*pairs, strict=True)
    decided = [pair for pair in pairs if outcomes.kind(pair[0].fleet) != "infeasible"]
    timed = [
        (one, other)
        for run, base in pairs
        if (one := run.counted_seconds) is not None and (other := base.counted_seconds) is not None
    ]
    # Without a placement or a bound nothing better is known than the largest gap there is.
    gaps = [(100 * min(run.gap, 1.0), 100 * min(base.gap, 1.0)) for run, base in decided]
    integrals = [primal_integrals(outcomes, column) for column in (runs, bases)]
    return (
        f"{runs[0].method} against {bases[0].method}",
        str(len(pairs)),
        _unbroken(f"{sum(run.closed for run in runs)} / {sum(run.closed for run in bases)}"),
        _won(decided),
        _interval(timed, time_ratio),
        _interval(gaps, mean_difference),
        _interval(list(zip(*integrals, strict=True)), mean_difference),
    )


def _won(pairs: Sequence[Pair]) -> str:
    """Number of fleets with a better, equal and worse placement, exactly; none is worst."""
    values = [(_value(run), _value(base)) for run, base in pairs]
    better = sum(run < base for run, base in values)
    worse = sum(run > base for run, base in values)
    return _unbroken(f"{better} / {len(values) - better - worse} / {worse}")


def _value(run: Outcome) -> Fraction | float:
    return math.inf if run.incumbent is None else run.incumbent


def _interval(pairs: Sequence[tuple[float, float]], statistic: Callable[..., float]) -> str:
    found = bootstrap(list(zip(*pairs, strict=True)), statistic) if pairs else None
    return "-" if found is None else interval_text(found)


def interval_text(interval: Interval) -> str:
    """An estimate followed by its interval."""
    text = number(interval.estimate)
    if interval.low is None or interval.high is None:
        return text
    return f"{text} " + _unbroken(f"({number(interval.low)} to {number(interval.high)})")


def by_cell(runs: Sequence[RecordedRun]) -> ReportTable:
    """The first :data:`MAX_CELLS` rows of the table that ``study report`` prints."""
    lines = [tuple(map(one_line, row.cells())) for row in rows(runs)]
    caption = f"The first {MAX_CELLS} of {len(lines)} rows" if len(lines) > MAX_CELLS else "All"
    return ReportTable(caption, COLUMNS, tuple(lines[:MAX_CELLS]))


def number(value: float | None) -> str:
    """A number to three significant digits, ``-`` for none."""
    if value is None:
        return "-"
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _unbroken(text: str) -> str:
    """A text that is not broken, however narrow the column."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def counted(count: int, what: str) -> str:
    """A number of things, in the plural unless it is one."""
    return f"{count} {what}" + ("" if count == 1 else "s")
