"""The record of a study: one run a line, as JSON, only ever appended to, by one process.

What is on disk survives a kill at any moment: a line is written in one piece and
flushed to the disk before the next run starts. A last line without its newline was
being written when the process was killed; it is cut off, and its run is run again.

A line that is damaged is reported with its number, skipped and left alone; its run is
run again. ``docs/study_format.md`` describes the keys of a line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import msgspec

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.errors import InputError
from kvpr_opt.files.atomic import write_text
from kvpr_opt.files.source import read_text, refusal
from kvpr_opt.study.record_line import SCHEMA, decode_line, encode_line
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.runs import Run

if sys.platform != "win32":
    import fcntl

#: The record inside the folder of a study.
FILE_NAME = "runs.jsonl"

#: The keys of the runs that were asked for last, one a line, in the same folder. The study
#: file itself does not tell: read elsewhere, its paths lead to other files.
ASKED_NAME = "asked.txt"

#: The folder of kept certificates: ``KEY.json``, and ``KEY.fleet.json`` for its fleet.
CERTIFICATES_NAME = "certificates"

#: Damaged lines that are reported one by one.
MAX_REMARKS = 20


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
