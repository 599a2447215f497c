"""What workers do in the tests of the study runner; workers import it by its name."""

from __future__ import annotations

import os
import time
from typing import Any

from kvpr_opt.problem.instance import Instance
from kvpr_opt.study.execution import worker
from kvpr_opt.study.runs import Run


def quick(run: Run) -> dict[str, Any]:
    """An answer without any work."""
    return {
        "status": "optimal",
        "stop_reason": "proved",
        "max_kvpr": f"{run.seed + 1}/7",
        "lower_bound": f"{run.seed + 1}/7",
        "gap": 0.0,
        "certified": True,
        "seconds": 0.5,
    }


def troubled(run: Run) -> dict[str, Any]:
    """Seed 1 raises, 2 dies, 3 hangs, 4 answers what no record can hold; the others are solved."""
    if run.seed == 1:
        raise ValueError("a bug\nof two lines")
    if run.seed == 2:
        os._exit(9)
    if run.seed == 3:
        time.sleep(60)
    if run.seed == 4:
        return {"seconds": float("nan")}
    return worker.perform(run)


def slow(run: Run) -> dict[str, Any]:
    """Fifty milliseconds."""
    time.sleep(0.05)
    return quick(run)


def identified(run: Run) -> dict[str, Any]:
    """The process that it runs in."""
    time.sleep(0.2)
    return {**quick(run), "statistics": {"process": os.getpid()}}


def first_gpu(instance: Instance) -> dict[str, str]:
    """A heuristic."""
    return {model.name: instance.gpus[0].name for model in instance.models}


def one_second(run: Run) -> dict[str, Any]:
    """A second of waiting, which is the same on a busy machine; burning it would not be."""
    time.sleep(1)
    return quick(run)
