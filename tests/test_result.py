"""A result as people meet it: what its bound rests on, as text, as data."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from small_fleets import fleet

from kvpr_opt import Grade, Result, Status, read_result, solve, write_result

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
