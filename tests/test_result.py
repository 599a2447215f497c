"""A result as people meet it: what its bound rests on, as text, as data."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from small_fleets import fleet

from kvpr_opt import (
    Grade,
    Progress,
    Result,
    Status,
    StopReason,
    random_instance,
    read_result,
    solve,
    write_result,
)
from kvpr_opt.cli.solve import show

FLEET = fleet([10, 12], [(3, 1), (4, "7/3"), (2, 0)])


@pytest.fixture(scope="module")
def result() -> Result:
    return solve(FLEET, threads=1)


def facts_of(result: Result) -> str:
    return " ".join(dict(result.facts).values())


def test_a_proof_that_was_not_checked_is_called_just_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvpr_opt.certificates.self_check.seconds_to_check", lambda *_: 100.0)
    unchecked = solve(FLEET, threads=1, time_limit=5)
    assert unchecked.status is Status.OPTIMAL
    assert unchecked.grade is Grade.NOT_CHECKED
    assert not unchecked.certified
    assert "by a proof that was not checked" in facts_of(unchecked)
    assert "not checked: that takes about 100.0 s" in str(unchecked)
    assert "word" not in str(unchecked)


@pytest.mark.parametrize("grade", [*Grade, None])
def test_the_grade_is_kept_in_the_file(result: Result, grade: Grade | None, tmp_path: Path) -> None:
    made = replace(result, grade=grade) if grade else replace(result, grade=None, lower_bound=None)
    made = replace(made, status=Status.of(made.placement, made.lower_bound), certificate=None)
    write_result(made, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["grade"] == (grade and grade.value)
    back = read_result(tmp_path / "r.json", FLEET)
    assert back.grade is grade
    assert back.certified is (grade is Grade.CERTIFIED)


@pytest.mark.parametrize(
    ("certified", "message", "grade"),
    [
        (True, "", Grade.CERTIFIED),
        (False, "not checked: interrupted", Grade.NOT_CHECKED),
        (False, "", Grade.SOLVER),
    ],
)
def test_a_file_from_before_there_were_grades_is_read(
    result: Result, certified: bool, message: str, grade: Grade, tmp_path: Path
) -> None:
    data = result.to_dict() | {"certified": certified, "message": message}
    del data["grade"]
    (tmp_path / "r.json").write_text(json.dumps(data))
    assert read_result(tmp_path / "r.json", FLEET).grade is grade


def test_representations_are_short(result: Result) -> None:
    assert len(repr(result)) < 100
    assert repr(result).startswith("<Result: optimal, max KVPR 0.291667, gap 0 %")
    text = str(result)
    for model, gpu in result.placement.assignment.items():  # type: ignore[union-attr]
        assert any(gpu in line and model in line for line in text.splitlines())
    assert "7/24" in text


def test_what_there_is_not_is_told() -> None:
    infeasible = solve(fleet([10], [(11, 1)]))
    assert infeasible.lower_bound == math.inf
    assert "cause" in str(infeasible)
    unknown = solve(FLEET, method="heuristic", skip=("heuristic",))
    assert unknown.placement is None
    assert "UNKNOWN" in str(unknown)


def test_the_data_are_plain_and_those_of_the_file(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path / "r.json")
    data = json.loads((tmp_path / "r.json").read_text())
    assert json.loads(json.dumps(result.to_dict())) == data


def test_a_result_can_be_pickled(result: Result) -> None:
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_placement_is_a_table_of_floats(result: Result) -> None:
    assert result.placement is not None
    rows = result.placement.to_records()
    assert [row["model"] for row in rows] == ["m0", "m1", "m2"]
    assert {row["model"]: row["gpu"] for row in rows} == result.placement.assignment
    assert max(row["gpu_kvpr"] for row in rows) == pytest.approx(7 / 24)
    assert all(type(row[key]) is float for row in rows for key in ("size", "pressure", "gpu_kvpr"))


def test_the_command_and_python_show_the_same(
    result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    show(Console(width=80), result)
    assert capsys.readouterr().out == result.to_text() + "\n"
    assert str(result.placement) in result.to_text()
    assert repr(result.placement) == "<Placement: 3 models on 2 GPUs, max KVPR 0.291667>"


# -- running -------------------------------------------------------------------------

HARD = random_instance("uniform", gpus=16, models=64, seed=0)


def test_progress_that_returns_false_ends_the_run_with_its_best_answer() -> None:
    seen: list[Progress] = []

    def enough(event: Progress) -> bool:
        seen.append(event)
        return event.incumbent is None

    stopped = solve(HARD, threads=1, on_progress=enough)
    assert stopped.stop_reason is StopReason.INTERRUPTED
    assert stopped.placement is not None
    assert stopped.lower_bound is not None
    assert [event.incumbent is None for event in seen].count(False) == 1


def test_progress_that_returns_anything_else_does_not() -> None:
    for answer in (None, True, 0, ""):
        assert solve(FLEET, threads=1, on_progress=lambda _, a=answer: a).status is Status.OPTIMAL


def test_an_exception_in_progress_ends_the_run_and_is_raised() -> None:
    calls: list[Progress] = []

    def broken(event: Progress) -> None:
        calls.append(event)
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        solve(HARD, threads=2, on_progress=broken)
    assert len(calls) == 1
