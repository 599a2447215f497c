"""The result file: what is written reads back, and what contradicts itself is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from small_fleets import fleet

from kvpr_opt import Result, Status, read_result, solve, write_result
from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import Instance

FLEET = fleet([10, 12], [(3, 1), (4, Fraction(7, 3)), (2, 0)])
FLEETS = {
    "optimal": FLEET,
    "infeasible": fleet([10, 10], [(11, 1)]),
    "empty": fleet([10], []),
    "long numbers": fleet([10, 10], [(1, Fraction(1, 10**50 + k)) for k in range(1, 90)]),
}


@pytest.mark.parametrize("name", FLEETS)
def test_a_result_reads_back(name: str, tmp_path: Path) -> None:
    result = solve(FLEETS[name], threads=1, time_limit=2)
    write_result(result, tmp_path / "result.json")
    back = read_result(tmp_path / "result.json", FLEETS[name])
    assert back == replace(result, certificate=None, seconds=back.seconds)
    assert back.seconds == pytest.approx(result.seconds, abs=1e-3)


def test_a_result_without_a_placement_reads_back(tmp_path: Path) -> None:
    result = solve(FLEET, skip=("heuristic",), method="heuristic")
    assert result.status is Status.UNKNOWN
    write_result(result, tmp_path / "result.json")
    assert read_result(tmp_path / "result.json", FLEET).placement is None


def test_the_keys_are_those_that_programs_rely_on(tmp_path: Path) -> None:
    data = written(solve(FLEET, threads=1), tmp_path)
    assert list(data) == [
        "schema",
        "instance_sha256",
        "status",
        "stop_reason",
        "message",
        "certified",
        "grade",
        "max_kvpr",
        "lower_bound",
        "gap",
        "assignment",
        "gpus",
        "seconds",
        "versions",
        "parameters",
        "statistics",
    ]
    assert data["schema"] == "kvpr-opt/result/1"
    assert list(data["gpus"][0]) == ["name", "memory", "used", "pressure", "kvpr"]
    assert Fraction(data["max_kvpr"]["exact"]) == solve(FLEET, threads=1).max_kvpr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "kvpr-opt/result/9"}, "schema: 'kvpr-opt/result/9' is not"),
        ({"instance_sha256": "0"}, "belongs to another fleet"),
        ({"status": "feasible"}, "'feasible' does not follow"),
        ({"status": "great"}, "not a result file: Invalid enum value 'great'"),
        ({"assignment": {"m0": "g0"}}, "assignment: model 'm1' is not placed"),
        ({"assignment": {"m0": "g9", "m1": "g1", "m2": "g0"}}, "GPU 'g9'"),
        ({"max_kvpr": {"exact": "1/2", "decimal": 0.5}}, "not the max KVPR of the assignment"),
        ({"lower_bound": {"exact": "x", "decimal": 0.5}}, "lower_bound 'x' is not a fraction"),
        ({"lower_bound": None}, "'optimal' does not follow"),
        ({"seconds": "long"}, r"not a result file: Expected `float`, got `str` - at `\$.seconds`"),
        ({"extra": 1}, "unknown field `extra`"),
    ],
)
def test_what_is_no_result_of_the_fleet_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    data = written(solve(FLEET, threads=1), tmp_path) | change
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=message) as caught:
        read_result(path, FLEET)
    assert str(path) in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_result(solve(FLEET, threads=1), path)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match="not a result file"):
        read_result(path, FLEET)


def written(result: Result, folder: Path) -> dict[str, Any]:
    write_result(result, folder / "written.json")
    data: dict[str, Any] = json.loads((folder / "written.json").read_text())
    return data


def test_an_infeasible_fleet_has_no_bound_in_the_file(tmp_path: Path) -> None:
    instance: Instance = FLEETS["infeasible"]
    data = written(solve(instance), tmp_path)
    assert data["status"] == "infeasible"
    assert data["lower_bound"] is None
    assert data["assignment"] is None
    assert "larger than the largest GPU" in data["message"]
