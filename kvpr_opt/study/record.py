"""The record of a study: one run a line, as JSON, only ever appended to, by one process.

What is on disk survives a kill at any moment: a line is written in one piece and
flushed to the disk before the next run starts. A last line without its newline was
being written when the process was killed; it is cut off, and its run is run again.

A line that is damaged is reported with its number, skipped and left alone; its run is
run again. ``docs/study_format.md`` describes the keys of a line.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal

import msgspec

from kvpr_opt.certificates.canonical import canonical_fleet, digest
from kvpr_opt.errors import InputError
from kvpr_opt.files.atomic import write_text
from kvpr_opt.files.source import read_text, refusal
from kvpr_opt.problem.exact import fraction_text, read_fraction, relative_gap
from kvpr_opt.result import Result, Status, StopReason
from kvpr_opt.study.runs import Run, run_of
from kvpr_opt.suites.pcmax import PublishedSchedule
from kvpr_opt.text import one_line, writable

if sys.platform != "win32":
    import fcntl

#: The value of the key ``schema`` in every line.
SCHEMA = "kvpr-opt/run/1"

#: The record inside the folder of a study.
FILE_NAME = "runs.jsonl"

#: The keys of the runs that were asked for last, one a line, in the same folder. The study
#: file itself does not tell: read elsewhere, its paths lead to other files.
ASKED_NAME = "asked.txt"

#: The folder of kept certificates: ``KEY.json``, and ``KEY.fleet.json`` for its fleet.
CERTIFICATES_NAME = "certificates"

#: Damaged lines that are reported one by one.
MAX_REMARKS = 20

# A larger KVPR is no measurement; it could not be drawn either, being beyond a double.
_MAX_KVPR = 10**300

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


class _Head(msgspec.Struct, frozen=True):
    """The keys that every line has, and the one that only a failed run has."""

    schema: Literal["kvpr-opt/run/1"]
    key: str
    run: dict[str, Any]
    program_sha256: str = ""
    schedule: PublishedSchedule | None = None
    versions: dict[str, str] = {}
    machine: dict[str, str | int] = {}
    ended: str = ""
    error: str | None = None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _exact(_type: type, text: Any) -> Fraction:
    """Decode an exact value."""
    if not isinstance(text, str):
        raise ValueError(f"{type(text).__name__} is not a fraction in quotes")
    try:
        value = read_fraction(text, "value")
    except InputError as error:
        raise ValueError(str(error)) from None
    if not 0 <= value < _MAX_KVPR:
        raise ValueError("a KVPR is at least 0 and below 1e300")
    return value


_HEAD = msgspec.json.Decoder(_Head)
_ANSWER = msgspec.json.Decoder(Answer, dec_hook=_exact)


def decode_line(line: bytes) -> RecordedRun:
    """The run that a line of the record stores.

    Keys that this version does not know are ignored.

    Raises
    ------
    InputError
        If the line is damaged, or has another schema.
    """
    try:
        head = _HEAD.decode(line)
        outcome = _ANSWER.decode(line) if head.error is None else Failure(head.error)
    except RecursionError:
        raise InputError("nested too deeply") from None
    except ValueError as error:  # also what is not UTF-8, and numbers of thousands of digits
        raise InputError(writable(one_line(str(error)), 200)) from None
    run = run_of(head.run)
    if run.key != head.key:
        raise InputError(f"the key {head.key[:40]!r} is not that of its run, {run.key!r}")
    return RecordedRun(
        run=run,
        outcome=outcome,
        program_sha256=head.program_sha256,
        schedule=head.schedule,
        versions=head.versions,
        machine=head.machine,
        ended=head.ended,
    )


def encode_line(recorded: RecordedRun) -> bytes:
    """The line of the record that stores a run, with its newline.

    Raises
    ------
    ValueError, TypeError
        If the outcome holds what JSON cannot: a number that is not finite, half of a
        surrogate pair, an object.
    """
    program, schedule = recorded.program_sha256, recorded.schedule
    line = {
        "schema": SCHEMA,
        "key": recorded.run.key,
        "run": recorded.run.identity,
        **({"program_sha256": program} if program else {}),
        **({} if schedule is None else {"schedule": msgspec.to_builtins(schedule)}),
        "versions": recorded.versions,
        "machine": recorded.machine,
        "ended": recorded.ended,
        **_outcome_keys(recorded.outcome),
    }
    return json.dumps(line, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"


def _outcome_keys(outcome: Answer | Failure) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        return {"error": writable(outcome.error)}
    return {
        "fleet_sha256": outcome.fleet_sha256,
        "parameters": outcome.parameters,
        "status": outcome.status.value,
        "stop_reason": outcome.stop_reason.value,
        "max_kvpr": None if outcome.max_kvpr is None else fraction_text(outcome.max_kvpr),
        "lower_bound": None if outcome.lower_bound is None else fraction_text(outcome.lower_bound),
        "gap": None if outcome.gap is None else float(outcome.gap),
        "certified": outcome.certified,
        "seconds": outcome.seconds,
        "trajectory": [
            {
                "seconds": point.seconds,
                "stage": point.stage,
                "max_kvpr": point.max_kvpr,
                "lower_bound": point.lower_bound,
            }
            for point in outcome.trajectory
        ],
        "statistics": outcome.statistics,
        **({"certificate_sha256": kept} if (kept := outcome.certificate_sha256) else {}),
    }


@dataclass(frozen=True)
class RecordContent:
    """What is in a record.

    Attributes
    ----------
    runs
        In the order of the file; of several entries of one run, the last.
    remarks
        One line of text for each part that could not be read.
    """

    runs: tuple[RecordedRun, ...]
    remarks: tuple[str, ...] = ()


class Record:
    """The record in a folder, open for appending; a context manager.

    Parameters
    ----------
    folder
        The folder of the study; created if missing.

    Attributes
    ----------
    runs
        The recorded runs by key; of several entries of one run, the last.
    remarks
        One line of text for each part that could not be read: a half-written last
        line, which was cut off, and damaged lines, which are left alone.

    Raises
    ------
    InputError
        If the folder cannot be written to, another process has the record open, or
        the file is not a record at all: no line of it can be read.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder) / FILE_NAME
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _check_regular(self.path)
            # Unbuffered: what a full disk refuses must not be tried again when it is closed.
            self._stream = open(self.path, "a+b", buffering=0)  # noqa: SIM115
        except (OSError, ValueError) as error:
            raise refusal(str(self.path), "written", error) from None
        try:
            self._lock()
            content = self._read()
        except BaseException:
            self._stream.close()
            raise
        self.remarks = content.remarks
        self.runs = {recorded.run.key: recorded for recorded in content.runs}

    def append(self, recorded: RecordedRun) -> None:
        """Add one run; it is on disk when this returns, its certificate before its line.

        Raises
        ------
        InputError
            If it cannot be written, for example because the disk is full. What was
            written of the line is then cut off again.
        """
        line = encode_line(recorded)
        answer = recorded.answer
        if answer is not None and answer.certificate:
            self._keep(recorded.run, answer.certificate)
            stored = msgspec.structs.replace(answer, certificate="")
            recorded = msgspec.structs.replace(recorded, outcome=stored)
        end = self._stream.seek(0, os.SEEK_END)
        try:
            self._write(line)
        except OSError as error:
            with suppress(OSError):  # if it cannot be cut off now, the next start does it
                self._stream.truncate(end)
            raise refusal(str(self.path), "written", error) from None
        self.runs[recorded.run.key] = recorded

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def _lock(self) -> None:
        """Keep a second process out. The system lifts the lock when this one ends."""
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                "another process is running this study", source=str(self.path)
            ) from None
        except OSError:
            return  # a file system without locks

    def _read(self) -> RecordContent:
        self._stream.seek(0)
        data = self._stream.read()
        content, whole = _parse(data, str(self.path))
        try:
            if whole < len(data):
                self._stream.truncate(whole)
            elif data and not data.endswith(b"\n"):
                self._write(b"\n")
        except OSError as error:
            raise refusal(str(self.path), "written", error) from None
        return content

    def _keep(self, run: Run, certificate: str) -> None:
        folder = self.path.parent / CERTIFICATES_NAME
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise refusal(str(folder), "written", error) from None
        write_text(folder / f"{run.key}.fleet.json", canonical_fleet(run.fleet) + "\n")
        write_text(folder / f"{run.key}.json", certificate)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._stream.write(rest) :]
        os.fsync(self._stream.fileno())


def read_record(folder: str | os.PathLike[str]) -> RecordContent:
    """Read a record, which may still be growing.

    Raises
    ------
    InputError
        If there is no record, or no line of it can be read.
    """
    path = Path(folder) / FILE_NAME
    try:
        _check_regular(path)
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise refusal(str(path), "read", error) from None
    return _parse(data, str(path))[0]


def write_asked(folder: str | os.PathLike[str], keys: Iterable[str]) -> None:
    """Note in the folder of a study which runs it asks for.

    Raises
    ------
    InputError
        If that cannot be written.
    """
    write_text(Path(folder) / ASKED_NAME, "".join(f"{key}\n" for key in keys))


def count_left(folder: str | os.PathLike[str], runs: Iterable[RecordedRun]) -> int:
    """How many of the runs asked for are not recorded; 0 if it is unknown what was asked for.

    Raises
    ------
    InputError
        If the note cannot be read.
    """
    path = Path(folder) / ASKED_NAME
    if not path.exists():
        return 0
    known = {recorded.run.key for recorded in runs}
    return sum(key not in known for key in read_text(path).split())


def _check_regular(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise ValueError("it is not a regular file")


def _parse(data: bytes, source: str) -> tuple[RecordContent, int]:
    """The content of a record, and how many of its bytes are whole lines.

    Raises
    ------
    InputError
        If no line can be read.
    """
    runs: dict[str, RecordedRun] = {}
    damage: list[InputError] = []
    whole = data.rfind(b"\n") + 1
    lines = data[:whole].split(b"\n")[:-1]
    remarks: list[str] = []
    rest = data[whole:]
    if _is_cut(rest):
        remarks.append(f"{source}: a half-written last line of {len(rest)} bytes is left out")
    elif rest:
        lines.append(rest)
        whole = len(data)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            recorded = decode_line(line)
        except InputError as error:
            damage.append(error.within(place=f"line {number}", source=source))
        else:
            runs[recorded.run.key] = recorded
    if damage and not runs:
        raise InputError(
            f"not an entry of the schema {SCHEMA!r} ({damage[0].message}), "
            "and no other line is one",
            place=damage[0].place,
            source=source,
        )
    remarks += [f"{error}; the line is skipped" for error in damage[:MAX_REMARKS]]
    if len(damage) > MAX_REMARKS:
        remarks.append(f"{source}: {len(damage) - MAX_REMARKS} more damaged lines are skipped")
    return RecordContent(tuple(runs.values()), tuple(remarks)), whole


def _is_cut(line: bytes) -> bool:
    """Whether a last line without its newline is the beginning of an entry, and no more."""
    start = json.dumps({"schema": SCHEMA})[:-1].encode("utf-8")
    if not line.startswith(start[: len(line)]):
        return False
    try:
        decode_line(line)
    except InputError:
        return bool(line)
    return False
