"""From recorded runs to outcomes: which runs are on one fleet, and which are by one method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from kvpr_opt.study.analysis.outcomes import Outcome, Outcomes, StudyFleet
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.runs import Method
from kvpr_opt.suites.cells import FixedFleet
from kvpr_opt.text import one_line


def read_outcomes(runs: Sequence[RecordedRun]) -> Outcomes:
    """The outcomes of recorded runs, in their order."""
    fleets = _fleets(runs)
    names = _method_names([(r.run.method, fleet) for r, fleet in zip(runs, fleets, strict=True)])
    return Outcomes(
        tuple(
            Outcome(
                fleet,
                names[recorded.run.method],
                recorded.run.method.time_limit,
                recorded.answer,
                one_line(recorded.error or ""),
            )
            for recorded, fleet in zip(runs, fleets, strict=True)
        )
    )


def _fleets(runs: Sequence[RecordedRun]) -> list[StudyFleet]:
    """The fleet of each run. That of a failed run is known from other runs on it."""
    digests = {r.run.fleet_label: r.answer.fleet_sha256 for r in runs if r.answer is not None}
    return [
        StudyFleet(
            r.run.fleet_label,
            _family(r),
            r.answer.fleet_sha256 if r.answer else digests.get(r.run.fleet_label, ""),
        )
        for r in runs
    ]


def _family(recorded: RecordedRun) -> str:
    """The family of a fleet; for one that was not drawn, where it came from."""
    cell = recorded.run.cell
    return one_line(cell.cell if isinstance(cell, FixedFleet) else cell.family)


def _method_names(pairs: Sequence[tuple[Method, StudyFleet]]) -> dict[Method, str]:
    """A name for each method that distinguishes it from all others on the same fleet.

    Threads are named if they vary. A limit is named only if one fleet was run with
    several limits; otherwise it belongs to the fleet, and the method is the same.
    """
    names = {method: one_line(method.label) for method, _ in pairs}
    threads: dict[str, set[int | None]] = defaultdict(set)
    for method, name in names.items():
        threads[name].add(method.threads)
    for method, name in names.items():
        if len(threads[name]) > 1:
            count = "all" if method.threads is None else method.threads
            names[method] += f", {count} threads"
    for method in _ambiguous(names, pairs):
        limit = method.time_limit
        names[method] += ", no limit" if limit is None else f", {limit:g} s"
    for number, method in enumerate(_ambiguous(names, pairs), start=1):
        names[method] += f" ({number})"
    return names


def _ambiguous(
    names: Mapping[Method, str], pairs: Sequence[tuple[Method, StudyFleet]]
) -> list[Method]:
    """The methods whose name stands for several methods on one fleet."""
    meeting: dict[tuple[str, StudyFleet], set[Method]] = defaultdict(set)
    for method, fleet in pairs:
        meeting[names[method], fleet].add(method)
    shared = {name for (name, _), methods in meeting.items() if len(methods) > 1}
    return [method for method, name in names.items() if name in shared]
