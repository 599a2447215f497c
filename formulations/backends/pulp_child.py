"""A process that solves one PuLP model with one solver, so that it can be killed at any time.

    python formulations/backends/pulp_child.py < request > answer

It is run as a file, so that nothing but PuLP is loaded. The request is JSON: the model
from :meth:`pulp.LpProblem.toDict`, the name of the PuLP class, its arguments (those the
class does not take are ignored), and the time of day at which the solver has to stop.
The answer is JSON: the outcome, PuLP's name for it, and the values of the variables; or
an error.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import signal
import sys
import threading
import time
from typing import Any

import pulp

#: Possible outcomes: an optimal solution, one that is as good as requested, infeasible,
#: or none of these.
OPTIMAL, WITHIN_GAP, INFEASIBLE, NOTHING = "optimal", "within gap", "infeasible", "nothing"

# Seconds between two checks that the parent is still alive.
_WATCH_EVERY = 0.2

# Minimum time given to the solver, in seconds.
_LEAST = 0.05


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Solve the model of a request."""
    arguments = dict(request["arguments"])
    if request["until"] is not None:
        arguments["timeLimit"] = max(_LEAST, request["until"] - time.time())
    variables, model = pulp.LpProblem.fromDict(request["model"])
    kind = type(pulp.getSolver(request["class"], msg=False))
    known = inspect.signature(kind.__init__).parameters
    outcome = model.solve(kind(msg=False, **{k: v for k, v in arguments.items() if k in known}))
    found, word = _read_3(model) if isinstance(outcome, int) else _read_4(outcome)
    values = {name: variable.varValue for name, variable in variables.items()}
    return {"found": found, "word": word, "values": values}


def _read_3(model: Any) -> tuple[str, str]:
    """The outcome according to the two statuses of PuLP 3.

    It merges "not solved" and "undefined" into the solution status "infeasible", and calls a
    solution at the time limit "optimal": they are trusted only where both agree.
    """
    word = pulp.LpStatus.get(model.status, str(model.status))
    if model.status == pulp.LpStatusInfeasible:
        return INFEASIBLE, word
    both = (model.status, model.sol_status) == (pulp.LpStatusOptimal, pulp.LpSolutionOptimal)
    return (OPTIMAL if both else NOTHING), word


def _read_4(statistics: Any) -> tuple[str, str]:
    """The outcome according to PuLP 4's one status and whether there is a solution."""
    word = statistics.status.name
    if word == "Infeasible":
        return INFEASIBLE, word
    if statistics.has_solution:
        return {"Optimal": OPTIMAL, "GapLimit": WITHIN_GAP}.get(word, NOTHING), word
    return NOTHING, word


def _end_with(parent: int) -> None:
    """Wait for the parent to die, then remove the folder that it made and end all processes."""
    while os.getppid() == parent:
        time.sleep(_WATCH_EVERY)
    shutil.rmtree(os.getcwd(), ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Answer the request on standard input."""
    # Solvers print licences and banners: only the answer may reach the parent.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        request = json.load(sys.stdin)
        if hasattr(os, "killpg"):
            # A killed parent can neither end this process nor clean up.
            threading.Thread(target=_end_with, args=(request["parent"],), daemon=True).start()
        result = answer(request)
    except Exception as error:  # report whatever a solver's library raises to the parent
        result = {"error": f"{type(error).__name__}: {error}"}
    json.dump(result, channel)
    channel.close()


if __name__ == "__main__":
    main()
