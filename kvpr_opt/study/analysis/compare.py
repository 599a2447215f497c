"""Compares two records of the same runs: what got worse, and what changed on average.

A run of the new record is a regression if, compared with the same run in the old one,

* it failed and the old one did not, or its status is worse (proved is better than
  feasible, feasible is better than unknown), or its proof now rests on a solver's word;
* its gap is larger by more than the tolerance (a difference of relative gaps) or, if a gap
  is missing, its value is larger by more than the tolerance (relatively);
* it took longer by more than the factor *and* by more than the margin, since times of
  short runs are mostly noise, and its status is not better;
* the two contradict each other: different fleets under one key, two different proved
  optima, or a placement below a proved bound. One of the records is then wrong.

Times are compared by their shifted geometric mean; a run that was cut short counts with
the time it took.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.result import Status
from kvpr_opt.study.analysis.statistics import SHIFT, shifted_geometric_mean
from kvpr_opt.study.analysis.table import markdown, row_of
from kvpr_opt.study.recorded_run import Answer, RecordedRun

# Ranks of outcomes, from the worst up.
_FAILED, _PROVED = 0, 3
_RANK = {
    Status.UNKNOWN: 1,
    Status.FEASIBLE: 2,
    Status.OPTIMAL: _PROVED,
    Status.INFEASIBLE: _PROVED,
}

#: The same run in the old record and in the new one.
RunPair = tuple[RecordedRun, RecordedRun]

_COLUMNS = (
    "fleet",
    "method",
    "runs",
    "failed old",
    "new",
    "proved old",
    "new",
    "mean gap % old",
    "new",
    "time old",
    "new",
    "ratio",
)


@dataclass(frozen=True)
class Tolerance:
    """Differences that do not count as regressions.

    Attributes
    ----------
    gap
        Growth of a relative gap, or relative growth of a value.
    factor, margin
        A run counts as slower only beyond `factor` times the old time and beyond
        `margin` seconds more.
    """

    gap: float = 1e-4
    factor: float = 1.5
    margin: float = 2.0


@dataclass(frozen=True)
class Comparison:
    """Two records side by side.

    Attributes
    ----------
    pairs
        Old and new run for every key in both records, in the order of the old one.
    only_old, only_new
        Number of runs that the other record does not have.
    regressions
        One line each.
    improved
        Runs that are better in status or gap.
    """

    pairs: tuple[RunPair, ...]
    only_old: int
    only_new: int
    regressions: tuple[str, ...]
    improved: int


def compare(
    old: Iterable[RecordedRun],
    new: Iterable[RecordedRun],
    tolerance: Tolerance = Tolerance(),
) -> Comparison:
    """Compare two records run by run, by the key of their runs.

    Parameters
    ----------
    old, new
        As in :class:`~kvpr_opt.study.record.RecordContent`.
    tolerance
        Differences that do not count.
    """
    before = {recorded.run.key: recorded for recorded in old}
    after = {recorded.run.key: recorded for recorded in new}
    pairs = [(before[key], after[key]) for key in before if key in after]
    found = [(now.run, _regressions(was, now, tolerance)) for was, now in pairs]
    return Comparison(
        pairs=tuple(pairs),
        only_old=len(before) - len(pairs),
        only_new=len(after) - len(pairs),
        regressions=tuple(f"{run}: {'; '.join(lines)}" for run, lines in found if lines),
        improved=sum(_improved(was, now, tolerance) for was, now in pairs),
    )


def _rank(recorded: RecordedRun) -> int:
    return _FAILED if recorded.answer is None else _RANK[recorded.answer.status]


def _status(recorded: RecordedRun) -> str:
    return "failed" if recorded.answer is None else recorded.answer.status.value


def _gap(answer: Answer) -> Fraction | None:
    """Relative gap; 0 where it is proved that there is no placement."""
    return Fraction(0) if answer.status is Status.INFEASIBLE else answer.gap


def _regressions(was: RecordedRun, now: RecordedRun, tolerance: Tolerance) -> list[str]:
    """In what a run contradicts the old record, or is worse than there."""
    worse = [f"{_status(now)}, was {_status(was)}"] if _rank(now) < _rank(was) else []
    if was.answer is None or now.answer is None:
        return worse
    one, other = was.answer, now.answer
    if one.proved and other.proved and one.certified and not other.certified:
        worse.append("proved on a solver's word, was certified")
    grown = _gap_growth(one, other, tolerance)
    worse += [grown] if grown else []
    allowed = max(one.seconds * tolerance.factor, one.seconds + tolerance.margin)
    if other.seconds > allowed and _rank(now) <= _rank(was):
        worse.append(f"{other.seconds:.3g} s, was {one.seconds:.3g} s")
    return [*_contradictions(one, other), *worse]


def _improved(was: RecordedRun, now: RecordedRun, tolerance: Tolerance) -> bool:
    if _rank(now) != _rank(was):
        return _rank(now) > _rank(was)
    if was.answer is None or now.answer is None:
        return False
    return _gap_growth(now.answer, was.answer, tolerance) != ""


def _contradictions(was: Answer, now: Answer) -> list[str]:
    """What cannot both be true."""
    if was.fleet_sha256 != now.fleet_sha256:
        return ["another fleet under the same key"]
    if was.proved and now.proved and was.status is not now.status:
        return [f"proved {was.status.value} before and {now.status.value} now"]
    for one, other, when in ((was, now, "now"), (now, was, "before")):
        if other.max_kvpr is None:
            continue
        if one.lower_bound is not None and other.max_kvpr < one.lower_bound:
            return [f"the placement found {when} is below a bound of the other record"]
        if one.status is Status.INFEASIBLE:
            return [f"a placement {when} of a fleet that the other record has as infeasible"]
    return []


def _gap_growth(was: Answer, now: Answer, tolerance: Tolerance) -> str:
    """By how much gap or value grew beyond the tolerance; empty if neither did."""
    allowed = Fraction(tolerance.gap)
    before, after = _gap(was), _gap(now)
    if before is not None and after is not None:
        if after - before > allowed:
            return f"gap {float(100 * after):.3g} %, was {float(100 * before):.3g} %"
    elif was.max_kvpr is not None and now.max_kvpr is not None:
        if now.max_kvpr > was.max_kvpr * (1 + allowed):
            return f"max KVPR {float(now.max_kvpr):.6g}, was {float(was.max_kvpr):.6g}"
    elif before is not None and now.max_kvpr is None and was.status is now.status:
        return "no placement, was one"
    return ""


def comparison_text(found: Comparison, tolerance: Tolerance) -> str:
    """The comparison as text: a table in Markdown, and the regressions by name."""
    groups: dict[tuple[str, str], list[RunPair]] = {}
    for pair in found.pairs:
        groups.setdefault((row_of(pair[0]), pair[0].run.method.label), []).append(pair)
    rows = [[*names, *_row(pairs)] for names, pairs in groups.items()]
    if len(rows) > 1:
        rows.append(["all", "", *_row(found.pairs)])
    parts = [markdown([list(_COLUMNS), *rows])] if rows else []
    parts.append(
        f"{len(found.pairs)} runs in both, {found.only_old} only in the old record, "
        f"{found.only_new} only in the new one. Times are shifted geometric means, shift "
        f"{SHIFT:g} s, of the runs that failed in neither. {found.improved} runs are better."
    )
    limits = (
        f"gaps larger by more than {100 * tolerance.gap:g} %, or more than {tolerance.factor:g} "
        f"times and {tolerance.margin:g} s slower, or worse in status"
    )
    if found.regressions:
        lines = [f"- {line}" for line in found.regressions]
        parts.append("\n".join([f"{len(lines)} regressions ({limits}):", "", *lines]))
    else:
        parts.append(f"No regressions ({limits}).")
    return "\n\n".join(parts) + "\n"


def _row(pairs: Sequence[RunPair]) -> list[str]:
    sides = list(zip(*pairs, strict=True))
    times = [
        (was.answer.seconds, now.answer.seconds)
        for was, now in pairs
        if was.answer is not None and now.answer is not None
    ]
    old, new = (
        shifted_geometric_mean([both[side] for both in times]) for side in range(len(sides))
    )
    return [
        str(len(pairs)),
        *(str(sum(recorded.answer is None for recorded in side)) for side in sides),
        *(str(sum(_rank(recorded) == _PROVED for recorded in side)) for side in sides),
        *(_mean_gap(side) for side in sides),
        _number(old),
        _number(new),
        _number(new / old if old and new is not None else None),
    ]


def _mean_gap(side: Sequence[RecordedRun]) -> str:
    found = [_gap(recorded.answer) for recorded in side if recorded.answer is not None]
    gaps = [float(gap) for gap in found if gap is not None]
    return f"{100 * sum(gaps) / len(gaps):.2g}" if gaps else "-"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
