"""Two records of the same runs, run by run: what got worse, and what changed in the mean.

A run of the new record is a regression if, against the run of the same key in the old one,

* it failed and the other did not, or its status is worse (proved is better than feasible,
  feasible than unknown), or its proof now rests on a solver's word;
* its gap is larger by more than the tolerance (a difference of relative gaps), or, where
  a gap is missing, its value is larger by more than the tolerance, relatively;
* it took longer by more than the factor *and* by more than the margin, since the time of
  a short run is mostly noise, and its status is not better for it;
* the two contradict each other: other fleets under one key, two proved optima that
  differ, a placement below a proved bound. One of the records is then wrong.

Times are compared by their shifted geometric mean, exp(mean(ln(t + s))) - s with s = 1 s,
as is usual for benchmarks of solvers (T. Achterberg, Constraint Integer Programming,
2007, doi:10.14279/depositonce-1634); what was cut short counts with the time it took.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from kvpr_opt.problem.exact import read_fraction, relative_gap
from kvpr_opt.result import Status
from kvpr_opt.study.analysis.table import markdown
from kvpr_opt.study.runs import Run, run_of

#: Seconds added to each time before the geometric mean is taken, and taken off after.
SHIFT = 1.0

_RANK = {
    Status.UNKNOWN.value: 1,
    Status.FEASIBLE.value: 2,
    Status.OPTIMAL.value: 3,
    Status.INFEASIBLE.value: 3,
}
_PROVED = 3

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
    """What is not yet a regression.

    Attributes
    ----------
    gap
        Of relative gaps, and of values relatively.
    factor, margin
        A run is slower only beyond `factor` times the old seconds and `margin`
        seconds more.
    """

    gap: float = 1e-4
    factor: float = 1.5
    margin: float = 2.0


@dataclass(frozen=True)
class Outcome:
    """One entry of a record, as far as it is compared.

    Attributes
    ----------
    run
        Which one.
    rank
        0 failed, 1 unknown, 2 feasible, 3 proved.
    """

    run: Run
    fleet: str
    status: str
    rank: int
    certified: bool
    value: Fraction | None
    bound: Fraction | None
    seconds: float

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Outcome:
        """The outcome of an entry."""
        run = run_of(entry["run"])
        if "error" in entry:
            return cls(run, "", "failed", 0, False, None, None, math.nan)
        return cls(
            run=run,
            fleet=entry["fleet_sha256"],
            status=entry["status"],
            rank=_RANK[entry["status"]],
            certified=entry["certified"],
            value=_fraction(entry, "max_kvpr"),
            bound=_fraction(entry, "lower_bound"),
            seconds=entry["seconds"],
        )

    @property
    def gap(self) -> Fraction | None:
        """Relative gap; 0 where it is proved that there is no placement."""
        if self.status == Status.INFEASIBLE.value:
            return Fraction(0)
        return relative_gap(self.value, self.bound)


@dataclass(frozen=True)
class Comparison:
    """Two records side by side.

    Attributes
    ----------
    pairs
        Old and new outcome of every run that both have, in the order of the old.
    only_old, only_new
        How many runs the other record does not have.
    regressions
        One line for each.
    improved
        Runs that are better in status or gap.
    """

    pairs: tuple[tuple[Outcome, Outcome], ...]
    only_old: int
    only_new: int
    regressions: tuple[str, ...]
    improved: int


def compare(
    old: Iterable[Mapping[str, Any]],
    new: Iterable[Mapping[str, Any]],
    tolerance: Tolerance = Tolerance(),
) -> Comparison:
    """Compare the entries of two records, by the key of their runs.

    Parameters
    ----------
    old, new
        As :func:`kvpr_opt.study.record.read_entries` gives them.
    tolerance
        What is not yet a regression.
    """
    before = {entry["key"]: Outcome.of(entry) for entry in old}
    after = {entry["key"]: Outcome.of(entry) for entry in new}
    pairs = [(before[key], after[key]) for key in before if key in after]
    regressions = [
        f"{now.run}: {'; '.join(found)}"
        for was, now in pairs
        if (found := [*_contradictions(was, now), *_worse(was, now, tolerance)])
    ]
    return Comparison(
        pairs=tuple(pairs),
        only_old=len(before) - len(pairs),
        only_new=len(after) - len(pairs),
        regressions=tuple(regressions),
        improved=sum(
            now.rank > was.rank or (now.rank == was.rank and _gap_grew(now, was, tolerance) != "")
            for was, now in pairs
        ),
    )


def _contradictions(was: Outcome, now: Outcome) -> list[str]:
    """What cannot both be true."""
    if not (was.rank and now.rank):
        return []
    if was.fleet != now.fleet:
        return ["another fleet under the same key"]
    if _RANK[was.status] == _RANK[now.status] == _PROVED and was.status != now.status:
        return [f"proved {was.status} before and {now.status} now"]
    for one, other, when in ((was, now, "now"), (now, was, "before")):
        if one.bound is not None and other.value is not None and other.value < one.bound:
            return [f"the placement found {when} is below a bound of the other record"]
        if one.status == Status.INFEASIBLE.value and other.value is not None:
            return [f"a placement {when} of a fleet that the other record has as infeasible"]
    return []


def _worse(was: Outcome, now: Outcome, tolerance: Tolerance) -> list[str]:
    """In what a run is worse than before."""
    found = []
    if now.rank < was.rank:
        found.append(f"{now.status}, was {was.status}")
    if now.rank == was.rank == _PROVED and was.certified and not now.certified:
        found.append("proved on a solver's word, was certified")
    if was.rank and now.rank:
        found.append(_gap_grew(was, now, tolerance))
        longer = now.seconds > max(was.seconds * tolerance.factor, was.seconds + tolerance.margin)
        if longer and now.rank <= was.rank:
            found.append(f"{now.seconds:.3g} s, was {was.seconds:.3g} s")
    return [text for text in found if text]


def _gap_grew(was: Outcome, now: Outcome, tolerance: Tolerance) -> str:
    """How gap or value grew beyond the tolerance, or an empty text."""
    allowed = Fraction(tolerance.gap)
    if was.gap is not None and now.gap is not None:
        if now.gap - was.gap > allowed:
            return f"gap {float(100 * now.gap):.3g} %, was {float(100 * was.gap):.3g} %"
    elif was.value is not None and now.value is not None:
        if now.value > was.value * (1 + allowed):
            return f"max KVPR {float(now.value):.6g}, was {float(was.value):.6g}"
    elif was.gap is not None and now.value is None and now.gap is None and was.rank == now.rank:
        return "no placement, was one"
    return ""


def shifted_mean(seconds: Sequence[float]) -> float:
    """The shifted geometric mean of times, shift :data:`SHIFT`; NaN of none."""
    if not seconds:
        return math.nan
    return math.exp(sum(math.log(time + SHIFT) for time in seconds) / len(seconds)) - SHIFT


def comparison_text(found: Comparison, tolerance: Tolerance) -> str:
    """The comparison as text: a table in Markdown, and the regressions by name."""
    groups: dict[tuple[str, str], list[tuple[Outcome, Outcome]]] = {}
    for pair in found.pairs:
        run = pair[0].run
        groups.setdefault((str(run.cell), run.method.label), []).append(pair)
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


def _row(pairs: Sequence[tuple[Outcome, Outcome]]) -> list[str]:
    sides = list(zip(*pairs, strict=True))
    both = [pair for pair in pairs if pair[0].rank and pair[1].rank]
    times = [shifted_mean([pair[side].seconds for pair in both]) for side in (0, 1)]
    ratio = times[1] / times[0] if both and times[0] > 0 else math.nan
    return [
        str(len(pairs)),
        *(str(sum(outcome.rank == 0 for outcome in side)) for side in sides),
        *(str(sum(outcome.rank == _PROVED for outcome in side)) for side in sides),
        *(_mean_gap(side) for side in sides),
        *(_number(time) for time in times),
        _number(ratio),
    ]


def _mean_gap(side: Sequence[Outcome]) -> str:
    gaps = [float(outcome.gap) for outcome in side if outcome.gap is not None]
    return f"{100 * sum(gaps) / len(gaps):.2g}" if gaps else "-"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _fraction(entry: Mapping[str, Any], name: str) -> Fraction | None:
    return None if entry[name] is None else read_fraction(entry[name], name)
