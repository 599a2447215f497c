"""The interface of executables: the path of a fleet as argument, an assignment on stdout.

The fleet is a file of this package's own schema, with every number exact. The answer is
one JSON object, ``{"model": "gpu", ...}``, by the names in that file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kvpr_opt.audit.child import BENCHMARK_FULL
from kvpr_opt.audit.process import MAX_OUTPUT, CompletedRun
from kvpr_opt.audit.verdict import Finding, Pair, Problem, Reading
from kvpr_opt.files.writing import instance_json
from kvpr_opt.problem.instance import Instance


class _Members(list[tuple[str, Any]]):
    """A JSON object with all of its members, also those of a repeated key."""


def fleet_file(instance: Instance) -> bytes:
    """The fleet as the executable reads it."""
    return instance_json(instance).encode()


def read(instance: Instance, run: CompletedRun) -> Reading:
    """The answer of a run that came to its regular end.

    Parameters
    ----------
    instance
        The fleet.
    run
        The run.
    """
    findings = []
    if not run.input_kept:
        findings.append(Finding(Problem.MUTATED, "the file of the fleet was changed"))
    members = _members(run.answer)
    if isinstance(members, str):
        findings.append(Finding(Problem.NO_PLACEMENT, members))
        return Reading(tuple(findings), seconds=run.seconds)
    models, gpus = instance.model_index, instance.gpu_index
    placed: tuple[Pair, ...] = tuple(
        (models.get(name, name), gpus.get(gpu, gpu) if isinstance(gpu, str) else str(gpu))
        for name, gpu in members
    )
    return Reading(tuple(findings), placed, _naive(instance, members), run.seconds)


def _members(answer: bytes | None) -> list[tuple[str, Any]] | str:
    """Name of a model and of a GPU for each member of the answer, or what is wrong with it."""
    if answer is None:
        return f"more than {MAX_OUTPUT >> 20} MB on standard output"
    try:
        data = json.loads(answer, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        said = answer[:40].decode("utf-8", "replace")
        return f"standard output is not JSON: {said!r}" if said else "nothing on standard output"
    if not isinstance(data, _Members):
        return f"standard output is a JSON {type(data).__name__}, not an object"
    return data


def _naive(instance: Instance, members: Iterable[tuple[str, Any]]) -> float:
    """The maximum KVPR over the GPUs that are named, whether they exist or not.

    What :func:`kvpr_opt.audit.child.naive_outcome` is for the objects of the benchmark.
    Every GPU that the fleet does not have counts as one like its first.
    """
    memory = {gpu.name: float(gpu.usable) for gpu in instance.gpus}
    loads: dict[str, list[float]] = {}
    for name, gpu in dict(members).items():
        if name in instance.model_index:
            model = instance.models[instance.model_index[name]]
            load = loads.setdefault(str(gpu), [0.0, 0.0])
            load[0] += float(model.footprint)
            load[1] += float(model.pressure)
    highest = 0.0
    for gpu, (size, pressure) in loads.items():
        free = memory.get(gpu, float(instance.gpus[0].usable)) - size
        highest = max(highest, pressure / free if free > 0 else BENCHMARK_FULL)
    return highest
