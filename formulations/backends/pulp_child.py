"""A process that solves one PuLP model by one solver, so that it can be ended at any moment.

    python formulations/backends/pulp_child.py < request > answer

It is run as a file, so that nothing but PuLP is loaded. The request is JSON: the model
as :meth:`pulp.LpProblem.toDict` gives it, the name of PuLP's class, its arguments, of
which those are used that the class takes, and the time of day at which the solver
has to end. The answer is JSON: PuLP's two statuses and the values of the variables, or
an error.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
from typing import Any

import pulp

# Of the time left, what a solver is given at least, in seconds.
_LEAST = 0.05


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Solve the model of a request."""
    arguments = dict(request["arguments"])
    if request["until"] is not None:
        arguments["timeLimit"] = max(_LEAST, request["until"] - time.time())
    variables, model = pulp.LpProblem.fromDict(request["model"])
    kind = type(pulp.getSolver(request["class"], msg=False))
    known = inspect.signature(kind.__init__).parameters
    model.solve(kind(msg=False, **{k: v for k, v in arguments.items() if k in known}))
    return {
        "status": model.status,
        "sol_status": model.sol_status,
        "values": {name: variable.varValue for name, variable in variables.items()},
    }


def main() -> None:
    """Answer the request on standard input."""
    # Solvers print licences and banners: only the answer may reach the parent.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        result = answer(json.load(sys.stdin))
    except Exception as error:  # whatever a solver's library raises, the parent is told
        result = {"error": f"{type(error).__name__}: {error}"}
    json.dump(result, channel)
    channel.close()


if __name__ == "__main__":
    main()
