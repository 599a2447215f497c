"""One run of a study and its outcome, as kept in a record."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Annotated, Any

import msgspec

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.result import Result, Status, StopReason
from kvpr_opt.study.runs import Run
from kvpr_opt.suites.pcmax import PublishedSchedule

_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class TrajectoryPoint(msgspec.Struct, frozen=True):
    """Incumbent and bound from `seconds` after the start on, rounded to doubles.

    ``None`` where there is none yet.
    """

    seconds: _Seconds
    max_kvpr: float | None
    lower_bound: float | None
    stage: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a run that did not fail.

    Attributes
    ----------
    fleet_sha256
        Digest of the fleet that was solved.
    parameters
        What the method was called with.
    status, stop_reason
        As of a :class:`~kvpr_opt.result.Result`.
    max_kvpr, lower_bound
        Exact; ``None`` where there is none. An infeasible fleet has neither.
    certified
        Whether the checker has repeated the proof of the bound.
    seconds
        Wall time.
    trajectory
        Every improvement of incumbent or bound, by time.
    statistics
        Counts, as plain data.
    certificate
        The text of the certificate, where it is to be kept; stored in a file of its
        own, so it is empty in what was read from a record.
    certificate_sha256
        Of that file; empty if none was kept.
    """

    fleet_sha256: str
    parameters: dict[str, Any] = {}
    status: Status
    stop_reason: StopReason
    max_kvpr: Fraction | None = None
    lower_bound: Fraction | None = None
    certified: bool
    seconds: _Seconds
    trajectory: tuple[TrajectoryPoint, ...] = ()
    statistics: dict[str, Any] = {}
    certificate: str = ""
    certificate_sha256: str = ""

    def __post_init__(self) -> None:
        value, bound = self.max_kvpr, self.lower_bound
        if value is None:
            consistent = self.status in (Status.INFEASIBLE, Status.UNKNOWN)
        elif value == bound:
            consistent = self.status is Status.OPTIMAL
        else:
            consistent = self.status is Status.FEASIBLE and (bound is None or bound < value)
        if not consistent:
            raise ValueError(f"the status {self.status.value!r} contradicts the values given")

    @classmethod
    def of(cls, result: Result, *, keep_certificate: bool = False) -> Answer:
        """The answer that a result stands for."""
        certificate = ""
        if keep_certificate and result.certificate is not None:
            certificate = result.certificate.to_json()
        statistics = dict(result.statistics)
        trajectory = statistics.pop("trajectory", [])
        bound = result.lower_bound
        return cls(
            fleet_sha256=digest(result.instance),
            parameters=dict(result.parameters),
            status=result.status,
            stop_reason=result.stop_reason,
            max_kvpr=result.max_kvpr,
            lower_bound=bound if isinstance(bound, Fraction) else None,
            certified=result.certified,
            seconds=round(result.seconds, 4),
            trajectory=msgspec.convert(trajectory, tuple[TrajectoryPoint, ...]),
            statistics=statistics,
            certificate=certificate,
            certificate_sha256=_sha256(certificate) if certificate else "",
        )

    @property
    def gap(self) -> Fraction | None:
        """Exact relative gap; ``None`` without a placement or a bound."""
        return relative_gap(self.max_kvpr, self.lower_bound)

    @property
    def proved(self) -> bool:
        """Whether nothing is left to find out: optimal, or infeasible."""
        return self.status in (Status.OPTIMAL, Status.INFEASIBLE)

    @property
    def cut_short(self) -> bool:
        """Whether the run could have gone on: its limit or Ctrl-C ended it."""
        stopped = (StopReason.TIME_LIMIT, StopReason.INTERRUPTED)
        return not self.proved and self.stop_reason in stopped


class Failure(msgspec.Struct, frozen=True):
    """The outcome of a run that failed, crashed or had to be killed."""

    error: str


class RecordedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run and its outcome: one line of the record.

    Attributes
    ----------
    run
        What was run.
    outcome
        How it ended.
    program_sha256
        Of the source of the user's heuristic; empty for other methods.
    versions
        Of this package and of what it depends on.
    machine
        What it ran on; empty if the run was lost with its machine.
    ended
        When, as ISO 8601.
    schedule
        What is known of the instance of P||Cmax that was solved, if it was one.
    """

    run: Run
    outcome: Answer | Failure
    program_sha256: str = ""
    schedule: PublishedSchedule | None = None
    versions: dict[str, str] = {}
    machine: dict[str, str | int] = {}
    ended: str = ""

    @property
    def answer(self) -> Answer | None:
        """The outcome, unless the run failed."""
        return self.outcome if isinstance(self.outcome, Answer) else None

    @property
    def error(self) -> str | None:
        """Why the run failed; ``None`` if it did not."""
        return self.outcome.error if isinstance(self.outcome, Failure) else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
