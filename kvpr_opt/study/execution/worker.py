"""What happens in a worker process: one run after another, each turned into an entry.

A worker is a process of its own, so that a run which hangs, crashes or takes
all memory can be ended without the study.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from fractions import Fraction
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.environment import usable_cores, versions
from kvpr_opt.problem.exact import fraction_text
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.result import Result
from kvpr_opt.solve import solve
from kvpr_opt.stages import DEFAULT_FORMULATION, PATTERN_METHODS
from kvpr_opt.study.heuristics import is_heuristic, place
from kvpr_opt.study.runs import Method, Run

#: Turns a run into the part of its entry that says how it went.
Perform = Callable[[Run], dict[str, Any]]

#: What a worker says when a run is loaded, warmed up and about to start.
STARTED = "started"


def perform(run: Run) -> dict[str, Any]:
    """Solve the fleet of a run.

    Returns
    -------
    dict
        What came out, as plain data; numbers that claim something as exact text.
    """
    instance = run.fleet
    return {"fleet_sha256": digest(instance), **_outcome(_result(instance, run.method))}


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


def _outcome(result: Result) -> dict[str, Any]:
    statistics = dict(result.statistics)
    trajectory = statistics.pop("trajectory", [])
    return {
        "parameters": dict(result.parameters),
        "status": result.status.value,
        "stop_reason": result.stop_reason.value,
        "max_kvpr": _text(result.max_kvpr),
        "lower_bound": _text(result.lower_bound),
        "gap": None if result.gap is None else float(result.gap),
        "certified": result.certified,
        "seconds": round(result.seconds, 4),
        "trajectory": trajectory,
        "statistics": statistics,
    }


def _text(value: Fraction | float | None) -> str | None:
    """A value as in a result file: no bound stands for an infinite one, the status says it."""
    return fraction_text(value) if isinstance(value, Fraction) else None


def warm_up(method: Method) -> None:
    """Do once what only the first run in a process pays for, so that no run is charged for it.

    Compiled kernels are fetched from their cache, or compiled, and the libraries
    of the solver are loaded by solving a fleet too small to matter.
    """
    if method.program is not None:
        return  # what it does when it is called is its author's
    if method.name in (*PATTERN_METHODS, "local-search"):
        # Imported here: the other methods are spared the compiled code.
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
        # Without a placement to start from, no solver is spared.
        skip = () if name == "heuristic" else ("heuristic",)
        solve(fleet, method=name, threads=method.threads, time_limit=60, skip=skip)


@cache
def machine() -> dict[str, Any]:
    """The machine that this process runs on."""
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


def heading(run: Run) -> dict[str, Any]:
    """The part of an entry that is known before the run has ended."""
    program = run.method.program
    return {
        "key": run.key,
        "run": run.identity,
        **({} if program is None else {"program_sha256": program.sha256}),
        "versions": versions(),
        "machine": machine(),
        "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def serve(connection: Connection, perform_: Perform, warm: bool) -> None:
    """Answer each run that comes in by :data:`STARTED` and then by what came out.

    After a run that raised an error the process ends: it may have left anything
    behind.

    Parameters
    ----------
    connection
        Runs come in, answers go out; closed from the other end, it ends the process.
    perform_
        What to do with a run.
    warm
        Whether to warm up a method before its first run.
    """
    _end_with_the_parent()
    # Ctrl-C belongs to the process that runs the study.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    known: set[tuple[str, int | None]] = set()
    while True:
        try:
            run = connection.recv()
        except EOFError:
            return
        kind = (run.method.name, run.method.threads)
        try:
            if warm and kind not in known:
                warm_up(run.method)
                known.add(kind)
            connection.send(STARTED)
            entry = perform_(run)
            json.dumps(entry, allow_nan=False)  # what the record cannot hold is an error of the run
        except Exception as error:  # the border of the process: whatever it is, it is recorded
            connection.send({"error": f"{type(error).__name__}: {error}"})
            return
        connection.send(entry)


def _end_with_the_parent() -> None:
    """Leave no process behind that works on, where the study itself was killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
