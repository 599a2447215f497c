"""Runs everything in a study that is not in its record yet.

One process schedules and writes; an executor does the runs, on this machine or on a
cluster. A run counts as done only once it is in the record, so a kill at any moment loses
the runs in progress and nothing else.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from kvpr_opt.errors import KvprError
from kvpr_opt.limits import Limits
from kvpr_opt.study.record import Record
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.runs import Run

# Seconds between reports of progress; also how long a Ctrl-C may have to wait.
_TICK = 0.25


class ExecutorLostError(KvprError):
    """The executor was lost: the study stops and can be resumed."""


class Executor(Protocol):
    """Executes the runs of a study."""

    @property
    def running(self) -> tuple[Run, ...]:
        """The runs in progress, or waiting for a worker."""

    def room(self) -> int:
        """How many more runs can be started now."""

    def start(self, run: Run) -> None:
        """Start a run; requires :meth:`room`.

        Raises
        ------
        ExecutorLostError
            If the executor was lost.
        """

    def ended(self, seconds: float) -> list[RecordedRun]:
        """Wait for a run to end, for at most `seconds`; return all that have ended.

        Raises
        ------
        ExecutorLostError
            If the executor was lost.
        """


@dataclass(frozen=True)
class StudyProgress:
    """The progress of a study.

    Attributes
    ----------
    total
        Runs in the study.
    known
        Those of them that were in the record at the start.
    done, failed
        Runs that have ended since, with an answer or with an error.
    running
        The runs in progress.
    seconds
        Since the start.
    interrupted
        Whether it was stopped early: by a signal, or because its executor was lost.
    reason
        Why it was stopped; empty for a signal.
    """

    total: int
    known: int = 0
    done: int = 0
    failed: int = 0
    running: tuple[str, ...] = ()
    seconds: float = 0.0
    interrupted: bool = False
    reason: str = ""

    @property
    def left(self) -> int:
        """Runs that are not recorded yet."""
        return self.total - self.known - self.done - self.failed

    @property
    def seconds_left(self) -> float | None:
        """An estimate: the remaining runs take as long as the ended ones, on average."""
        ended = self.done + self.failed
        return self.seconds / ended * self.left if ended else None


def run_study(
    runs: Iterable[Run],
    record: Record,
    executor: Executor,
    *,
    retry_failed: bool = False,
    on_progress: Callable[[StudyProgress], object] | None = None,
) -> StudyProgress:
    """Run what is not in the record yet and append each run as it ends.

    Ctrl-C stops the study; runs in progress then leave no entry.

    Parameters
    ----------
    runs
        The runs of the study.
    record
        Stores the runs.
    executor
        Executes the runs; the caller closes it.
    retry_failed
        Whether to repeat runs that are recorded as failed.
    on_progress
        Called at every event, and a few times per second in between.

    Returns
    -------
    StudyProgress
        How it ended.

    Raises
    ------
    InputError
        If the record cannot be written.
    """
    limits = Limits()  # for its stop flag: a signal must not interrupt an append
    with limits.heeding_signals():
        return _run_open(list(runs), record, executor, limits, retry_failed, on_progress)


def _run_open(
    wanted: list[Run],
    record: Record,
    executor: Executor,
    limits: Limits,
    retry_failed: bool,
    on_progress: Callable[[StudyProgress], object] | None,
) -> StudyProgress:
    waiting = deque(run for run in wanted if _is_open(run, record, retry_failed))
    progress = StudyProgress(len(wanted), len(wanted) - len(waiting))
    started = time.monotonic()

    def report() -> None:
        nonlocal progress
        names = tuple(map(str, executor.running))
        progress = replace(progress, running=names, seconds=time.monotonic() - started)
        if on_progress is not None:
            on_progress(progress)

    reason = ""
    while not limits.interrupted and (waiting or executor.running):
        try:
            for _ in range(min(executor.room(), len(waiting))):
                executor.start(waiting.popleft())
            report()
            ended = executor.ended(_TICK)
        except ExecutorLostError as error:
            reason = str(error)
            break
        for recorded in ended:
            record.append(recorded)
            counted = "done" if recorded.answer else "failed"
            progress = replace(progress, **{counted: getattr(progress, counted) + 1})
    stopped = limits.interrupted or bool(reason)
    if not stopped:
        report()
    return replace(progress, running=(), interrupted=stopped, reason=reason)


def _is_open(run: Run, record: Record, retry_failed: bool) -> bool:
    known = record.runs.get(run.key)
    if known is None or (retry_failed and known.answer is None):
        return True
    program, answer = run.method.program, known.answer
    # A heuristic that was edited is a different one under the same name.
    if program is not None and known.program_sha256 != program.sha256:
        return True
    missing = answer is not None and answer.certified and not answer.certificate_sha256
    return run.keep_certificate and missing
