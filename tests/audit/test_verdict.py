"""The judge: every model once, memory kept, exact values, whatever a report says."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import pytest

from kvpr_opt.audit import benchmark, by_name
from kvpr_opt.audit.process import CompletedRun
from kvpr_opt.audit.verdict import AnswerReading, Pair, Problem, RunVerdict, judge
from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import GPU, LLM, Instance

FLEET = Instance(
    [GPU("gpu0", 80), GPU("gpu1", 80)],
    [
        LLM("a", size=40, req_rate=1, slo=3),
        LLM("b", size=40, req_rate=2, slo=7),
        LLM("c", size=79, pressure=0),
    ],
)


def kinds(verdict: RunVerdict) -> list[Problem]:
    return [finding.problem for finding in verdict.findings]


def placed(*gpus: int | str) -> AnswerReading:
    return AnswerReading(placed=tuple(enumerate(gpus)))


def test_the_value_is_exact() -> None:
    fleet = Instance(FLEET.gpus, [*FLEET.models[:1], LLM("b", size="39.9", req_rate=2, slo=7)])
    verdict = judge(fleet, placed(0, 0))
    assert verdict.valid
    assert verdict.max_kvpr == (Fraction(1, 3) + Fraction(2, 7)) / Fraction(1, 10)
    assert verdict.assignment == {"a": "gpu0", "b": "gpu0"}


def test_a_full_gpu_under_pressure_is_no_answer() -> None:
    verdict = judge(FLEET, placed(0, 0, 1))
    assert kinds(verdict) == [Problem.INFINITE]
    assert verdict.max_kvpr == math.inf


def test_a_gpu_is_overfull_by_the_smallest_amount() -> None:
    slim = Instance([GPU("gpu0", "79.9999999999999999999")], [LLM("x", size=80, pressure=1)])
    verdict = judge(slim, placed(0))
    assert kinds(verdict) == [Problem.OVERFULL]
    assert "holds 80 of 79.9999999999999999999" in verdict.findings[0].detail
    assert verdict.max_kvpr is None


def test_a_model_that_is_placed_twice_weighs_once_on_each_gpu() -> None:
    verdict = judge(FLEET, AnswerReading(placed=((0, 0), (0, 0), (0, 1), (1, 0), (2, 1))))
    assert kinds(verdict) == [Problem.DUPLICATED, Problem.OVERFULL]
    assert "gpu1 holds 119 of 80" in verdict.findings[1].detail


def test_a_model_on_a_gpu_that_does_not_exist_is_not_dropped() -> None:
    verdict = judge(FLEET, placed(0, 1, "7"))
    assert kinds(verdict) == [Problem.FOREIGN_GPU]
    assert verdict.assignment is None


def test_a_model_too_many_leaves_the_others_where_they_are_but_makes_no_placement() -> None:
    verdict = judge(FLEET, AnswerReading(placed=((0, 0), (1, 1), (2, 1), ("ghost", 0))))
    assert kinds(verdict) == [Problem.FOREIGN_MODEL, Problem.OVERFULL]
    assert verdict.assignment is None


def test_no_models_at_all_is_a_placement_of_an_empty_fleet_only() -> None:
    assert judge(Instance(FLEET.gpus, []), AnswerReading(placed=())).max_kvpr == 0
    assert kinds(judge(FLEET, AnswerReading(placed=()))) == [Problem.DROPPED]


REPORT: dict[str, Any] = {
    "outcome": "returned",
    "changed": [],
    "entries": 3,
    "kept": True,
    "type": "dict",
    "gpus": [[0, [0, 1]], [1, [2]]],
}


def read(answer: bytes) -> list[Problem]:
    completed = CompletedRun(0, False, 0.1, answer, "", True)
    return [finding.problem for finding in benchmark.read(FLEET, completed).findings]


@pytest.mark.parametrize(
    "forged",
    [
        {"outcome": 3},
        {"changed": [[0, []]]},
        {"changed": [[0, ["a", 40, 1]]]},
        {"changed": [[3, ["a", 40, 1, 3]]]},
        {"gpus": [[0, [3]]]},
        {"gpus": [[0, [-1]]]},
        {"gpus": [[0, [[]]]]},
        {"gpus": [[1.5, []]]},
        {"entries": "x"},
        {"kept": None},
        {"naive": "1"},
        {"seconds": 1e999},
        {"patched": ["x"] * 1000},
        {"failed_imports": ["x"] * 1000},
    ],
)
def test_what_is_no_report_of_the_child_is_a_crash(forged: dict[str, Any]) -> None:
    assert read(json.dumps(REPORT).encode()) == []
    assert read(json.dumps({**REPORT, **forged}).encode()) == [Problem.CRASH]


@pytest.mark.parametrize("answer", [b"", b"{", b"null", b'"\xff"', b"[" * 100_000])
def test_what_is_not_even_json_is_a_crash(answer: bytes) -> None:
    assert read(answer) == [Problem.CRASH]


def test_numbers_reach_a_python_program_as_in_the_benchmark() -> None:
    fleet = Instance(
        [GPU("gpu0", 24, reserved=4)],
        [LLM("x", size=5, req_rate=3, slo="0.5"), LLM("y", size="1/3", pressure="2.5")],
    )
    case = json.loads(benchmark.case_file(fleet))
    assert case == {
        "gpu_num": 1,
        "models": [
            {"model_name": "x", "model_size": 20, "req_rate": 3, "slo": 0.5, "cur_gpu_id": 0},
            {"model_name": "y", "model_size": 4 / 3, "req_rate": 2.5, "slo": 1, "cur_gpu_id": 1},
        ],
    }
    assert isinstance(case["models"][0]["model_size"], int)


def test_the_naive_value_is_told_in_the_units_of_the_fleet() -> None:
    fleet = Instance([GPU("gpu0", 20)], [LLM("x", size=5, pressure=3)])
    report = {
        "outcome": "returned",
        "naive": 3 / (80 - 20),
        "entries": 1,
        "kept": True,
        "gpus": [[0, [0]]],
    }
    reading = benchmark.read(
        fleet, CompletedRun(0, False, 0.1, json.dumps(report).encode(), "", True)
    )
    assert reading.naive == pytest.approx(3 / 15)
    assert judge(fleet, reading).max_kvpr == Fraction(3, 15)


def test_gpus_of_different_memory_cannot_be_told_to_a_function() -> None:
    mixed = Instance([GPU("a", 60), GPU("b", 80)], [])
    with pytest.raises(InputError, match="different memory"):
        benchmark.case_file(mixed)
    assert b'"memory": 60' in by_name.fleet_file(mixed)


def test_a_finding_is_not_as_long_as_a_program_wants_it() -> None:
    placed: tuple[Pair, ...] = (*enumerate([0, 1, 1]), ("x" * 100_000, 0))
    finding = judge(FLEET, AnswerReading(placed=placed)).findings[0]
    assert finding.problem is Problem.FOREIGN_MODEL
    assert finding.detail == "x" * 200 + "..."


def test_a_constraint_that_is_broken_is_named() -> None:
    fleet = Instance(
        [GPU("gpu0", 80), GPU("gpu1", 80)],
        [LLM("a", size=10, pressure=1, pin="gpu1"), LLM("b", size=10, pressure=1)],
    )
    assert judge(fleet, placed(1, 1)).valid
    verdict = judge(fleet, placed(0, 1))
    assert kinds(verdict) == [Problem.CONSTRAINT]
    assert "'a'" in verdict.findings[0].detail
    assert verdict.max_kvpr is None


def test_constraints_cannot_be_told_to_a_function_of_the_benchmark() -> None:
    fleet = Instance([GPU("a", 80), GPU("b", 80)], [LLM("x", size=10, pressure=1, pin="b")])
    with pytest.raises(InputError, match="constraints"):
        benchmark.case_file(fleet)
    assert b'"pin"' in by_name.fleet_file(fleet)
