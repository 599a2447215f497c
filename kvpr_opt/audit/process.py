"""One run of a program: a process with limits, in an empty folder, ended with its children."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from kvpr_opt.audit import child

#: Bytes of a file, of an answer above all, that a program may write.
MAX_OUTPUT = 16 << 20

# What is kept of what a failing program says.
_MAX_STDERR_TAIL = 2000


@dataclass(frozen=True)
class ResourceLimits:
    """What a run may use.

    Parameters
    ----------
    seconds
        Wall-clock time from the start of the process to its end.
    memory
        Bytes of address space of each process, where the system can limit it; 0 for no limit.
    """

    seconds: float
    memory: int

    def for_child(self) -> str:
        """The limits as the child takes them on its command line.

        The processor time stops what no one is left to stop, should the audit itself be
        killed; it is wide enough never to come before the wall clock.
        """
        cpu = (int(self.seconds) + 2) * (os.cpu_count() or 1)
        return f"{self.memory},{MAX_OUTPUT},{cpu}"


@dataclass(frozen=True)
class CompletedRun:
    """How a run ended.

    Attributes
    ----------
    code
        Its exit code; minus the number of the signal that ended it.
    timed_out
        Whether it was ended for being out of time.
    seconds
        Wall-clock time from its start to its end.
    answer
        What it left: the report of the child, or the standard output of an executable.
        ``None`` if nothing was left, or more than is read.
    stderr_tail
        The end of its standard error.
    input_kept
        Whether the file that it was given still has its content.
    """

    code: int
    timed_out: bool
    seconds: float
    answer: bytes | None
    stderr_tail: str
    input_kept: bool


class ProcessRunner:
    """Runs programs, in several threads at once, and can end all that are running.

    Parameters
    ----------
    limits
        What each run may use.
    """

    def __init__(self, limits: ResourceLimits) -> None:
        self.limits = limits
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def call(self, program: str, case: bytes) -> CompletedRun:
        """Call the function of a Python file on a case, by :mod:`kvpr_opt.audit.child`."""
        with _Folder(case) as folder:
            command = [
                *(sys.executable, "-I", child.__file__, "call", self.limits.for_child()),
                *(program, str(folder.case), str(folder.report)),
            ]
            return self._run(command, folder, folder.report)

    def execute(self, program: str, fleet: bytes) -> CompletedRun:
        """Run an executable with the path of a fleet as its only argument."""
        with _Folder(fleet) as folder:
            limiter = [sys.executable, "-I", "-S", child.__file__, "exec", self.limits.for_child()]
            return self._run([*limiter, program, str(folder.case)], folder, folder.output)

    def close(self) -> None:
        """End all that is running; runs that come later end at once."""
        with self._lock:
            self._closed = True
            for process in self._running:
                _kill(process)

    def _run(self, command: list[str], folder: _Folder, answer: Path) -> CompletedRun:
        start = time.monotonic()
        with open(folder.output, "wb") as output, open(folder.errors, "wb") as errors:
            # A Python program's prints are of no use to anyone, and may be gigabytes.
            silent = answer == folder.report
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if silent else output,
                stderr=subprocess.DEVNULL if silent else errors,
                cwd=folder.work,
                env=_environment(folder),
                start_new_session=True,
            )
        timed_out = self._wait(process, start)
        return CompletedRun(
            process.returncode,
            timed_out,
            time.monotonic() - start,
            _content(answer),
            _tail(folder.errors),
            folder.input_kept(),
        )

    def _wait(self, process: subprocess.Popen[bytes], start: float) -> bool:
        """Wait for the process, ending it in time; whether that was necessary."""
        with self._lock:
            self._running.add(process)
            if self._closed:
                _kill(process)
        out_of_time = threading.Event()

        def end() -> None:
            out_of_time.set()
            _kill(process)

        timer = threading.Timer(max(0.0, start + self.limits.seconds - time.monotonic()), end)
        timer.daemon = True
        timer.start()
        try:
            _await_end(process)
        finally:
            timer.cancel()
            # What it has started and left behind goes with it.
            _kill(process)
            process.wait()
            with self._lock:
                self._running.discard(process)
        return out_of_time.is_set()


class _Folder:
    """The files of one run; removed when it is over, with what the program has put there.

    The program runs in a folder of its own inside, which is empty.
    """

    def __init__(self, given: bytes) -> None:
        self.given = given
        root = Path(tempfile.mkdtemp(prefix="kvpr-opt-audit-"))
        self._root = root
        self.work = root / "work"
        self.case, self.report = root / "fleet.json", root / "report.json"
        self.output, self.errors = root / "output", root / "errors"

    def __enter__(self) -> _Folder:
        self.work.mkdir()
        self.case.write_bytes(self.given)
        return self

    def input_kept(self) -> bool:
        """Whether the file for the program still holds what was written there."""
        try:
            with open(self.case, "rb") as stream:
                return stream.read(len(self.given) + 1) == self.given
        except OSError:
            return False

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._root, ignore_errors=True)


def _environment(folder: _Folder) -> dict[str, str]:
    """What a program gets to know about the world around it."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    here = str(folder.work)
    # One thread for numerical libraries: runs share the machine, and each thread's
    # stack counts against the address space.
    return {**kept, "HOME": here, "TMPDIR": here, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """Until the process has ended; where that can be, without giving its number free.

    The number is also that of its group, which is ended next, and must not be another's.
    """
    if sys.platform != "win32" and hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where there are such groups, all that still belongs to its group."""
    try:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # it has ended, with all of its group


def _content(path: Path) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_OUTPUT + 1)
    except OSError:
        return None
    return data if len(data) <= MAX_OUTPUT else None


def _tail(path: Path) -> str:
    data = _content(path) or b""
    return data[-_MAX_STDERR_TAIL:].decode("utf-8", "replace")
