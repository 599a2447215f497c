"""Solve a PuLP model with any of PuLP's solvers, in a process that can be killed at any time.

PuLP cannot stop most solvers, and some overrun their own time limits.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import pulp

from formulations.backends import pulp_child
from formulations.backends.pulp_catalogue import FAITHFUL, OPTIONS
from formulations.backends.termination import Termination, TerminationStatus
from kvpr_opt.limits import LimitsView

# Share of the remaining time given to the solver, so that it can still report its result.
_SHARE = 0.9

# "Infeasible" reported after this share of the solver's own limit is not trusted: some
# solvers and some of PuLP's readers report a time-out as a finished search.
_BELIEVED = 0.9

# How long a process may outlive the limits, in seconds.
_GRACE = 0.4

# Seconds between two checks of the limits.
_POLL_SECONDS = 0.05


def solve(
    model: pulp.LpProblem,
    class_name: str,
    limits: LimitsView,
    *,
    threads: int,
    nodes: int | None = None,
    gap: float | None = None,
) -> Termination:
    """Solve a model; its variables then hold the solution found, if any.

    Parameters
    ----------
    model
        The initial values of its variables are the start, if the solver accepts one.
    class_name
        Name of the PuLP class.
    limits
        When to stop.
    threads, nodes, gap
        Cores, tree nodes and relative gap allowed, if PuLP can pass them on.
    """
    if limits.stopped:
        return Termination(TerminationStatus.STOPPED, f"{class_name}: not started")
    seconds = limits.remaining * _SHARE
    arguments = {
        "threads": threads,
        "maxNodes": nodes,
        "gapRel": gap,
        "options": OPTIONS.get(class_name),
        "warmStart": all(variable.varValue is not None for variable in model.variables()),
        "keepFiles": False,
    }
    request = {
        "model": model.toDict(),
        "class": class_name,
        "parent": os.getpid(),
        "arguments": arguments,
        "until": time.time() + seconds if seconds < math.inf else None,
    }
    start = time.monotonic()
    answer = _ask(request, limits)
    in_time = time.monotonic() - start < _BELIEVED * seconds
    termination = _termination(model, class_name, answer, in_time=in_time, gap=gap)
    if not termination.solved:
        return termination
    # PuLP reports no bound. An optimal value less the allowed gap is one.
    value = float(pulp.value(model.objective) or 0.0)
    return termination._replace(dual_bound=value - abs(value) * (gap or 0.0))


def _termination(
    model: pulp.LpProblem,
    class_name: str,
    answer: dict[str, Any] | None,
    *,
    in_time: bool,
    gap: float | None = None,
) -> Termination:
    if answer is None:
        return Termination(TerminationStatus.STOPPED, f"{class_name}: ended at the limit")
    if "error" in answer:
        return Termination(TerminationStatus.FAILED, f"{class_name}: {answer['error']}")
    message = f"{class_name} in PuLP: {answer['word']}"
    if answer["found"] == pulp_child.INFEASIBLE:
        if not in_time:
            return Termination(TerminationStatus.STOPPED, f"{message}, but at the time limit")
        believed = class_name in FAITHFUL
        status = TerminationStatus.INFEASIBLE if believed else TerminationStatus.FAILED
        return Termination(status, f"{message}, as PuLP tells it")
    for variable in model.variables():
        variable.varValue = answer["values"].get(variable.name)
    good = [pulp_child.OPTIMAL] if gap is None else [pulp_child.OPTIMAL, pulp_child.WITHIN_GAP]
    solved = answer["found"] in good and in_time
    return Termination(TerminationStatus.SOLVED if solved else TerminationStatus.STOPPED, message)


def _ask(request: dict[str, Any], limits: LimitsView) -> dict[str, Any] | None:
    """The answer of the process, or ``None`` if the limits ended it."""
    with tempfile.TemporaryDirectory(prefix="kvpr-opt-") as folder:
        where = {"TMPDIR": folder, "TEMP": folder, "TMP": folder}
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
        # A file, not a pipe: the first time-out below would lose the rest of a pipe.
        with open(os.path.join(folder, "request"), "w+", encoding="utf-8") as given:
            json.dump(request, given)
            given.seek(0)
            process = subprocess.Popen(
                [sys.executable, pulp_child.__file__],
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={**os.environ, **where, "PYTHONPATH": path},
                # A separate group: it takes the solver's process with it, and Ctrl-C stays ours.
                start_new_session=True,
            )
            try:
                output = _wait(process, limits)
            finally:
                _end(process)
    if output is None:
        return None
    try:
        answer: dict[str, Any] = json.loads(output)
    except ValueError:
        return {"error": f"the process of the solver died: exit code {process.returncode}"}
    return answer


def _wait(process: subprocess.Popen[bytes], limits: LimitsView) -> bytes | None:
    """The output of the process once it ends, or ``None`` if the limits came first."""
    stopped_at = math.inf
    while True:
        try:
            return process.communicate(timeout=_POLL_SECONDS)[0]
        except subprocess.TimeoutExpired:
            if limits.stopped:
                stopped_at = min(stopped_at, time.monotonic())
            if limits.interrupted or time.monotonic() - stopped_at > _GRACE:
                return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process together with the solver's own processes."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate()
