"""What workers do in the tests of the study runner; workers import it by its name."""

from __future__ import annotations

import math
import os
import time
from fractions import Fraction
from typing import Any

import msgspec

from kvpr_opt.problem.instance import Instance
from kvpr_opt.result import Status, StopReason
from kvpr_opt.study.execution import worker
from kvpr_opt.study.recorded_run import Answer
from kvpr_opt.study.runs import Run


def quick(run: Run) -> Answer:
    """An answer without any work."""
    value = Fraction(run.seed + 1, 7)
    return Answer(
        fleet_sha256=f"{run.seed}",
        status=Status.OPTIMAL,
        stop_reason=StopReason.PROVED,
        max_kvpr=value,
        lower_bound=value,
        certified=True,
        seconds=0.5,
    )


def troubled(run: Run) -> Answer:
    """Seed 1 raises, 2 dies, 3 hangs, 4 answers what no record can hold; the others are solved."""
    if run.seed == 1:
        raise ValueError("a bug\nof two lines")
    if run.seed == 2:
        os._exit(9)
    if run.seed == 3:
        time.sleep(60)
    if run.seed == 4:
        return msgspec.structs.replace(quick(run), seconds=math.nan)
    return worker.perform(run)


def slow(run: Run) -> Answer:
    """Fifty milliseconds."""
    time.sleep(0.05)
    return quick(run)


def identified(run: Run) -> Answer:
    """The process that it runs in."""
    time.sleep(0.2)
    return msgspec.structs.replace(quick(run), statistics={"process": os.getpid()})


def first_gpu(instance: Instance) -> dict[str, str]:
    """A heuristic."""
    return {model.name: instance.gpus[0].name for model in instance.models}


def compute_model_placement(gpu_num: int, models: list[Any]) -> dict[int, list[Any]]:
    """A heuristic of the public benchmark's contract."""
    return {0: models, **{gpu: [] for gpu in range(1, gpu_num)}}


def one_second(run: Run) -> Answer:
    """A second of waiting, which is the same on a busy machine; burning it would not be."""
    time.sleep(1)
    return quick(run)
