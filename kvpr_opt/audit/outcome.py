"""The outcome of an audit: per case, in total, and as the score of the public benchmark."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from kvpr_opt.audit.cases import Case
from kvpr_opt.audit.program import Program
from kvpr_opt.audit.resource_limits import ResourceLimits
from kvpr_opt.audit.verdict import AnswerReading, Finding, Problem, RunVerdict
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.problem.placement import Kvpr

# How far a score in doubles may exceed the best one before it is called impossible.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class CaseAudit:
    """The runs of a program on one case, in fresh processes each.

    Attributes
    ----------
    case
        The fleet.
    runs
        Their verdicts, at least one. The first is scored, even if another is better.
    """

    case: Case
    runs: tuple[RunVerdict, ...]

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong with any run."""
        return all(run.valid for run in self.runs)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, one finding per kind of problem."""
        by_problem: dict[Problem, Finding] = {}
        for run in self.runs:
            for finding in run.findings:
                by_problem.setdefault(finding.problem, finding)
        return tuple(by_problem.values())

    @property
    def repeatable(self) -> bool:
        """Whether all runs gave the same placement and the same problems."""
        first = self.runs[0]
        return all(_alike(run, first) for run in self.runs[1:])

    @property
    def max_kvpr(self) -> Kvpr | None:
        """The exact maximum KVPR of the first run, if its placement has one."""
        return self.runs[0].max_kvpr

    @property
    def gap(self) -> Fraction | None:
        """The relative gap of a valid answer to the bound: (value - bound) / value."""
        value = self.max_kvpr
        if not self.valid or not isinstance(value, Fraction):
            return None
        return relative_gap(value, self.case.lower_bound)


def _alike(one: RunVerdict, other: RunVerdict) -> bool:
    kinds = [{finding.problem for finding in verdict.findings} for verdict in (one, other)]
    placed = [frozenset(verdict.reading.placed or ()) for verdict in (one, other)]
    return kinds[0] == kinds[1] and placed[0] == placed[1]


@dataclass(frozen=True)
class Score:
    """A score as the public benchmark computes it.

    Attributes
    ----------
    inverse_mean
        1 / mean(maximum KVPR).
    success_rate
        Share of the cases that count as solved.
    """

    inverse_mean: float
    success_rate: float

    @property
    def combined(self) -> float:
        """The score: the sum of the two."""
        return self.inverse_mean + self.success_rate


@dataclass(frozen=True)
class Audit:
    """An audit of one program on one suite.

    Attributes
    ----------
    program
        The program.
    suite
        The source of the cases, as named by the user.
    limits
        The resource limits of each run.
    cases
        Case by case, in the order of the suite; at least one.
    runs
        How often each case is run.
    total
        Number of cases in the suite. A stopped audit covers fewer.
    """

    program: Program
    suite: str
    limits: ResourceLimits
    cases: tuple[CaseAudit, ...]
    runs: int
    total: int

    @property
    def complete(self) -> bool:
        """Whether every case has had all its runs."""
        return len(self.cases) == self.total and all(
            len(case.runs) == self.runs for case in self.cases
        )

    @property
    def valid(self) -> bool:
        """Whether every case of the suite is valid."""
        return self.complete and self.faulty == 0

    @property
    def faulty(self) -> int:
        """How many cases are not valid."""
        return sum(not case.valid for case in self.cases)

    @cached_property
    def problems(self) -> dict[Problem, int]:
        """Number of cases with each problem, the most frequent first."""
        counts = Counter(finding.problem for case in self.cases for finding in case.findings)
        return dict(counts.most_common())

    @property
    def unrepeatable(self) -> tuple[str, ...]:
        """Names of the cases where a second run gave another answer."""
        return tuple(case.case.name for case in self.cases if not case.repeatable)

    @property
    def patched(self) -> tuple[str, ...]:
        """Names of the built-in functions that the program replaces."""
        return tuple(sorted({name for run in self._readings for name in run.patched}))

    @property
    def failed_imports(self) -> tuple[str, ...]:
        """Names of the modules that the program's own files could not import."""
        return tuple(sorted({name for run in self._readings for name in run.failed_imports}))

    @property
    def uses_package(self) -> bool:
        """Whether the program's own files import this package."""
        return any(run.uses_package for run in self._readings)

    @property
    def _readings(self) -> list[AnswerReading]:
        return [run.reading for case in self.cases for run in case.runs]

    @cached_property
    def gaps(self) -> tuple[Fraction, ...]:
        """The gaps of the valid cases."""
        return tuple(case.gap for case in self.cases if case.gap is not None)

    @property
    def mean_gap(self) -> Fraction | None:
        """Mean over the valid cases; ``None`` without one."""
        return sum(self.gaps, Fraction(0)) / len(self.gaps) if self.gaps else None

    @property
    def worst(self) -> CaseAudit | None:
        """The valid case with the largest gap; ``None`` without one."""
        valid = [case for case in self.cases if case.gap is not None]
        return max(valid, key=lambda case: case.gap or 0, default=None)

    @property
    def optimal(self) -> int:
        """How many cases are solved to their optimum."""
        return sum(gap == 0 for gap in self.gaps)

    @property
    def seconds(self) -> tuple[float, ...]:
        """Duration of each run."""
        return tuple(run.reading.seconds for case in self.cases for run in case.runs)

    @cached_property
    def naive(self) -> Score:
        """The score that an evaluator without checks gives, as it reads the first runs.

        Runs that raise an error, time out or do not return a dict are left out of the mean.
        """
        seen = [case.runs[0].reading.naive for case in self.cases]
        values = [value for value in seen if value is not None]
        mean = math.fsum(values) / len(values) if values else 0.0
        return Score(1 / mean if mean else 0.0, len(values) / len(seen))

    @cached_property
    def honest(self) -> Score | None:
        """The score by the exact values; ``None`` unless every case is valid."""
        values = [case.max_kvpr for case in self.cases]
        return _score([value for value in values if isinstance(value, Fraction)], self.valid)

    @cached_property
    def best(self) -> Score | None:
        """The score of the proved bounds, which no valid program can beat."""
        return _score([case.case.lower_bound for case in self.cases], True)

    @property
    def impossible(self) -> bool:
        """Whether the naive score is above the best possible one."""
        return self.best is not None and self.naive.combined > self.best.combined * (1 + _ROUNDING)


def _score(values: Sequence[Fraction], valid: bool) -> Score | None:
    """The score of exact values; ``None`` if no fleet has pressure, so that the mean is 0."""
    total = sum(values, Fraction(0))
    if not valid or not total:
        return None
    try:
        return Score(float(len(values) / total), 1.0)
    except OverflowError:
        return Score(math.inf, 1.0)
