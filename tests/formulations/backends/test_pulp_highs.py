"""PuLP models in HiGHS: the model that is solved is the one that PuLP holds."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pulp
import pytest

from formulations.backends import pulp_highs
from formulations.backends.interruptible import run_interruptible
from formulations.backends.termination import TerminationStatus
from formulations.model_file import Exported, lp_text
from kvpr_opt.highs import QuietHighs
from kvpr_opt.limits import Limits


def random_model(seed: int) -> pulp.LpProblem:
    """Whole and real variables of many bounds, rows of every sense; often infeasible."""
    draw = random.Random(seed)
    model = pulp.LpProblem(f"random_{seed}", pulp.LpMinimize)
    x = [
        model.add_variable(
            f"x_{j}",
            draw.randint(-3, 0),
            draw.randint(1, 4),
            draw.choice(["Integer", "Continuous"]),
        )
        for j in range(4)
    ]
    model += pulp.lpSum(draw.randint(-5, 5) * each for each in x)
    for i in range(3):
        left = pulp.lpSum(draw.randint(-4, 4) * each for each in draw.sample(x, 3))
        side = draw.randint(-3, 3)
        sense = draw.randrange(3)
        row = left <= side if sense == 0 else left >= side if sense == 1 else left == side
        model += row, f"row_{i}"
    return model


def read_back(model: pulp.LpProblem, path: Path) -> tuple[str, float]:
    """Status and optimum of the model as a file, which HiGHS reads by itself."""
    path.write_text(lp_text(Exported(model, {})))
    highs = QuietHighs()
    highs.readModel(str(path))
    # On a thread of its own, so that it does not matter what ran here before.
    status = run_interruptible(highs.run, Limits(60), highs.cancelSolve)
    assert status is not None
    return highs.getModelStatus().name, highs.getInfo().objective_function_value


@pytest.mark.parametrize("block", range(3))
def test_the_optimum_is_that_of_the_model_as_a_file(block: int, tmp_path: Path) -> None:
    seen = set()
    for seed in range(block * 15, block * 15 + 15):
        model = random_model(seed)
        status, optimum = read_back(model, tmp_path / "model.lp")
        termination = pulp_highs.solve(model, Limits(60), {"threads": 1})
        seen.add(termination.status)
        assert termination.solved == (status == "kOptimal"), seed
        assert termination.infeasible == (status == "kInfeasible"), seed
        if termination.solved:
            assert pulp.value(model.objective) == pytest.approx(optimum, abs=1e-6), seed
    assert seen == {TerminationStatus.SOLVED, TerminationStatus.INFEASIBLE}


def test_without_integrality_the_optimum_is_that_of_the_relaxation() -> None:
    model = pulp.LpProblem("half", pulp.LpMinimize)
    x = model.add_variable("x", 0, 1, pulp.LpInteger)
    model += x
    model += 2 * x >= 1
    assert pulp_highs.solve(model, Limits(60), {}, relaxed=True).solved
    assert x.varValue == pytest.approx(0.5)
    assert pulp_highs.solve(model, Limits(60), {}).solved
    assert x.varValue == pytest.approx(1)


def test_the_values_of_the_variables_are_where_it_starts() -> None:
    model = pulp.LpProblem("start", pulp.LpMinimize)
    x = [model.add_variable(f"x_{j}", cat=pulp.LpBinary) for j in range(3)]
    model += pulp.lpSum(x)
    for j, variable in enumerate(x):
        variable.setInitialValue(j % 2)
    # No node and no heuristic: what comes out is what went in.
    options = {"mip_max_nodes": 0, "presolve": "off", "mip_heuristic_effort": 0.0}
    options["time_limit"] = 0.0
    pulp_highs.solve(model, Limits(), options)
    assert [variable.varValue for variable in x] == [0, 1, 0]


# The wrong optimum of HiGHS 1.14.0 (its issues 2957, 2975): 15, at x = 0 and z = 5.
def test_the_version_of_highs_calls_no_wrong_optimum_optimal() -> None:
    model = pulp.LpProblem("stuffing", pulp.LpMinimize)
    x = model.add_variable("x", 0, 10)
    z = model.add_variable("z", 0, 10, pulp.LpInteger)
    model += 2 * x + 3 * z
    model += x + z >= 4.5
    assert pulp_highs.solve(model, Limits(60), {}).solved
    assert pulp.value(model.objective) == pytest.approx(9)


def test_the_words_for_how_it_ended_need_no_solver() -> None:
    code = "import sys, formulations.backends.termination; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "formulations.backends.termination" in loaded
    assert loaded.isdisjoint({"highspy", "pulp", "ortools"})


def test_limits_that_are_over_stop_it_before_the_start() -> None:
    limits = Limits(1e-9)
    time.sleep(0.01)
    termination = pulp_highs.solve(random_model(0), limits, {})
    assert termination.status is TerminationStatus.STOPPED
