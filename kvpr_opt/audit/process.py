"""One run of a program: a process with limits, in an empty folder, killed with its children."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from kvpr_opt.audit import child, watchdog
from kvpr_opt.audit.folder import RunFolder, content
from kvpr_opt.audit.resource_limits import ResourceLimits, max_output

if TYPE_CHECKING:
    from typing_extensions import Self

# Seconds between attempts to start a process on a machine that lacks a resource.
_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)

# Resources that may run out temporarily: processes, memory, files, disk space.
_OUT_OF = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC)

# Seconds that the clean-up may take.
_CLEAN_UP_LIMIT = 30


@dataclass(frozen=True)
class CompletedRun:
    """How a run ended.

    Attributes
    ----------
    code
        Its exit code; minus the number of the signal that ended it.
    timed_out
        Whether it was ended because its time was up.
    seconds
        Wall-clock time from its start to its end.
    answer
        Its output: the report of the child, or the standard output of an executable.
        ``None`` if it exceeds the limit.
    stderr_tail
        The end of its standard error.
    input_kept
        Whether its input file is unchanged.
    """

    code: int
    timed_out: bool
    seconds: float
    answer: bytes | None
    stderr_tail: str
    input_kept: bool


class ProcessRunner:
    """Runs programs, in several threads at once, and can end all that are running.

    A context manager. Nothing that it has started outlives it or its own process, even if
    that is killed: a watchdog ends what is left and removes the files (not on Windows).

    Parameters
    ----------
    limits
        What each run may use.
    python
        The interpreter for Python files; this one if not given.
    """

    def __init__(self, limits: ResourceLimits, python: str | None = None) -> None:
        self.limits = limits
        self._python = python or sys.executable
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._numbers = count()
        self._root: Path | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._root = Path(tempfile.mkdtemp(prefix="kvpr-opt-audit-"))
        if sys.platform != "win32":
            self._watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog.__file__, str(self._root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if self._watchdog is None:
            watchdog.remove_tree(str(self._root))
            return
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        try:
            self._watchdog.wait(_CLEAN_UP_LIMIT)
        except subprocess.TimeoutExpired:
            self._watchdog.kill()
            self._watchdog.wait()
        if self._watchdog.returncode != 0:  # it was killed
            watchdog.remove_tree(str(self._root))

    def call(self, program: str, contract: str, case: bytes) -> CompletedRun:
        """Call the function of a Python file on a case, by :mod:`kvpr_opt.audit.child`.

        Raises
        ------
        OSError
            If the process cannot be started.
        """
        with self._folder(case) as folder:
            output = max_output(case)
            command = [
                *(self._python, "-I", child.__file__, "call", self.limits.for_child(output)),
                *(program, contract, str(folder.input), str(folder.report)),
            ]
            # Nobody needs what a Python program prints, and it may be gigabytes.
            return self._run(command, folder, silent=True, limit=output)

    def execute(self, program: str, fleet: bytes) -> CompletedRun:
        """Run an executable with the path of a fleet as its only argument.

        Raises
        ------
        OSError
            If the process cannot be started.
        """
        with self._folder(fleet) as folder:
            output = max_output(fleet)
            limiter = [sys.executable, "-I", "-S", child.__file__, "exec"]
            command = [*limiter, self.limits.for_child(output), program, str(folder.input)]
            return self._run(command, folder, silent=False, limit=output)

    def close(self) -> None:
        """End all that is running; runs that come later end at once."""
        with self._lock:
            self._closed = True
            for process in self._running:
                _kill(process)

    def _folder(self, given: bytes) -> RunFolder:
        assert self._root is not None, "a runner is a context manager"
        with self._lock:
            number = next(self._numbers)
        return RunFolder(self._root / f"run-{number}", given)

    def _run(
        self, command: list[str], folder: RunFolder, *, silent: bool, limit: int
    ) -> CompletedRun:
        process, start = self._started(command, folder, silent)
        timed_out = self._wait(process, start)
        return CompletedRun(
            process.returncode,
            timed_out,
            time.monotonic() - start,
            content(folder.report_stream if silent else folder.output, limit),
            folder.stderr_tail(),
            folder.input_kept(),
        )

    def _started(
        self, command: list[str], folder: RunFolder, silent: bool
    ) -> tuple[subprocess.Popen[bytes], float]:
        """Start the process, retrying while a resource is lacking; also its start time."""
        for pause in (*_PAUSES, None):
            start = time.monotonic()
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL if silent else folder.output,
                    stderr=subprocess.DEVNULL if silent else folder.errors,
                    cwd=folder.work,
                    env=_environment(folder.work),
                    start_new_session=True,
                )
            except OSError as error:
                if pause is None or error.errno not in _OUT_OF or self._closed:
                    raise
                time.sleep(pause)
            else:
                return process, start
        raise AssertionError("the last attempt returns or raises")

    def _wait(self, process: subprocess.Popen[bytes], start: float) -> bool:
        """Wait for the process and kill it at its time limit; return whether it timed out."""
        with self._lock:
            self._running.add(process)
            self._tell_watchdog("+", process)
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
            timer.join()
            # Kill anything that it has started and left behind.
            _kill(process)
            with self._lock:
                self._running.discard(process)
                self._tell_watchdog("-", process)
            process.wait()
        return out_of_time.is_set()

    def _tell_watchdog(self, sign: str, process: subprocess.Popen[bytes]) -> None:
        if self._watchdog is not None and self._watchdog.stdin is not None:
            try:
                self._watchdog.stdin.write(f"{sign}{process.pid}\n".encode())
            except (BrokenPipeError, ValueError):
                return  # it was killed: it is not needed while this process lives


def _environment(work: Path) -> dict[str, str]:
    """The environment variables of a program."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    # One thread for numerical libraries: runs share the machine, and each thread's
    # stack counts against the address space.
    own = {"HOME": str(work), "TMPDIR": str(work), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    return {**kept, **own}


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has ended; where possible, without releasing its process ID.

    The ID is also that of its group, which is killed next, so it must not be reused yet.
    """
    if sys.platform != "win32" and hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and, on systems with process groups, the rest of its group."""
    if sys.platform == "win32":
        process.kill()
    else:
        watchdog.kill_group(process.pid)
