"""Command lines that repeat single runs of a record."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from kvpr_opt.study.heuristics import is_heuristic
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.runs import Method
from kvpr_opt.suites.cells import PRISM, Cell


def generate_commands(runs: Sequence[RecordedRun]) -> list[str]:
    """For each cell, the command that writes the fleet of its first recorded seed.

    Fleets that were not drawn, or have constraints, have no such command.
    """
    seeds: dict[Cell, int] = {}
    for recorded in runs:
        cell = recorded.run.cell
        if isinstance(cell, Cell) and cell.is_plain:
            seeds.setdefault(cell, recorded.run.seed)
    return [_generate(cell, seed) for cell, seed in seeds.items()]


def solve_commands(runs: Sequence[RecordedRun]) -> list[str]:
    """For each method and limit, the command that solves a fleet by it.

    Heuristics that only studies know have no such command.
    """
    methods = dict.fromkeys(recorded.run.method for recorded in runs)
    return [_solve(method) for method in methods if not is_heuristic(method)]


def _generate(cell: Cell, seed: int) -> str:
    words = ["kvpr-opt", "generate", cell.family]
    if cell.family == PRISM:
        words += ["--case", str(seed)]
    else:
        words += ["--gpus", str(cell.gpus), "--models", str(cell.models), "--seed", str(seed)]
        for name, value in cell.options:
            words += [f"--{name}", value]
    return shlex.join([*words, "--output", "fleet.json"])


def _solve(method: Method) -> str:
    limit = "none" if method.time_limit is None else f"{method.time_limit:g}"
    words = ["kvpr-opt", "solve", "fleet.json", "--method", method.name, "--time-limit", limit]
    if method.threads is not None:
        words += ["--threads", str(method.threads)]
    if method.gap != "0":
        words += ["--gap", method.gap]
    if method.seed:
        words += ["--seed", str(method.seed)]
    for stage in method.skip:
        words += ["--skip", stage]
    return shlex.join(words)
