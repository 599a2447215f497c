"""Answers by name: an executable's on standard output, and those of ``place(instance)``.

Both receive the fleet as a file in this package's own schema, with every number exact,
and answer with a GPU name for each model name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kvpr_opt.audit.child import BENCHMARK_FULL
from kvpr_opt.audit.process import CompletedRun
from kvpr_opt.audit.report import RunReport, decoded
from kvpr_opt.audit.verdict import AnswerReading, Finding, Pair, Problem
from kvpr_opt.files.writing import instance_json
from kvpr_opt.problem.instance import Instance
from kvpr_opt.programs.contract import PLACE


class _PlaceReport(RunReport):
    """The report of :mod:`kvpr_opt.audit.child` on a function ``place``."""

    pairs: list[tuple[str, str]] | None = None


class _Members(list[tuple[str, Any]]):
    """A JSON object with all of its members, including those with repeated keys."""


def fleet_file(instance: Instance) -> bytes:
    """The fleet as the program reads it."""
    return instance_json(instance).encode()


def read_report(instance: Instance, run: CompletedRun) -> AnswerReading:
    """The answer of a function ``place`` in the report of a run that ended normally.

    Parameters
    ----------
    instance
        The fleet.
    run
        The run.
    """
    report = decoded(run, _PlaceReport)
    if isinstance(report, AnswerReading):
        return report
    if report.pairs is None:
        detail = (
            f"{PLACE} found none: it returned None"
            if report.type == "NoneType"
            else f"{PLACE} returned {report.type}, not a mapping from models to GPUs"
        )
        return report.reading((Finding(Problem.NO_PLACEMENT, detail),), None, None)
    pairs = report.pairs
    return report.reading((), _placed(instance, pairs), _naive(instance, pairs))


def read_output(instance: Instance, run: CompletedRun) -> AnswerReading:
    """The answer of an executable whose run ended normally.

    Parameters
    ----------
    instance
        The fleet.
    run
        The run.
    """
    findings = []
    if not run.input_kept:
        findings.append(Finding(Problem.MUTATED, "the file of the fleet was changed"))
    members = _members(run.answer)
    if isinstance(members, str):
        findings.append(Finding(Problem.NO_PLACEMENT, members))
        return AnswerReading(tuple(findings), seconds=run.seconds)
    pairs = [(name, gpu if isinstance(gpu, str) else _told(gpu)) for name, gpu in members]
    placed, naive = _placed(instance, pairs), _naive(instance, pairs)
    return AnswerReading(tuple(findings), placed, naive, run.seconds)


def _told(value: Any) -> str:
    """How to show a value that is not a GPU name; for a nested one, only its type."""
    if isinstance(value, list):
        return "a JSON object" if isinstance(value, _Members) else "a JSON array"
    return json.dumps(value)


def _members(answer: bytes | None) -> list[tuple[str, Any]] | str:
    """A model name and a GPU name for each member of the answer, or what is wrong with it."""
    if answer is None:
        return "more on standard output than is read of an answer"
    try:
        data = json.loads(answer, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        said = answer[:40].decode("utf-8", "replace")
        return f"standard output is not JSON: {said!r}" if said else "nothing on standard output"
    if not isinstance(data, _Members):
        return f"standard output is a JSON {type(data).__name__}, not an object"
    return data


def _placed(instance: Instance, pairs: Iterable[tuple[str, str]]) -> tuple[Pair, ...]:
    models, gpus = instance.model_index, instance.gpu_index
    return tuple((models.get(name, name), gpus.get(gpu, gpu)) for name, gpu in pairs)


def _naive(instance: Instance, pairs: Iterable[tuple[str, str]]) -> float:
    """The maximum KVPR over the GPUs that are named, whether they exist or not.

    The counterpart of :func:`kvpr_opt.audit.child.naive_outcome`, which reads the objects of
    the benchmark. A GPU that the fleet does not have counts as a copy of its first one. A
    value beyond the range of a double counts as 0, as there.
    """
    loads: dict[str, list[float]] = {}
    try:
        memory = {gpu.name: float(gpu.usable) for gpu in instance.gpus}
        for name, gpu in dict(pairs).items():
            if name in instance.model_index:
                model = instance.models[instance.model_index[name]]
                load = loads.setdefault(gpu, [0.0, 0.0])
                load[0] += float(model.footprint)
                load[1] += float(model.pressure)
        highest = 0.0
        for gpu, (size, pressure) in loads.items():
            free = memory.get(gpu, float(instance.gpus[0].usable)) - size
            highest = max(highest, pressure / free if free > 0 else BENCHMARK_FULL)
    except OverflowError:
        return 0.0
    return highest if highest < float("inf") else 0.0
