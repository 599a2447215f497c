"""What happens in a worker process: it does one run after another and sends back the answers.

A worker is a separate process, so that a run that hangs, crashes or takes all memory can
be ended without ending the study.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache
from multiprocessing.connection import Connection

from kvpr_opt.environment import usable_cores, versions
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.result import Result
from kvpr_opt.solve import solve
from kvpr_opt.stages import DEFAULT_FORMULATION, PATTERN_METHODS
from kvpr_opt.study.execution import watchdog
from kvpr_opt.study.heuristics import is_heuristic, place
from kvpr_opt.study.record_line import encode_line
from kvpr_opt.study.recorded_run import Answer, Failure, RecordedRun
from kvpr_opt.study.runs import Method, Run
from kvpr_opt.suites.cells import FixedFleet
from kvpr_opt.text import error_text

#: Does a run.
Perform = Callable[[Run], Answer]

#: Sent by a worker when a run is loaded, warmed up and about to start.
STARTED = "started"


def perform(run: Run) -> Answer:
    """Solve the fleet of a run.

    Raises
    ------
    Exception
        Whatever the method raises.
    """
    return Answer.of(_result(run.fleet, run.method), keep_certificate=run.keep_certificate)


def _result(instance: Instance, method: Method) -> Result:
    if is_heuristic(method):
        return place(instance, method)
    return solve(
        instance,
        time_limit=method.time_limit,
        gap=method.gap,
        method=method.name,
        seed=method.seed,
        threads=method.threads,
        skip=method.skip,
    )


def warm_up(method: Method) -> None:
    """Do in advance what would otherwise slow down the first run in a process.

    Compiled kernels are loaded from their cache, or compiled, and the solver's libraries
    are loaded by solving a tiny fleet.
    """
    if method.program is not None:
        return  # its author decides what it does when it is called
    if method.name in (*PATTERN_METHODS, "local-search"):
        # Lazy import: the other methods need no compiled code.
        from kvpr_opt.warm_up import warm_up as load_kernels

        load_kernels()
    fleet = Instance(
        [GPU("a", 10), GPU("b", 10), GPU("c", 10)],
        [LLM(str(n), size=2 + n % 3, pressure=1 + n % 4) for n in range(7)],
    )
    if is_heuristic(method):
        place(fleet, replace(method, time_limit=60))
        return
    names = [method.name, *([DEFAULT_FORMULATION] if method.name == "auto" else [])]
    for name in names:
        # Without a heuristic placement even an easy fleet reaches the solver.
        skip = () if name == "heuristic" else ("heuristic",)
        solve(fleet, method=name, threads=method.threads, time_limit=60, skip=skip)


@cache
def machine() -> dict[str, str | int]:
    """A description of the machine that this process runs on."""
    usable = usable_cores()
    return {"cpu": _cpu_model(), "cores": usable, "platform": platform.platform()}


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def recorded(run: Run, outcome: Answer | Failure) -> RecordedRun:
    """The record of a run that has just ended on this machine."""
    program, cell = run.method.program, run.cell
    return RecordedRun(
        run=run,
        outcome=outcome,
        program_sha256="" if program is None else program.sha256,
        schedule=cell.published if isinstance(cell, FixedFleet) else None,
        versions=versions(),
        machine=machine(),
        ended=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def serve(connection: Connection, perform_: Perform, warm: bool, folder: str) -> None:
    """Answer each run that comes in by :data:`STARTED` and then by its outcome.

    After a run that raised an error the process ends: it may have left anything
    behind.

    Parameters
    ----------
    connection
        Receives runs and sends answers; when the other end is closed, the process ends.
    perform_
        Does a run.
    warm
        Whether to warm up a method before its first run.
    folder
        Where temporary files go; made here, and removed by the parent.
    """
    _leave_signals_to_the_study()
    _end_with_the_study(folder)
    os.mkdir(folder, mode=0o700)
    os.environ.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder))
    tempfile.tempdir = None  # to be looked up again
    known: set[tuple[str, int | None]] = set()
    while True:
        try:
            run = connection.recv()
        except EOFError:
            return
        kind = (run.method.name, run.method.threads)
        outcome: Answer | Failure
        try:
            if warm and kind not in known:
                warm_up(run.method)
                known.add(kind)
            connection.send(STARTED)
            outcome = perform_(run)
            encode_line(recorded(run, outcome))  # an answer that cannot be stored is a failed run
        except BaseException as error:  # whatever it is, it is recorded as the run's failure
            outcome = Failure(error_text(error))
        try:
            connection.send(outcome)
        except OSError:
            return  # the study has gone
        if isinstance(outcome, Failure):
            return


def _leave_signals_to_the_study() -> None:
    """Outlive Ctrl-C, SIGTERM and SIGHUP: the study hears them too, and ends its workers.

    The signals are caught, not ignored, since programs that a heuristic starts would
    ignore them as well.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda _number, _frame: None)


def _end_with_the_study(folder: str) -> None:
    """Leave nothing behind that works on after the study itself was killed."""
    study = multiprocessing.parent_process()
    if study is None:
        return
    if sys.platform != "win32":
        os.setpgid(0, 0)  # so that it can be ended with what it starts
        watchdog.start(study.sentinel, folder)
        return

    def wait() -> None:
        study.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
