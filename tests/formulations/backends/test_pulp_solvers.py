"""Any solver of PuLP: found by name, ended at any moment, believed only where it can be."""

from __future__ import annotations

import random
import threading
import time
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulp
import pytest
from small_fleets import brute_force, fleet, random_fleet

from formulations.backends import pulp_catalogue, pulp_child, pulp_process
from formulations.backends.pulp_catalogue import FAITHFUL, FAMILIES, available, check_solver
from formulations.backends.termination import Termination, TerminationStatus
from formulations.registry import check_name, create
from kvpr_opt import solve, verify
from kvpr_opt.errors import InputError
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.search.oracle import Feasible, Infeasible, Optimiser

#: The solvers of this machine beside HiGHS.
OTHERS = [name for name in available() if name != "highs"]

each_other = pytest.mark.parametrize("solver", OTHERS)


def agrees(solver: str, instance: Instance) -> None:
    """The verdicts at the optimum and just below it, where the numbers are small."""
    optimum, scaled = brute_force(instance), instance.scaled
    oracle = create(f"assignment_pulp:{solver}", instance)
    assert not isinstance(oracle, Optimiser)
    if not isinstance(optimum, Fraction):
        assert isinstance(oracle.decide(scaled.finite(), Limits(60)), Infeasible)
        return
    found = oracle.decide(scaled.at_most(optimum), Limits(60))
    assert isinstance(found, Feasible)
    assert found.placement.max_kvpr == optimum
    if optimum > 0:
        assert isinstance(oracle.decide(scaled.below(optimum), Limits(60)), Infeasible)


@each_other
def test_it_agrees_with_brute_force(solver: str) -> None:
    agrees(solver, fleet([10, 10], [(3, 3), (3, 3), (3, 4), (1, 1)]))
    agrees(solver, fleet([10, 12, 12], [(3, 3), (3, 0), (3, 4), (1, 1), (7, 2), (4, 0)]))


@pytest.mark.slow
@each_other
@pytest.mark.parametrize("block", range(5))
def test_it_agrees_with_brute_force_on_many_fleets(solver: str, block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        instance = random_fleet(random.Random(f"solvers {seed}"), 6, 3)
        if instance.scaled.total_pressure.bit_length() < 12:  # no rounding
            agrees(solver, instance)


@each_other
def test_a_model_that_cbc_calls_infeasible_by_mistake_is_solved(solver: str) -> None:
    # PuLP issue 662: the preprocessing of CBC 2.10.3 loses the solution x = z = 1, c = 0.
    model = pulp.LpProblem("issue", pulp.LpMinimize)
    names = ("x_0", "x_1", "x_2", "c_0", "c_1")
    x_0, x_1, x_2, c_0, c_1 = (model.add_variable(name, cat=pulp.LpBinary) for name in names)
    model += c_0 + c_1
    model += x_0 + c_1 == 1
    model += x_0 + c_0 >= 1
    model += x_1 + c_1 <= 1
    model += c_0 + c_1 <= 1
    model += x_2 == 1
    model += 9000 * x_1 + 7200 * x_2 + 10800 * c_1 >= 16200
    termination = pulp_process.solve(
        model, pulp_catalogue.class_of(solver), Limits(60), threads=1, gap=0.0
    )
    assert termination.solved
    assert termination.dual_bound == 0
    assert x_1.varValue == 1


@each_other
def test_the_direct_model_ends_with_a_modest_bound(solver: str) -> None:
    instance = random_instance("uniform", gpus=2, models=6, seed=1)
    method = f"direct_pulp:{solver}"
    result = solve(instance, method=method, threads=1, time_limit=60, skip=("heuristic", "level"))
    optimum = brute_force(instance)
    assert isinstance(optimum, Fraction)
    assert result.max_kvpr is not None
    assert result.max_kvpr <= optimum * (1 + Fraction(1, 10**5))
    assert result.lower_bound is not None
    assert optimum * (1 - Fraction(1, 100)) <= result.lower_bound <= optimum
    assert result.certificate is not None
    assert verify(instance, result.certificate).exit_code in (0, 3)


@each_other
def test_it_stops_within_a_second_of_the_limit(solver: str) -> None:
    instance = random_instance("uniform", gpus=12, models=48, seed=1)
    oracle = create(f"assignment_pulp:{solver}", instance)
    assert not isinstance(oracle, Optimiser)
    threshold = instance.scaled.at_most(Fraction(instance.scaled.total_pressure, 10**9))
    start = time.monotonic()
    assert not isinstance(oracle.decide(threshold, Limits(0.5)), Feasible)
    assert time.monotonic() - start < 1.5


# -- a process that misbehaves -------------------------------------------------------


def small_model() -> pulp.LpProblem:
    model = pulp.LpProblem("small", pulp.LpMinimize)
    model += model.add_variable("x", cat=pulp.LpBinary)
    return model


def run_script(
    script: str, limits: Limits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Termination:
    path = tmp_path / "child.py"
    path.write_text(script)
    monkeypatch.setattr(pulp_child, "__file__", str(path))
    return pulp_process.solve(small_model(), "COIN_CMD", limits, threads=1)


def test_a_solver_that_does_not_stop_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.monotonic()
    termination = run_script("import time; time.sleep(60)", Limits(0.3), tmp_path, monkeypatch)
    assert termination.status is TerminationStatus.STOPPED
    assert time.monotonic() - start < 1.3


def test_an_interrupt_ends_the_process_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits()
    threading.Timer(0.2, limits.interrupt).start()
    start = time.monotonic()
    termination = run_script("import time; time.sleep(60)", limits, tmp_path, monkeypatch)
    assert termination.status is TerminationStatus.STOPPED
    assert time.monotonic() - start < 1.2


def test_a_process_that_dies_is_a_failure_not_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    termination = run_script("raise SystemExit(7)", Limits(60), tmp_path, monkeypatch)
    assert termination.status is TerminationStatus.FAILED
    assert "exit code 7" in termination.message


def test_an_error_of_the_solver_is_passed_on() -> None:
    termination = pulp_process.solve(small_model(), "NO_SUCH_CLASS", Limits(60), threads=1)
    assert termination.status is TerminationStatus.FAILED
    assert "NO_SUCH_CLASS does not exist" in termination.message


# -- what is believed ----------------------------------------------------------------


def status_of(
    found: str, *, class_name: str = "COIN_CMD", in_time: bool = True, gap: float | None = None
) -> TerminationStatus:
    answer: dict[str, Any] = {"found": found, "word": "?", "values": {"x": 1.0}}
    return pulp_process._termination(
        small_model(), class_name, answer, in_time=in_time, gap=gap
    ).status


def test_infeasible_is_believed_in_time_and_from_faithful_classes_only() -> None:
    infeasible = pulp_child.INFEASIBLE
    assert status_of(infeasible) is TerminationStatus.INFEASIBLE
    assert status_of(infeasible, in_time=False) is TerminationStatus.STOPPED
    # No file of a solution, whatever the reason, is "infeasible" there.
    assert status_of(infeasible, class_name="CPLEX_CMD") is TerminationStatus.FAILED


def test_optimal_is_believed_in_time_and_a_gap_where_it_was_asked_for() -> None:
    assert status_of(pulp_child.OPTIMAL) is TerminationStatus.SOLVED
    assert status_of(pulp_child.OPTIMAL, in_time=False) is TerminationStatus.STOPPED
    assert status_of(pulp_child.WITHIN_GAP) is TerminationStatus.STOPPED
    assert status_of(pulp_child.WITHIN_GAP, gap=0.01) is TerminationStatus.SOLVED
    assert status_of(pulp_child.NOTHING) is TerminationStatus.STOPPED


# The statuses of PuLP 3, whatever version is installed: its names and numbers, then what it
# says of the solution (1 optimal, 2 found at a limit, 0 none, -1 infeasible).
@pytest.mark.parametrize(
    ("status", "solution", "found"),
    [
        (1, 1, pulp_child.OPTIMAL),
        (1, 2, pulp_child.NOTHING),  # after a time limit with a solution at hand
        (-1, -1, pulp_child.INFEASIBLE),
        # "Not solved", "unbounded" and "undefined" are folded into the solution status.
        (0, -1, pulp_child.NOTHING),
        (-2, -1, pulp_child.NOTHING),
        (-3, -1, pulp_child.NOTHING),
    ],
)
def test_what_pulp_3_says(
    status: int, solution: int, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LpStatusInfeasible", -1), ("LpStatusOptimal", 1)):
        monkeypatch.setattr(pulp, name, value, raising=False)
    monkeypatch.setattr(pulp, "LpSolutionOptimal", 1, raising=False)
    monkeypatch.setattr(pulp, "LpStatus", {1: "Optimal"}, raising=False)
    model = SimpleNamespace(status=status, sol_status=solution)
    assert pulp_child._read_3(model)[0] == found


@pytest.mark.parametrize(
    ("status", "has_solution", "found"),
    [
        ("Optimal", True, pulp_child.OPTIMAL),
        ("GapLimit", True, pulp_child.WITHIN_GAP),
        ("TimeLimit", True, pulp_child.NOTHING),
        ("Infeasible", False, pulp_child.INFEASIBLE),
        ("GapLimit", False, pulp_child.NOTHING),
        ("NotSolved", False, pulp_child.NOTHING),
        ("Undefined", False, pulp_child.NOTHING),
    ],
)
def test_what_pulp_4_says(status: str, has_solution: bool, found: str) -> None:
    outcome = SimpleNamespace(status=SimpleNamespace(name=status), has_solution=has_solution)
    assert pulp_child._read_4(outcome) == (found, status)


def test_a_solver_that_ends_in_time_is_understood_whatever_the_version_of_pulp() -> None:
    free = pulp_process.solve(small_model(), "HiGHS", Limits(60), threads=1)
    assert free.solved, free.message
    impossible = small_model()
    impossible += impossible.variables()[0] >= 2
    refuted = pulp_process.solve(impossible, "HiGHS", Limits(60), threads=1)
    # Understood, but not believed: PuLP's own class for HiGHS is not on the list.
    assert refuted.message == "HiGHS in PuLP: Infeasible, as PuLP tells it"


def test_every_class_that_is_believed_is_one_that_can_be_called() -> None:
    known = {name for family in FAMILIES.values() for name in family.classes}
    assert known >= FAITHFUL


# -- names ---------------------------------------------------------------------------


def test_an_absent_solver_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulp_catalogue, "_is_there", lambda name: name == "HiGHS")
    with pytest.raises(InputError, match=r"'gurobi' is not installed; install gurobipy.*: highs$"):
        check_solver("gurobi")
    with pytest.raises(InputError, match=r"method: solver 'cbc' is not installed"):
        check_name("direct_pulp:cbc")
    assert available() == ["highs"]


def test_a_library_that_fails_to_load_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, **_: object) -> object:
        raise OSError("libgurobi.so: no such file")

    monkeypatch.setattr(pulp, "getSolver", broken)
    assert available() == []


@each_other
def test_the_solver_asked_for_is_the_one_named_in_the_evidence(solver: str) -> None:
    instance = fleet([10, 10], [(3, 3), (3, 3), (3, 4), (1, 1)])
    optimum = brute_force(instance)
    assert isinstance(optimum, Fraction)
    oracle = create(f"assignment_pulp:{solver}", instance)
    assert not isinstance(oracle, Optimiser)
    verdict = oracle.decide(instance.scaled.below(optimum), Limits(60))
    assert isinstance(verdict, Infeasible)
    word = verdict.evidence
    assert word.kind == "solver"
    assert pulp_catalogue.class_of(solver) in word.solver  # type: ignore[union-attr]
