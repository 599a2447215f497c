"""What is wrong with an answer, if anything, and what the answer is worth exactly."""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from kvpr_opt.exact import decimal_text
from kvpr_opt.instance import Instance
from kvpr_opt.placement import Kvpr, Placement


class Problem(enum.Enum):
    """What can be wrong with the answer to one case."""

    TIMEOUT = "timeout"
    CRASH = "crash"
    NO_PLACEMENT = "no placement"
    DROPPED = "dropped models"
    DUPLICATED = "duplicated models"
    FOREIGN_GPU = "foreign GPU ids"
    FOREIGN_MODEL = "foreign models"
    MUTATED = "mutated inputs"
    OVERFULL = "overfull GPU"
    INFINITE = "infinite KVPR"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and where it shows."""

    problem: Problem
    detail: str

    def __str__(self) -> str:
        return f"{self.problem.value}: {self.detail}"


@dataclass(frozen=True)
class Reading:
    """The answer of a program to one case, read but not judged.

    Attributes
    ----------
    findings
        What was wrong with it already at reading.
    placed
        Pairs of model and GPU, by their indices in the instance, without an index for a GPU
        that does not exist; ``None`` where there is no placement to speak of.
    naive
        The maximum KVPR that a naive evaluator sees, in the units of the fleet; ``None``
        where it skips the case.
    seconds
        What the program took: the call of its function, or its process.
    patched
        Names of built-in functions that it has replaced.
    """

    findings: tuple[Finding, ...] = ()
    placed: tuple[tuple[int, int | None], ...] | None = None
    naive: float | None = None
    seconds: float = 0.0
    patched: tuple[str, ...] = ()

    @classmethod
    def failed(cls, problem: Problem, detail: str, seconds: float = 0.0) -> Reading:
        """The reading of a run that left no answer."""
        return cls(findings=(Finding(problem, detail),), seconds=seconds)


@dataclass(frozen=True)
class Verdict:
    """What one run of a program on one case comes to.

    Attributes
    ----------
    findings
        What is wrong; empty for a valid run.
    assignment
        Name of the GPU by name of the model, where every model is placed exactly once on a
        GPU that exists.
    max_kvpr
        Its exact maximum KVPR by the numbers of the fleet, where the memory is kept too.
        A run that is not valid for another reason, such as mutated inputs, has one as well.
    reading
        What this rests on.
    """

    findings: tuple[Finding, ...]
    assignment: dict[str, str] | None = field(repr=False)
    max_kvpr: Kvpr | None
    reading: Reading = field(repr=False)

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def judge(instance: Instance, reading: Reading) -> Verdict:
    """Check an answer against the fleet: every model once, memory kept, exact KVPR.

    Parameters
    ----------
    instance
        The fleet, as it was before the program saw it.
    reading
        The answer.
    """
    findings = list(reading.findings)
    if reading.placed is None:
        return Verdict(tuple(findings), None, None, reading)
    findings += _counted(instance, reading.placed)
    findings += _overfull(instance, reading.placed)
    broken = {Problem.DROPPED, Problem.DUPLICATED, Problem.FOREIGN_GPU, Problem.FOREIGN_MODEL}
    if any(finding.problem in broken for finding in findings):
        return Verdict(tuple(findings), None, None, reading)
    gpu_of = {model: instance.gpus[gpu].name for model, gpu in reading.placed if gpu is not None}
    assignment = {model.name: gpu_of[index] for index, model in enumerate(instance.models)}
    if any(finding.problem is Problem.OVERFULL for finding in findings):
        return Verdict(tuple(findings), assignment, None, reading)
    value = Placement.of(instance, assignment).max_kvpr
    if value == math.inf:
        findings.append(Finding(Problem.INFINITE, "a GPU under pressure has no memory left"))
    return Verdict(tuple(findings), assignment, value, reading)


def _counted(instance: Instance, placed: Sequence[tuple[int, int | None]]) -> list[Finding]:
    """Models that are placed nowhere, or more than once."""
    times = Counter(model for model, _ in placed)
    names = [model.name for model in instance.models]
    dropped = [name for index, name in enumerate(names) if times[index] == 0]
    repeated = [name for index, name in enumerate(names) if times[index] > 1]
    kinds = ((Problem.DROPPED, dropped), (Problem.DUPLICATED, repeated))
    return [
        Finding(kind, f"{len(found)} of {len(names)}: {listed(found)}")
        for kind, found in kinds
        if found
    ]


def _overfull(instance: Instance, placed: Iterable[tuple[int, int | None]]) -> list[Finding]:
    """GPUs with more weights than memory, by the models that are placed at all."""
    used = [Fraction(0)] * len(instance.gpus)
    for model, gpu in set(placed):
        if gpu is not None:
            used[gpu] += instance.models[model].size
    overfull = [
        f"{gpu.name} holds {decimal_text(weights)} of {decimal_text(gpu.usable)}"
        for gpu, weights in zip(instance.gpus, used, strict=True)
        if weights > gpu.usable
    ]
    return [Finding(Problem.OVERFULL, listed(overfull))] if overfull else []


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first few of several names, and how many more there are."""
    more = len(names) - most
    text = ", ".join(names[:most])
    return f"{text} and {more} more" if more > 0 else text
