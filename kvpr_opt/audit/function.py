"""The interface of the public benchmark: ``compute_model_placement(gpu_num, models)``.

It has no word for the memory of a GPU: the benchmark's is 80, and its programs have that
number built in. A fleet of identical GPUs of another memory C is told in units in which C
is 80, which changes no verdict and multiplies every KVPR by the same number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction

import msgspec

from kvpr_opt.audit.child import BENCHMARK_MEMORY, FIELDS, FUNCTION
from kvpr_opt.audit.process import CompletedRun
from kvpr_opt.audit.verdict import Finding, Pair, Problem, Reading, listed
from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import Instance

_Value = int | float | str | None
_Item = tuple[int | None, list[_Value]]


class _Report(msgspec.Struct):
    """What :mod:`kvpr_opt.audit.child` reports."""

    outcome: str
    error: str = ""
    seconds: float = 0.0
    naive: float | None = None
    patched: list[str] = []
    inputs: list[list[_Value]] = []
    order: list[int | None] = []
    type: str = ""
    gpus: list[tuple[int | str, list[_Item] | str]] | None = None


def benchmark_scale(instance: Instance) -> Fraction:
    """The factor from the memory of the fleet to that of the benchmark.

    Raises
    ------
    InputError
        If the GPUs differ in memory, or have none to use.
    """
    capacities = {gpu.usable for gpu in instance.gpus}
    if len(capacities) > 1 or capacities == {0}:
        raise InputError(
            f"{FUNCTION}(gpu_num, models) cannot be told of GPUs of different memory, or of none; "
            "an executable can"
        )
    return BENCHMARK_MEMORY / capacities.pop()


def case_file(instance: Instance) -> bytes:
    """The case as :mod:`kvpr_opt.audit.child` reads it, with nothing in it but the fleet."""
    records = [
        {**dict(zip(FIELDS, values, strict=True)), "cur_gpu_id": index}
        for index, values in enumerate(_told(instance))
    ]
    return json.dumps({"gpu_num": len(instance.gpus), "models": records}).encode()


def _told(instance: Instance) -> list[list[_Value]]:
    """The values of the fields that the program gets for each model."""
    scale = benchmark_scale(instance)
    told: list[list[_Value]] = []
    for model in instance.models:
        rate, slo = model.req_rate, model.slo
        if rate is None or slo is None or model.part is not None:
            rate, slo = model.pressure, Fraction(1)
        told.append([model.name, *map(_number, (model.footprint * scale, rate, slo))])
    return told


def _number(value: Fraction) -> int | float:
    """A whole number as such, like the benchmark has them; else the nearest double."""
    return value.numerator if value.denominator == 1 else float(value)


def read(instance: Instance, run: CompletedRun, source: str) -> Reading:
    """The answer in the report of a run that came to its regular end.

    Parameters
    ----------
    instance
        The fleet.
    run
        The run.
    source
        The program, for errors.

    Raises
    ------
    InputError
        If the program has no function to call.
    """
    try:
        report = msgspec.json.decode(run.answer or b"", type=_Report)
        _check(report, len(instance.models))
    except (msgspec.DecodeError, ValueError):
        detail = "the process ended before the function returned"
        return Reading.failed(Problem.CRASH, detail, run.seconds)
    return _read(instance, report, source)


def _check(report: _Report, models: int) -> None:
    """Refuse what no report of the child looks like: the program may have written it."""
    items = [item for _, found in report.gpus or () for item in found if not isinstance(item, str)]
    values = [*report.inputs, *(values for _, values in items)]
    if any(len(fields) != len(FIELDS) for fields in values):
        raise ValueError("a model with other fields")
    if any(position is not None and not 0 <= position < models for position, _ in items):
        raise ValueError("a model that was not given")
    if report.outcome == "returned" and len(report.inputs) != models:
        raise ValueError("other inputs than were given")


def _read(instance: Instance, report: _Report, source: str) -> Reading:
    if report.outcome == "no function":
        raise InputError(f"it has no function {FUNCTION}(gpu_num, models)", source=source)
    if report.outcome != "returned":
        return Reading.failed(Problem.CRASH, report.error, report.seconds)
    told = _told(instance)
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
    naive = None if report.naive is None else report.naive * float(benchmark_scale(instance))
    return Reading(tuple(findings), placed, naive, report.seconds, tuple(report.patched))


def _mutations(report: _Report, told: Sequence[list[_Value]]) -> list[Finding]:
    """What has become of the objects and of the list that the program was given."""
    changes = [_changed(before, after) for before, after in zip(told, report.inputs, strict=True)]
    found = [change for change in changes if change]
    if len(report.order) != len(told):
        found.append(f"the list of models has {len(report.order)} entries, not {len(told)}")
    elif report.order != list(range(len(told))):
        found.append("the list of models has other entries, or another order")
    return [Finding(Problem.MUTATED, listed(found, 1))] if found else []


def _changed(before: list[_Value], after: list[_Value]) -> str:
    """The first field that has another value, in words; empty if none has."""
    for name, old, new in zip(FIELDS, before, after, strict=True):
        if old != new:
            return f"{name} of {before[0]} is {new}, was {old}"
    return ""


class _Answer:
    """Goes through what was returned, GPU by GPU."""

    def __init__(self, told: Sequence[list[_Value]], gpus: int) -> None:
        self.placed: list[Pair] = []
        self.unreadable: list[str] = []
        self._altered: list[str] = []
        self._told = told
        self._gpus = gpus
        self._index = {values[0]: index for index, values in enumerate(told)}

    def add(self, key: int | str, models: list[_Item] | str) -> None:
        """Take what stands under one key; an empty list places nothing, wherever it stands."""
        if isinstance(models, str):
            self.unreadable.append(f"{models} under the key {key}, not a list of models")
            return
        gpu = key if isinstance(key, int) and 0 <= key < self._gpus else str(key)
        for position, values in models:
            model = position if position is not None else self._by_name(values)
            if model is not None:
                self.placed.append((model, gpu))

    def _by_name(self, values: list[_Value]) -> int | str | None:
        """Which model of the fleet an object stands for that is none of those given."""
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
