"""The record of a study: one line of JSON a run, only ever appended to, by one process.

What is on disk survives a kill at any moment: a line is written in one piece
and flushed through to the disk before the next run starts. A last line without
its newline is one that was being written when the process was killed; it is
cut off, and its run is run again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from kvpr_opt.errors import InputError
from kvpr_opt.files.atomic import write_text
from kvpr_opt.files.source import read_text, refusal

if sys.platform != "win32":
    import fcntl

#: The value of the key ``schema`` in every line.
SCHEMA = "kvpr-opt/run/1"

#: The record inside the folder of a study.
FILE_NAME = "runs.jsonl"

#: The keys of the runs that were asked for last, one a line, in the same folder. The study
#: itself does not tell: read elsewhere, its paths lead to other files.
ASKED_NAME = "asked.txt"


class Record:
    """The record in a folder, open for appending; a context manager.

    Parameters
    ----------
    folder
        The folder of the study; made if it is not there.

    Attributes
    ----------
    entries
        The entries by the key of their run; of several of one run, the last.
    note
        What was cut off when the record was opened; empty if nothing.

    Raises
    ------
    InputError
        If the folder cannot be written to, another process has the record
        open, or a line is not an entry.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder) / FILE_NAME
        self.note = ""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: IO[bytes] = open(self.path, "a+b")  # noqa: SIM115
        except (OSError, ValueError) as error:
            raise refusal(str(self.path), "written", error) from None
        try:
            self._lock()
            self.entries = self._read()
        except BaseException:
            self._stream.close()
            raise

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add one entry; on disk when this returns.

        Raises
        ------
        InputError
            If it cannot be written, for example to a full disk.
        """
        line = json.dumps({"schema": SCHEMA, **entry}, ensure_ascii=False, allow_nan=False)
        try:
            self._stream.write(line.encode("utf-8") + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise refusal(str(self.path), "written", error) from None
        self.entries[entry["key"]] = dict(entry)

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

    def _read(self) -> dict[str, dict[str, Any]]:
        self._stream.seek(0)
        data = self._stream.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._stream.truncate(whole)
            self.note = f"a half-written last line of {len(data) - whole} bytes was cut off"
        return _by_key(data[:whole], str(self.path))


def read_entries(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The entries of a record, which may be still growing; of several of one run, the last.

    Raises
    ------
    InputError
        If there is no record, or a line is not an entry.
    """
    path = Path(folder) / FILE_NAME
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise refusal(str(path), "read", error) from None
    return list(_by_key(data[: data.rfind(b"\n") + 1], str(path)).values())


def write_asked(folder: str | os.PathLike[str], keys: Iterable[str]) -> None:
    """Note in the folder of a study which runs it asks for.

    Raises
    ------
    InputError
        If that cannot be written.
    """
    write_text(Path(folder) / ASKED_NAME, "".join(f"{key}\n" for key in keys))


def count_left(folder: str | os.PathLike[str], entries: Iterable[Mapping[str, Any]]) -> int:
    """How many of the runs asked for have no entry; 0 where it is not known what was.

    Raises
    ------
    InputError
        If the note cannot be read.
    """
    path = Path(folder) / ASKED_NAME
    if not path.exists():
        return 0
    known = {entry["key"] for entry in entries}
    return sum(key not in known for key in read_text(path).split())


def _by_key(data: bytes, source: str) -> dict[str, dict[str, Any]]:
    entries = {}
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            entry = json.loads(line)
        except ValueError:  # also for what is not UTF-8
            entry = None
        if not isinstance(entry, dict) or entry.get("schema") != SCHEMA:
            raise InputError(
                f"not an entry of the schema {SCHEMA!r}", place=f"line {number}", source=source
            )
        entries[str(entry["key"])] = entry
    return entries
