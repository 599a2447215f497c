"""From the entries of a record to outcomes: which runs are of one fleet, and of one method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from kvpr_opt.files.text import one_line
from kvpr_opt.study.analysis.outcomes import Event, Fleet, Outcome, Outcomes
from kvpr_opt.study.analysis.table import value_of
from kvpr_opt.study.runs import Method, run_of


def read_outcomes(entries: Sequence[Mapping[str, Any]]) -> Outcomes:
    """The runs of a record.

    Parameters
    ----------
    entries
        As :func:`kvpr_opt.study.record.read_entries` gives them.

    Raises
    ------
    InputError
        If a value is no exact number.
    """
    fleets = _fleets(entries)
    methods = [run_of(entry["run"]).method for entry in entries]
    names = _method_names(list(zip(methods, fleets, strict=True)))
    return Outcomes(
        tuple(
            _outcome(entry, fleet, names[method])
            for entry, fleet, method in zip(entries, fleets, methods, strict=True)
        )
    )


def _fleets(entries: Sequence[Mapping[str, Any]]) -> list[Fleet]:
    """The fleet of each entry. That of a failed run is known from other runs on it."""
    named = []
    for entry in entries:
        run = entry["run"]
        which = run.get("fleet", f"seed {run['seed']}")
        name = one_line(f"{run_of(run).cell}, {which}")
        # A fleet that was not drawn has no family but what it came by.
        family = run.get("cell", run["family"])
        named.append((name, one_line(family), entry.get("fleet_sha256", "")))
    digests = {name: digest for name, _, digest in named if digest}
    return [Fleet(name, family, digest or digests.get(name, "")) for name, family, digest in named]


def _method_names(pairs: Sequence[tuple[Method, Fleet]]) -> dict[Method, str]:
    """A name for each method that tells it from all others on the same fleet.

    Threads are named where they vary. A limit is named only where one fleet was
    run with several: else it goes with the fleet, and the method is the same.
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


def _ambiguous(names: Mapping[Method, str], pairs: Sequence[tuple[Method, Fleet]]) -> list[Method]:
    """The methods whose name stands for several methods on one fleet."""
    meeting: dict[tuple[str, Fleet], set[Method]] = defaultdict(set)
    for method, fleet in pairs:
        meeting[names[method], fleet].add(method)
    shared = {name for (name, _), methods in meeting.items() if len(methods) > 1}
    return [method for method, name in names.items() if name in shared]


def _outcome(entry: Mapping[str, Any], fleet: Fleet, method: str) -> Outcome:
    limit = entry["run"]["method"]["time_limit"]
    if "error" in entry:
        return Outcome(fleet, method, limit, error=one_line(entry["error"]))
    return Outcome(
        fleet,
        method,
        limit,
        status=entry["status"],
        stop_reason=entry["stop_reason"],
        seconds=entry["seconds"],
        certified=entry["certified"],
        incumbent=value_of(entry, "max_kvpr"),
        bound=value_of(entry, "lower_bound"),
        events=_events(entry),
    )


def _events(entry: Mapping[str, Any]) -> tuple[Event, ...]:
    events = [
        Event(event["seconds"], event["max_kvpr"], event["lower_bound"])
        for event in entry.get("trajectory", [])
    ]
    incumbent, bound = value_of(entry, "max_kvpr"), value_of(entry, "lower_bound")
    end = Event(
        entry["seconds"],
        None if incumbent is None else float(incumbent),
        None if bound is None else float(bound),
    )
    return (*events, end)
