"""What is wrong with an answer, if anything, and its exact value."""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from kvpr_opt.problem.exact import decimal_text
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Kvpr, Placement
from kvpr_opt.text import one_line, writable

# Maximum characters of a name, or of a remark on one, that a finding quotes.
_MAX_NAME = 200

# Maximum bytes in the detail of a finding.
_MAX_DETAIL = 1000

#: A model and a GPU, each by its index, or by the text of one that does not exist.
Pair = tuple[int | str, int | str]


class Problem(enum.Enum):
    """What can be wrong with the answer to one case."""

    TIMEOUT = "timeout"
    CRASH = "crash"
    NOT_RUN = "not run"
    NO_PLACEMENT = "no placement"
    DROPPED = "dropped models"
    DUPLICATED = "duplicated models"
    FOREIGN_GPU = "foreign GPU ids"
    FOREIGN_MODEL = "foreign models"
    MUTATED = "mutated inputs"
    OVERFULL = "overfull GPU"
    CONSTRAINT = "broken constraint"
    INFINITE = "infinite KVPR"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and where it shows.

    Attributes
    ----------
    problem
        What it is.
    detail
        One line of bounded length, safe to write to any file whatever the program said.
    """

    problem: Problem
    detail: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", one_line(writable(self.detail, _MAX_DETAIL)))

    def __str__(self) -> str:
        return f"{self.problem.value}: {self.detail}"


@dataclass(frozen=True)
class AnswerReading:
    """The answer of a program to one case, read but not judged.

    Attributes
    ----------
    findings
        Problems already found while reading it.
    placed
        Pairs of model and GPU: indices in the instance, or the text of a name that the fleet
        does not have; ``None`` without a placement.
    naive
        The maximum KVPR that a naive evaluator sees, in the units of the fleet; ``None``
        if it skips the case.
    seconds
        Duration of the function call, or of the process.
    patched
        Names of the built-in functions that it has replaced.
    failed_imports
        Names of the modules that its own files failed to import.
    uses_package
        Whether its own files import this package, whose solver could do its work.
    """

    findings: tuple[Finding, ...] = ()
    placed: tuple[Pair, ...] | None = None
    naive: float | None = None
    seconds: float = 0.0
    patched: tuple[str, ...] = ()
    failed_imports: tuple[str, ...] = ()
    uses_package: bool = False

    @classmethod
    def failed(cls, problem: Problem, detail: str, seconds: float = 0.0) -> AnswerReading:
        """The reading of a run that left no answer."""
        return cls(findings=(Finding(problem, detail),), seconds=seconds)


@dataclass(frozen=True)
class RunVerdict:
    """The verdict on one run of a program on one case.

    Attributes
    ----------
    findings
        What is wrong; empty for a valid run.
    assignment
        GPU name by model name, if every model is placed exactly once on an existing GPU.
    max_kvpr
        Its exact maximum KVPR by the numbers of the fleet, where memory and constraints are
        kept, too.
        A run that is not valid for another reason, such as mutated inputs, has one as well.
    reading
        The reading on which the verdict is based.
    """

    findings: tuple[Finding, ...]
    assignment: dict[str, str] | None = field(repr=False)
    max_kvpr: Kvpr | None
    reading: AnswerReading = field(repr=False)

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def judge(instance: Instance, reading: AnswerReading) -> RunVerdict:
    """Check an answer against the fleet: each model once, memory and constraints, exact KVPR.

    Parameters
    ----------
    instance
        The fleet, as it was before the program saw it.
    reading
        The answer.
    """
    placed = reading.placed
    if placed is None:
        return RunVerdict(reading.findings, None, None, reading)
    findings = (*reading.findings, *_counted(instance, placed), *_overfull(instance, placed))
    gpu_of = {model: gpu for model, gpu in placed if isinstance(gpu, int)}
    if len(placed) != len(instance.models) or gpu_of.keys() != set(range(len(placed))):
        return RunVerdict(findings, None, None, reading)
    names = [gpu.name for gpu in instance.gpus]
    assignment = {model.name: names[gpu_of[n]] for n, model in enumerate(instance.models)}
    if any(finding.problem is Problem.OVERFULL for finding in findings):
        return RunVerdict(findings, assignment, None, reading)
    if instance.constraints:
        broken = instance.constraints.broken([gpu_of[n] for n in range(len(placed))])
        if broken:
            findings += (Finding(Problem.CONSTRAINT, broken),)
            return RunVerdict(findings, assignment, None, reading)
    value = Placement.of(instance, assignment).max_kvpr
    if value == math.inf:
        findings += (Finding(Problem.INFINITE, "a GPU under pressure has no memory left"),)
    return RunVerdict(findings, assignment, value, reading)


def _counted(instance: Instance, placed: Sequence[Pair]) -> list[Finding]:
    """GPUs and models that do not exist, models that are placed nowhere or more than once."""
    models = Counter(model for model, _ in placed)
    gpus = dict.fromkeys(gpu for _, gpu in placed)
    names = [model.name for model in instance.models]
    dropped = [name for index, name in enumerate(names) if models[index] == 0]
    repeated = [name for index, name in enumerate(names) if models[index] > 1]
    foreign = [[name for name in side if isinstance(name, str)] for side in (gpus, models)]
    out_of = f" of {len(names)}: "
    kinds = (
        (Problem.FOREIGN_GPU, foreign[0], ""),
        (Problem.FOREIGN_MODEL, foreign[1], ""),
        (Problem.DROPPED, dropped, f"{len(dropped)}{out_of}"),
        (Problem.DUPLICATED, repeated, f"{len(repeated)}{out_of}"),
    )
    return [Finding(kind, f"{count}{listed(found)}") for kind, found, count in kinds if found]


def _overfull(instance: Instance, placed: Iterable[Pair]) -> list[Finding]:
    """GPUs whose placed models have more weights than fit in memory."""
    used = [Fraction(0)] * len(instance.gpus)
    for model, gpu in set(placed):
        if isinstance(model, int) and isinstance(gpu, int):
            used[gpu] += instance.models[model].footprint
    overfull = [
        f"{gpu.name} holds {decimal_text(weights)} of {decimal_text(gpu.usable)}"
        for gpu, weights in zip(instance.gpus, used, strict=True)
        if weights > gpu.usable
    ]
    return [Finding(Problem.OVERFULL, listed(overfull))] if overfull else []


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first few of several names, and how many more there are."""
    more = len(names) - most
    text = ", ".join(
        name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}..." for name in names[:most]
    )
    return f"{text} (and {more} more)" if more > 0 else text
