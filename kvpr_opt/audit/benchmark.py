"""Answers of the benchmark's function, ``compute_model_placement(gpu_num, models)``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction

import msgspec

from kvpr_opt.audit.process import CompletedRun
from kvpr_opt.audit.report import RunReport, decoded
from kvpr_opt.audit.verdict import AnswerReading, Finding, Pair, Problem, listed
from kvpr_opt.problem.instance import Instance
from kvpr_opt.programs.benchmark import benchmark_scale, records
from kvpr_opt.programs.contract import FIELDS

_Value = int | float | str | None
_Item = int | list[_Value]


class _BenchmarkReport(RunReport):
    """The report of :mod:`kvpr_opt.audit.child` on such a function."""

    changed: list[tuple[int, list[_Value]]] = msgspec.field(default_factory=list)
    entries: int = 0
    kept: bool = False
    gpus: list[tuple[int | str, list[_Item] | str]] | None = None


def case_file(instance: Instance) -> bytes:
    """The case as :mod:`kvpr_opt.audit.child` reads it, containing nothing but the fleet.

    Raises
    ------
    InputError
        If the interface cannot express the fleet.
    """
    return json.dumps({"gpu_num": len(instance.gpus), "models": records(instance)}).encode()


def read(instance: Instance, run: CompletedRun) -> AnswerReading:
    """The answer in the report of a run that ended normally.

    Parameters
    ----------
    instance
        The fleet.
    run
        The run.
    """
    models = len(instance.models)
    report = decoded(run, _BenchmarkReport, lambda found: _check(found, models))
    return report if isinstance(report, AnswerReading) else _read(instance, report)


def _check(report: _BenchmarkReport, models: int) -> None:
    """Reject reports that the child cannot have written: the program may have forged them."""
    report.check()
    items = [item for _, found in report.gpus or () for item in found if not isinstance(item, str)]
    values = [*(item for item in items if not isinstance(item, int))]
    values += [values for _, values in report.changed]
    if any(len(fields) != len(FIELDS) for fields in values):
        raise ValueError("a model with other fields")
    positions = [item for item in items if isinstance(item, int)]
    positions += [position for position, _ in report.changed]
    if any(not 0 <= position < models for position in positions):
        raise ValueError("a model that was not given")


def _read(instance: Instance, report: _BenchmarkReport) -> AnswerReading:
    told = [[record[field] for field in FIELDS] for record in records(instance)]
    findings = _mutations(report, told)
    placed = None
    if report.gpus is None:
        detail = f"it returned {report.type}, not a dict of lists of models"
        findings.append(Finding(Problem.NO_PLACEMENT, detail))
    else:
        answer = _Answer(told, len(instance.gpus))
        for gpu, models in report.gpus:
            answer.add(gpu, models)
        findings += answer.findings()
        placed = None if answer.unreadable else tuple(answer.placed)
    return report.reading(tuple(findings), placed, _in_units_of(instance, report.naive))


def _in_units_of(instance: Instance, naive: float | None) -> float | None:
    """Convert a value from the benchmark's units to the fleet's; 0, as there, on overflow."""
    if naive is None:
        return None
    try:
        return float(Fraction(naive) * benchmark_scale(instance))
    except OverflowError:
        return 0.0


def _mutations(report: _BenchmarkReport, told: Sequence[Sequence[_Value]]) -> list[Finding]:
    """Changes to the objects and the list that the program was given."""
    changes = [_changed(told[position], after) for position, after in report.changed]
    found = [change for change in changes if change]
    if report.entries != len(told):
        found.append(f"the list of models has {report.entries} entries, not {len(told)}")
    elif not report.kept:
        found.append("the list of models has other entries, or another order")
    return [Finding(Problem.MUTATED, listed(found, 1))] if found else []


def _changed(before: Sequence[_Value], after: Sequence[_Value]) -> str:
    """A description of the first changed field; empty if there is none."""
    for name, old, new in zip(FIELDS, before, after, strict=True):
        if old != new:
            return f"{name} of {before[0]} is {new}, was {old}"
    return ""


class _Answer:
    """Goes through what was returned, GPU by GPU."""

    def __init__(self, told: Sequence[Sequence[_Value]], gpus: int) -> None:
        self.placed: list[Pair] = []
        self.unreadable: list[str] = []
        self._altered: list[str] = []
        self._told = told
        self._gpus = gpus
        self._index = {values[0]: index for index, values in enumerate(told)}

    def add(self, key: int | str, models: list[_Item] | str) -> None:
        """Add the value of one key."""
        if isinstance(models, str):
            self.unreadable.append(f"{models} under the key {key}, not a list of models")
            return
        gpu = key if isinstance(key, int) and 0 <= key < self._gpus else str(key)
        for item in models:
            model = item if isinstance(item, int) else self._by_name(item)
            if model is not None:
                self.placed.append((model, gpu))

    def _by_name(self, values: list[_Value]) -> int | str | None:
        """The model that an object stands for, if it is not one of the given objects."""
        name = values[0]
        if not isinstance(name, str):
            self.unreadable.append("an object without a model_name among the models")
            return None
        index = self._index.get(name)
        if index is None:
            return name
        change = _changed(self._told[index], values)
        if change:
            self._altered.append(f"in a copy, {change}")
        return index

    def findings(self) -> list[Finding]:
        """What is wrong with the objects in it."""
        kinds = ((Problem.NO_PLACEMENT, self.unreadable), (Problem.MUTATED, self._altered))
        return [Finding(problem, listed(found, 1)) for problem, found in kinds if found]
