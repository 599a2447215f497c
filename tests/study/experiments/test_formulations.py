"""The comparison of formulations: when a fleet was closed, and how strong the relaxation is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import report_records

from kvpr_opt import Status, solve
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.study.execution import worker
from kvpr_opt.study.experiments.formulations import (
    report,
    root,
    seconds_to_close,
)
from kvpr_opt.study.recorded_run import RecordedRun, TrajectoryPoint
from kvpr_opt.study.runs import Method, Run
from kvpr_opt.study.spec.read import read_spec
from kvpr_opt.suites.cells import Cell

SPEC = Path(__file__).parents[3] / "docs" / "studies" / "formulations.toml"

CELL = Cell("uniform", 3, 7)


def event(seconds: float, value: float | None, bound: float | None) -> TrajectoryPoint:
    return TrajectoryPoint(seconds, value, bound)


def entry(name: str, *events: TrajectoryPoint, seed: int = 0, **outcome: Any) -> RecordedRun:
    answer = {"status": "feasible", "seconds": 60.0, "max_kvpr": "1/7", "trajectory": events}
    method = Method(name, time_limit=60, threads=1)
    return report_records.entry(seed, CELL, method, machine={"cpu": "A"}, **{**answer, **outcome})


def closed(name: str, *events: TrajectoryPoint, **outcome: Any) -> float:
    return seconds_to_close(entry(name, *events, **outcome).answer)


def test_a_fleet_is_closed_when_value_and_bound_first_meet() -> None:
    events = [event(1, None, 0.1), event(2, 0.2, 0.1), event(3, 0.1, 0.1), event(4, 0.1, 0.1)]
    assert closed("auto", *events) == 3
    assert closed("auto", event(5, 0.1, 0.1 - 1e-8)) == 5
    assert closed("auto", event(5, 0.1, 0.1 - 1e-5)) == math.inf
    assert closed("auto") == math.inf
    assert closed("auto", error="ValueError: no") == math.inf
    assert closed("auto", status="infeasible", max_kvpr=None, seconds=7.0) == 7


def test_the_root_of_an_assignment_model_is_the_volume_bound() -> None:
    instance = random_instance("uniform", gpus=4, models=8, seed=1)
    best = solve(instance, threads=1, time_limit=60).max_kvpr
    volume = volume_bound(instance.scaled).value
    assert best is not None
    assert best > volume
    found = root("assignment_pulp", instance, best, Limits(60))
    assert found == pytest.approx(float(volume), rel=1e-4)
    assert root("assignment_cpsat", instance, best, Limits(60)) is None


def test_the_tables_count_and_rank() -> None:
    best = solve(CELL.fleet(0), threads=1, time_limit=60).max_kvpr
    met = event(12.0, 0.1, 0.1)
    entries = [
        entry("assignment_pulp", met, max_kvpr=str(best)),
        entry("assignment_cpsat", max_kvpr=str(best)),
        entry("assignment_cpsat", event(0.5, 0.1, 0.1), seed=1, error="ValueError: no"),
    ]
    first, second, machine = report(entries).split("\n\n")
    rows = [[text.strip() for text in line.split("|")[1:-1]] for line in first.splitlines()]
    assert rows[0] == ["formulation", "closed at 10 s", "closed at 60 s", "mean s", "root gap %"]
    assert rows[2][:4] == ["assignment_pulp", "0/1", "1/1", "12.00"]
    assert float(rows[2][4]) >= 0
    assert rows[3] == ["assignment_cpsat", "0/2", "0/2", "60.00", "-"]
    assert "uniform 3 x 7" in second
    assert "1/1, 12.00 s" in second
    assert machine.startswith("Machine: cpu A.")


def test_the_record_of_a_real_run_is_read() -> None:
    run = Run(CELL, 1, Method("assignment_pulp", time_limit=30, threads=1))
    found = worker.recorded(run, worker.perform(run))
    assert found.answer is not None
    assert found.answer.status is Status.OPTIMAL
    assert seconds_to_close(found.answer) < 30
    assert "1/1" in report([found])


def test_the_study_of_the_docs_covers_every_formulation() -> None:
    from formulations.registry import ENTRIES

    runs = read_spec(SPEC).runs
    methods = {run.method.name for run in runs}
    assert methods >= {name for name, entry in ENTRIES.items() if entry.capabilities.complete}
    assert len({run.cell for run in runs}) >= 6
    at_worst = sum(run.method.time_limit or math.inf for run in runs) / 2  # two jobs
    assert at_worst <= 70 * 60
