"""Executes the runs of a study on this machine, in worker processes.

This does not use joblib: its process pool (loky) gives up all runs in progress when one
process dies, and cannot end a run that hangs. Here each slot owns one process and may kill
it, so a run that crashes or hangs affects no other run; otherwise processes are reused, and
stay warm from run to run.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kvpr_opt.errors import InputError
from kvpr_opt.study.execution import watchdog, worker
from kvpr_opt.study.recorded_run import Answer, Failure, RecordedRun
from kvpr_opt.study.runs import Run

if TYPE_CHECKING:
    from typing_extensions import Self

#: Seconds past its time limit after which a run is killed.
GRACE = 30.0

#: Seconds that a worker may take to load, to compile kernels and to warm up a method.
WARM_UP_LIMIT = 600.0


class LocalExecutor:
    """Executes runs on this machine; a context manager that ends its worker processes.

    Parameters
    ----------
    jobs
        Number of runs at the same time.
    perform
        Does a run in a worker; a function at the top level of a module.
    warm
        Whether workers warm up a method before its first run.
    grace
        Seconds past its time limit after which a run is killed.

    Raises
    ------
    InputError
        If `jobs` is not positive.
    """

    def __init__(
        self,
        jobs: int = 1,
        *,
        perform: worker.Perform = worker.perform,
        warm: bool = True,
        grace: float = GRACE,
    ) -> None:
        if jobs < 1:
            raise InputError(f"jobs {jobs} is not at least 1", place="jobs")
        self._slots = [Slot(perform, warm, grace) for _ in range(jobs)]

    @property
    def running(self) -> tuple[Run, ...]:
        """The runs in progress."""
        return tuple(slot.run for slot in self._slots if slot.run is not None)

    def room(self) -> int:
        """How many more runs can be started now."""
        return len(self._slots) - len(self.running)

    def start(self, run: Run) -> None:
        """Start a run; there has to be room."""
        next(slot for slot in self._slots if slot.run is None).start(run)

    def ended(self, seconds: float) -> list[RecordedRun]:
        """Wait for a run to end, for at most `seconds`; return all that have ended."""
        busy = [slot for slot in self._slots if slot.run is not None]
        overdue = min((slot.deadline for slot in busy), default=math.inf) - time.monotonic()
        wait([slot.connection for slot in busy], timeout=max(0.0, min(seconds, overdue)))
        found = []
        for slot in busy:
            run, outcome = slot.run, slot.poll()
            if run is not None and outcome is not None:
                found.append(worker.recorded(run, outcome))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for slot in self._slots:
            slot.end()


class Slot:
    """Executes one run at a time, in a worker process of its own."""

    def __init__(self, perform: worker.Perform, warm: bool, grace: float) -> None:
        self.run: Run | None = None
        self.deadline = math.inf
        self._perform = perform
        self._warm = warm
        self._grace = grace
        self._process: Any = None
        self._folder = ""
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The connection to the worker."""
        assert self._connection is not None
        return self._connection

    def start(self, run: Run) -> None:
        """Hand a run to the worker; starts a worker if there is none."""
        if self._process is None:
            self._launch()
        self.run = run
        self.deadline = time.monotonic() + WARM_UP_LIMIT
        with suppress(OSError):  # if the worker has just died, the next poll notices
            self.connection.send(run)

    def _launch(self) -> None:
        # A new interpreter instead of a fork: solvers have threads, which do not survive one.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        # Made by the worker once its watchdog is there to remove it.
        self._folder = os.path.join(tempfile.gettempdir(), f"kvpr-opt-run-{secrets.token_hex(8)}")
        self._process = context.Process(
            target=worker.serve,
            args=(theirs, self._perform, self._warm, self._folder),
            daemon=True,
        )
        with _signals_ignored(), _children_allowed():
            self._process.start()
        theirs.close()
        # Before Python itself asks its daemonic children to end, which they ignore.
        self._at_exit = Finalize(None, self.end, exitpriority=1)

    def poll(self) -> Answer | Failure | None:
        """The outcome of the run, if it has ended."""
        try:
            if self.connection.poll():
                return self._heard(self.connection.recv())
        except (EOFError, OSError):
            return self._failed(self._how_it_died())
        if time.monotonic() < self.deadline:
            return None
        return self._failed("killed: far past its time limit, or never ready to start")

    def _heard(self, message: Any) -> Answer | Failure | None:
        assert self.run is not None
        if message == worker.STARTED:
            limit = self.run.method.time_limit
            self.deadline = math.inf if limit is None else time.monotonic() + limit + self._grace
            return None
        if not isinstance(message, Answer):
            return self._failed(message.error)
        self.run, self.deadline = None, math.inf
        return message

    def _how_it_died(self) -> str:
        # Without joining it, which would release its process id before its children are ended.
        wait([self._process.sentinel], timeout=10)
        self._kill()
        self._process.join()
        return f"the process of the run died: exit code {self._process.exitcode}"

    def _failed(self, error: str) -> Failure:
        self.end()
        return Failure(error)

    def end(self) -> None:
        """End the worker and what it has started, whatever they are doing."""
        self.run, self.deadline = None, math.inf
        if self._process is not None:
            self._kill()
            self._process.join()
            self._process = None
            self._at_exit.cancel()
            self.connection.close()
            watchdog.remove_tree(self._folder)

    def _kill(self) -> None:
        if sys.platform != "win32":
            # Only while no other process can have its id: alive, or dead but not waited for.
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
                watchdog.kill_all(self._process.pid, self._folder)
        self._process.kill()  # alone, if it leads no group yet


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """A process started here ignores what asks a study to stop, from its first instruction on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


#: Held while this process is temporarily not daemonic, in order to start another.
_STARTING = threading.Lock()


@contextmanager
def _children_allowed() -> Iterator[None]:
    """Let a daemonic process, such as a worker of a Dask cluster, have children.

    Python forbids it because a daemonic process that is killed cannot end its children.
    The worker of a study ends by itself once its parent has gone.
    """
    process = multiprocessing.current_process()
    with _STARTING:
        before = process.daemon
        if before:
            process.daemon = False
        try:
            yield
        finally:
            if before:
                process.daemon = True
