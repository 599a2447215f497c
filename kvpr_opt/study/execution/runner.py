"""Runs what a study asks for and the record does not have yet.

One process schedules and writes; an engine works on the runs, on this machine or on
a cluster. An entry is in the record before the run counts as done, so a kill at any
moment loses the runs in flight and nothing else.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from kvpr_opt.errors import KvprError
from kvpr_opt.limits import Limits
from kvpr_opt.study.record import Record, RecordedRun
from kvpr_opt.study.runs import Run

# How often the screen hears that time goes by, and how long a Ctrl-C may wait, in seconds.
_TICK = 0.25


class EngineLostError(KvprError):
    """What works on the runs has gone: the study stops, and can be resumed."""


class Executor(Protocol):
    """What works on runs."""

    @property
    def running(self) -> tuple[Run, ...]:
        """What is being worked on, or waits for a worker."""

    def room(self) -> int:
        """How many more runs can be started now."""

    def start(self, run: Run) -> None:
        """Start a run; there has to be room.

        Raises
        ------
        EngineLostError
            If no run will ever end.
        """

    def ended(self, seconds: float) -> list[RecordedRun]:
        """Runs that have ended; waits for one, at most so many seconds.

        Raises
        ------
        EngineLostError
            If no run will ever end.
        """


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
    seconds
        Since it started.
    interrupted
        Whether it was ended early, by Ctrl-C or because its engine was lost.
    reason
        Why, where it was not Ctrl-C.
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
        """Runs without an entry."""
        return self.total - self.known - self.done - self.failed

    @property
    def seconds_left(self) -> float | None:
        """A guess: the runs that are left take as long as those that ended, on average."""
        ended = self.done + self.failed
        return self.seconds / ended * self.left if ended else None


def run_study(
    runs: Iterable[Run],
    record: Record,
    engine: Executor,
    *,
    retry_failed: bool = False,
    on_progress: Callable[[StudyProgress], object] | None = None,
) -> StudyProgress:
    """Run what is not in the record yet; every run that ends is one entry there.

    Ctrl-C stops; runs in flight then leave no entry.

    Parameters
    ----------
    runs
        What the study asks for.
    record
        Takes the entries.
    engine
        Works on the runs; to be closed by the caller.
    retry_failed
        Whether to repeat runs whose entry is a failure.
    on_progress
        Called at every event, and a few times a second in between.

    Returns
    -------
    StudyProgress
        How it ended.

    Raises
    ------
    InputError
        If the record cannot be written.
    """
    limits = Limits()  # for its stop flag: Ctrl-C must not cut an entry in two
    with limits.heeding_ctrl_c():
        return _run_open(list(runs), record, engine, limits, retry_failed, on_progress)


def _run_open(
    wanted: list[Run],
    record: Record,
    engine: Executor,
    limits: Limits,
    retry_failed: bool,
    on_progress: Callable[[StudyProgress], object] | None,
) -> StudyProgress:
    waiting = deque(run for run in wanted if _is_open(run, record, retry_failed))
    progress = StudyProgress(len(wanted), len(wanted) - len(waiting))
    started = time.monotonic()

    def report() -> None:
        nonlocal progress
        names = tuple(map(str, engine.running))
        progress = replace(progress, running=names, seconds=time.monotonic() - started)
        if on_progress is not None:
            on_progress(progress)

    reason = ""
    while not limits.interrupted and (waiting or engine.running):
        try:
            for _ in range(min(engine.room(), len(waiting))):
                engine.start(waiting.popleft())
            report()
            ended = engine.ended(_TICK)
        except EngineLostError as error:
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
    # A heuristic that was changed is another one under the same name.
    if program is not None and known.program_sha256 != program.sha256:
        return True
    missing = answer is not None and answer.certified and not answer.certificate_sha256
    return run.keep_certificate and missing
