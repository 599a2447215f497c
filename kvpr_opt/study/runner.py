"""Runs what a study asks for and the record does not have yet.

One process schedules and writes; each of its slots is a worker process that
gets one run at a time. A worker that dies is a failed run and is replaced; one
that is far past its time limit is killed first.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from kvpr_opt.errors import InputError
from kvpr_opt.limits import Limits
from kvpr_opt.study import worker
from kvpr_opt.study.record import Record
from kvpr_opt.study.runs import Run

#: Seconds past its time limit after which a run is killed.
GRACE = 30.0

#: Seconds that a worker may take to load, to compile kernels and to warm up a method.
WARM_UP_LIMIT = 600.0

# How often the screen hears that time goes by, and how long a Ctrl-C may wait, in seconds.
_TICK = 0.25


@dataclass(frozen=True)
class StudyProgress:
    """Where a study stands.

    Attributes
    ----------
    total
        Runs that it asks for.
    known
        Of these, in the record before it started.
    done, failed
        Ended by now, with an answer or with an error, without the known ones.
    running
        What is being worked on.
    interrupted
        Whether Ctrl-C ended it.
    """

    total: int
    known: int = 0
    done: int = 0
    failed: int = 0
    running: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def left(self) -> int:
        """Runs without an entry."""
        return self.total - self.known - self.done - self.failed


def run_study(
    runs: Iterable[Run],
    record: Record,
    *,
    jobs: int = 1,
    retry_failed: bool = False,
    on_progress: Callable[[StudyProgress], object] | None = None,
    perform: worker.Perform = worker.perform,
    warm: bool = True,
    grace: float = GRACE,
) -> StudyProgress:
    """Run what is not in the record yet; every run that ends is one entry there.

    Ctrl-C ends the workers; runs in flight then leave no entry.

    Parameters
    ----------
    runs
        What the study asks for.
    record
        Takes the entries.
    jobs
        Runs at the same time.
    retry_failed
        Whether to repeat runs whose entry is a failure.
    on_progress
        Called at every event, and a few times a second in between.
    perform
        What a worker does with a run; a function at the top of a module.
    warm
        Whether workers warm up a method before its first run.
    grace
        Seconds past its time limit after which a run is killed.

    Returns
    -------
    StudyProgress
        How it ended.

    Raises
    ------
    InputError
        If `jobs` is not positive, or the record cannot be written.
    """
    if jobs < 1:
        raise InputError(f"jobs {jobs} is not at least 1", place="jobs")
    wanted = list(runs)
    waiting = deque(run for run in wanted if _is_open(run, record, retry_failed))
    study = _Study(record, StudyProgress(len(wanted), len(wanted) - len(waiting)), on_progress)
    slots = [_Slot(perform, warm, grace) for _ in range(min(jobs, len(waiting)))]
    limits = Limits()  # for its stop flag: Ctrl-C must not cut an entry in two
    try:
        with limits.heeding_ctrl_c():
            while not limits.interrupted and (waiting or any(slot.run for slot in slots)):
                for slot in slots:
                    if slot.run is None and waiting:
                        slot.start(waiting.popleft())
                study.report(slots)
                _wait(slots)
                for slot in slots:
                    study.take(slot)
    finally:
        for slot in slots:
            slot.end()
    study.report(slots)
    return replace(study.progress, interrupted=limits.interrupted)


def _is_open(run: Run, record: Record, retry_failed: bool) -> bool:
    entry = record.entries.get(run.key)
    return entry is None or (retry_failed and "error" in entry)


def _wait(slots: list[_Slot]) -> None:
    """Until a worker has something to say, one is overdue, or the screen wants to hear."""
    busy = [slot.connection for slot in slots if slot.run is not None]
    overdue = min(slot.deadline for slot in slots) - time.monotonic()
    wait(busy, timeout=max(0.0, min(_TICK, overdue)))


class _Study:
    """The record and the counts of one call."""

    def __init__(
        self,
        record: Record,
        progress: StudyProgress,
        on_progress: Callable[[StudyProgress], object] | None,
    ) -> None:
        self.progress = progress
        self._record = record
        self._on_progress = on_progress

    def take(self, slot: _Slot) -> None:
        """Book what a worker has to say, if it is the end of its run."""
        run = slot.run
        outcome = None if run is None else slot.poll()
        if run is None or outcome is None:
            return
        self._record.append({**worker.heading(run), **outcome})
        counted = "failed" if "error" in outcome else "done"
        self.progress = replace(
            self.progress, **{counted: getattr(self.progress, counted) + 1}, running=()
        )

    def report(self, slots: list[_Slot]) -> None:
        """Tell the screen."""
        running = tuple(str(slot.run) for slot in slots if slot.run is not None)
        self.progress = replace(self.progress, running=running)
        if self._on_progress is not None:
            self._on_progress(self.progress)


class _Slot:
    """A place for one run at a time, and the worker process that it runs in."""

    def __init__(self, perform: worker.Perform, warm: bool, grace: float) -> None:
        self.run: Run | None = None
        self.deadline = math.inf
        self._perform = perform
        self._warm = warm
        self._grace = grace
        self._process: Any = None
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The line to the worker."""
        assert self._connection is not None
        return self._connection

    def start(self, run: Run) -> None:
        """Hand a run to the worker, or to a new one where there is none."""
        if self._process is None:
            self._launch()
        self.run = run
        self.deadline = time.monotonic() + WARM_UP_LIMIT
        with suppress(OSError):  # if it has just died, the next poll finds out
            self.connection.send(run)

    def _launch(self) -> None:
        # A fresh interpreter, not a copy of this one: solvers have threads, and those
        # do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=worker.serve, args=(theirs, self._perform, self._warm), daemon=True
        )
        with _ctrl_c_ignored():
            self._process.start()
        theirs.close()

    def poll(self) -> dict[str, Any] | None:
        """How the run ended, if it has."""
        try:
            if self.connection.poll():
                return self._heard(self.connection.recv())
        except (EOFError, OSError):
            return self._failed(self._how_it_died())
        if time.monotonic() < self.deadline:
            return None
        return self._failed("killed: far past its time limit, or never ready to start")

    def _heard(self, message: Any) -> dict[str, Any] | None:
        assert self.run is not None
        if message == worker.STARTED:
            limit = self.run.method.time_limit
            self.deadline = math.inf if limit is None else time.monotonic() + limit + self._grace
            return None
        outcome: dict[str, Any] = message
        if "error" in outcome:
            return self._failed(outcome["error"])
        self.run, self.deadline = None, math.inf
        return outcome

    def _how_it_died(self) -> str:
        self._process.join(timeout=10)
        return f"the process of the run died: exit code {self._process.exitcode}"

    def _failed(self, error: str) -> dict[str, Any]:
        self.end()
        return {"error": error}

    def end(self) -> None:
        """End the worker, whatever it is doing."""
        self.run, self.deadline = None, math.inf
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
            self.connection.close()


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """A process started here ignores Ctrl-C from its first instruction on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
