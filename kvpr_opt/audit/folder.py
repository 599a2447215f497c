"""The files of one run: created before it, kept open during it, removed after it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from kvpr_opt.audit.watchdog import end_strays, remove_tree

if TYPE_CHECKING:
    from typing_extensions import Self

# Bytes of standard error kept for a failing program.
_MAX_STDERR_TAIL = 2000


class RunFolder:
    """A new folder with the input of a run and room for its output.

    Output is read from files that are held open from the start, so whatever the program
    puts in their place, such as an endless pipe or a link to a device, is ignored. The
    program runs in its own empty subfolder.

    Parameters
    ----------
    root
        Where to create it.
    given
        The program's input.

    Raises
    ------
    OSError
        If it cannot be created.
    """

    def __init__(self, root: Path, given: bytes) -> None:
        self._given = given
        self._root = root
        self.work = root / "work"
        self.input, self.report = root / "fleet.json", root / "report.json"

    def __enter__(self) -> Self:
        self._root.mkdir()
        self.work.mkdir()
        self.input.write_bytes(self._given)
        self.report_stream = self._opened("report.json")
        self.output = self._opened("output")
        self.errors = self._opened("errors")
        return self

    def _opened(self, name: str) -> BinaryIO:
        return open(self._root / name, "w+b", buffering=0)

    def input_kept(self) -> bool:
        """Whether the program's input file is unchanged."""
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        flags |= getattr(os, "O_BINARY", 0)
        try:
            with open(os.open(self.input, flags), "rb") as stream:
                regular = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
                return regular and stream.read(len(self._given) + 1) == self._given
        except OSError:
            return False

    def stderr_tail(self) -> str:
        """The end of what was written to standard error."""
        self.errors.seek(max(0, os.fstat(self.errors.fileno()).st_size - _MAX_STDERR_TAIL))
        return self.errors.read(_MAX_STDERR_TAIL).decode("utf-8", "replace")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in ("report_stream", "output", "errors"):
            stream = getattr(self, name, None)
            if stream is not None:
                stream.close()
        if sys.platform != "win32":
            end_strays(str(self._root))
        remove_tree(str(self._root))


def content(stream: BinaryIO, limit: int) -> bytes | None:
    """Everything written to a file; ``None`` if that is more than `limit` bytes."""
    if os.fstat(stream.fileno()).st_size > limit:
        return None
    stream.seek(0)
    return stream.read(limit)
