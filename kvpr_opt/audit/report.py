"""The report from the process of a Python program, for either contract."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import msgspec

from kvpr_opt.audit.process import CompletedRun
from kvpr_opt.audit.verdict import AnswerReading, Finding, Pair, Problem
from kvpr_opt.programs.contract import MISSING

# Maximum number of failed imports or replaced built-ins; the child reports no more.
_MAX_NAMES = 50


class RunReport(msgspec.Struct):
    """The part of a report that both contracts have in common.

    Attributes
    ----------
    outcome
        ``returned``, ``raised``, ``too large`` or ``no function``.
    error
        The exception that was raised.
    seconds
        Duration of the call.
    naive
        The value that the evaluator of the public benchmark sees.
    type
        Name of the type of what was returned.
    patched
        Names of replaced built-in functions.
    failed_imports
        Names of modules that the program's own files could not import.
    uses_package
        Whether they import this package.
    """

    outcome: str
    error: str = ""
    seconds: float = 0.0
    naive: float | None = None
    type: str = ""
    patched: list[str] = []
    failed_imports: list[str] = []
    uses_package: bool = False

    def check(self) -> None:
        """Reject reports that the child cannot have written: the program may have forged them.

        Raises
        ------
        ValueError
            If a number is not valid, or a list is longer than possible.
        """
        if not (math.isfinite(self.seconds) and math.isfinite(self.naive or 0)):
            raise ValueError("a number that is not finite")
        if max(len(self.patched), len(self.failed_imports)) > _MAX_NAMES:
            raise ValueError("more names than are reported")

    def reading(
        self, findings: tuple[Finding, ...], placed: tuple[Pair, ...] | None, naive: float | None
    ) -> AnswerReading:
        """The reading of what was returned."""
        return AnswerReading(
            findings,
            placed,
            naive,
            self.seconds,
            tuple(self.patched),
            tuple(self.failed_imports),
            self.uses_package,
        )


_Report = TypeVar("_Report", bound=RunReport)


def decoded(
    run: CompletedRun, kind: type[_Report], check: Callable[[_Report], object] = RunReport.check
) -> _Report | AnswerReading:
    """The report of a run that ended normally, or the reading of one without an answer.

    Parameters
    ----------
    run, kind
        The run, and the report of its contract.
    check
        Raises a ``ValueError`` for reports that the child cannot have written.
    """
    try:
        report = msgspec.json.decode(run.answer or b"", type=kind)
        check(report)
    except (msgspec.DecodeError, ValueError, RecursionError):
        detail = "the process ended before the function returned"
        return AnswerReading.failed(Problem.CRASH, detail, run.seconds)
    return _failed(report) or report


def _failed(report: RunReport) -> AnswerReading | None:
    """The reading of a report without an answer; ``None`` if there is an answer."""
    if report.outcome == "returned":
        return None
    if report.outcome == "no function":
        finding = Finding(Problem.CRASH, MISSING)
    elif report.outcome == "too large":
        finding = Finding(Problem.NO_PLACEMENT, "more than is read of an answer")
    else:
        finding = Finding(Problem.CRASH, report.error)
    return report.reading((finding,), None, None)
