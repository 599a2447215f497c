"""What a study found out about instances of P||Cmax, beside what their collection knows.

The value of a run is an exact KVPR; here it is turned back into a makespan and compared
with the optimum that the collection states. A makespan that is proved optimal and for
which the collection states none closes the instance.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from kvpr_opt.result import Status
from kvpr_opt.study.analysis.table import markdown, seconds_text
from kvpr_opt.study.record import CERTIFICATES_NAME
from kvpr_opt.study.recorded_run import Answer, RecordedRun
from kvpr_opt.suites.pcmax import PublishedSchedule

#: Heads of the table; the first two columns are text.
COLUMNS = (
    "instances",
    "embedding, method",
    "runs",
    "failed",
    "proved",
    "certified",
    "median s",
    "max s",
    "optimum known",
    "met",
    "unknown",
    "closed",
)

#: Heads of the list of closed instances; the first two columns are text.
CLOSED_COLUMNS = ("instance", "method", "machines", "jobs", "Cmax", "s", "certificate")

#: Headings of the two lists of a report.
CONTRADICTIONS = "Contradictions to the collection; one of the two is wrong:"
CLOSED = "Closed here, without an optimum in the collection's own list:"


@dataclass
class ScheduleTally:
    """All runs of one class of instances by one method.

    Attributes
    ----------
    runs, failed, proved, certified
        Counts, as in the table of a record.
    seconds
        Wall times; ``math.inf`` where the limit cut in.
    known, met
        For how many instances the collection states an optimum, and for how many of
        these the run proved the same.
    closed
        Proved here, where the collection states no optimum.
    """

    runs: int = 0
    failed: int = 0
    proved: int = 0
    certified: int = 0
    seconds: list[float] = field(default_factory=list)
    known: int = 0
    met: int = 0
    closed: int = 0

    def add(self, answer: Answer | None, schedule: PublishedSchedule) -> None:
        """Count one run in."""
        self.runs += 1
        self.known += schedule.optimum is not None
        if answer is None:
            self.failed += 1
            return
        self.seconds.append(math.inf if answer.cut_short else answer.seconds)
        if answer.proved:
            self.proved += 1
            self.certified += answer.certified
            self.closed += schedule.optimum is None
            self.met += schedule.optimum == _makespan(answer, schedule)

    def cells(self) -> list[str]:
        """The numbers of the row as text."""
        median, longest = (
            seconds_text(pick(self.seconds)) if self.seconds else "-"
            for pick in (statistics.median_low, max)
        )
        counts = (self.runs, self.failed, self.proved, self.certified)
        against = (self.known, self.met, self.runs - self.known, self.closed)
        return [*map(str, counts), median, longest, *map(str, against)]


@dataclass(frozen=True)
class ScheduleResults:
    """What the runs on instances of P||Cmax say, as text.

    Attributes
    ----------
    rows
        By :data:`COLUMNS`.
    contradictions
        One line each; one of study and collection is then wrong.
    closed
        Instances proved here for which the collection states no optimum, by
        :data:`CLOSED_COLUMNS`.
    """

    rows: tuple[tuple[str, ...], ...]
    contradictions: tuple[str, ...]
    closed: tuple[tuple[str, ...], ...]


def schedule_results(runs: Iterable[RecordedRun]) -> ScheduleResults | None:
    """The results on instances of P||Cmax; ``None`` if no run was on one.

    Parameters
    ----------
    runs
        As in :class:`~kvpr_opt.study.record.RecordContent`.
    """
    found = [(recorded, recorded.schedule) for recorded in runs if recorded.schedule is not None]
    if not found:
        return None
    return ScheduleResults(
        tuple(tuple(row) for row in _rows(found)),
        tuple(contradictions(recorded for recorded, _ in found)),
        tuple(tuple(_closed_row(*pair)) for pair in found if _closes(*pair)),
    )


def schedule_report(runs: Iterable[RecordedRun]) -> str:
    """The results on instances of P||Cmax in Markdown; empty if no run was on one."""
    results = schedule_results(runs)
    if results is None:
        return ""
    parts = ["P||Cmax:", markdown([COLUMNS, *results.rows])]
    if results.contradictions:
        parts.append(CONTRADICTIONS)
        parts.append("\n".join(f"- {line}" for line in results.contradictions))
    if results.closed:
        parts += [CLOSED, markdown([CLOSED_COLUMNS, *results.closed])]
    return "\n\n".join(parts) + "\n"


def contradictions(runs: Iterable[RecordedRun]) -> list[str]:
    """In what each run contradicts the optimum of its collection; none where none does."""
    known = ((recorded, recorded.schedule) for recorded in runs)
    return [line for run, schedule in known if schedule and (line := contradiction(run, schedule))]


def contradiction(recorded: RecordedRun, schedule: PublishedSchedule) -> str:
    """In what a run contradicts the optimum of the collection; empty if it does not."""
    answer, optimum = recorded.answer, schedule.optimum
    if answer is None or optimum is None:
        return ""
    published = schedule.max_kvpr(optimum)
    if answer.status is Status.INFEASIBLE:
        claim = "is called infeasible"
    elif answer.max_kvpr is not None and answer.max_kvpr < published:
        claim = f"has a schedule of makespan {_makespan(answer, schedule)}"
    elif answer.lower_bound is not None and answer.lower_bound > published:
        claim = f"has no schedule below makespan {schedule.makespan(answer.lower_bound)}"
    else:
        return ""
    return f"{recorded.run.fleet_label} {claim}; the collection states {optimum}"


_Found = tuple[RecordedRun, PublishedSchedule]


def _rows(found: Sequence[_Found]) -> list[list[str]]:
    tallies: dict[tuple[str, str], ScheduleTally] = {}
    for recorded, schedule in found:
        group = schedule.group or str(recorded.run.cell)
        tally = tallies.setdefault((group, _how(recorded, schedule)), ScheduleTally())
        tally.add(recorded.answer, schedule)
    rows = [[*names, *tally.cells()] for names, tally in tallies.items()]
    if len({group for group, _ in tallies}) > 1:
        for how in dict.fromkeys(how for _, how in tallies):
            whole = ScheduleTally()
            for recorded, schedule in found:
                if _how(recorded, schedule) == how:
                    whole.add(recorded.answer, schedule)
            rows.append(["all", how, *whole.cells()])
    return rows


def _how(recorded: RecordedRun, schedule: PublishedSchedule) -> str:
    method = recorded.run.method
    limit = "no limit" if method.time_limit is None else f"{method.time_limit:g} s"
    return f"{schedule.embedding}, {method.label}, {limit}"


def _closes(recorded: RecordedRun, schedule: PublishedSchedule) -> bool:
    answer = recorded.answer
    return answer is not None and answer.proved and schedule.optimum is None


def _closed_row(recorded: RecordedRun, schedule: PublishedSchedule) -> list[str]:
    answer, run = recorded.answer, recorded.run
    assert answer is not None
    certificate = "a solver's word"
    if answer.certified:
        kept = f"{CERTIFICATES_NAME}/{run.key}.json"
        certificate = kept if answer.certificate_sha256 else "certified, not kept"
    return [
        run.cell.fleet_name(run.seed),
        run.method.label,
        str(run.cell.gpus),
        str(run.cell.models),
        str(_makespan(answer, schedule)),
        seconds_text(answer.seconds),
        certificate,
    ]


def _makespan(answer: Answer, schedule: PublishedSchedule) -> Fraction | None:
    return None if answer.max_kvpr is None else schedule.makespan(answer.max_kvpr)
