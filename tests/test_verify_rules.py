"""What the checker says of proofs about fleets with constraints, and the work that it does."""

from __future__ import annotations

import hashlib
import importlib
import json
from typing import Any

import pytest

from kvpr_opt.verify import Report, check

#: The module: the package has a function of its name.
CHECKER = importlib.import_module("kvpr_opt.verify")

ONLY: dict[str, Any] = {"kind": "only", "model": "s", "gpus": ["a"]}
APART: dict[str, Any] = {"kind": "apart", "models": ["s", "t", "u"]}
TOGETHER: dict[str, Any] = {"kind": "together", "models": ["s", "t"]}
SPREAD: dict[str, Any] = {"kind": "spread", "models": [["s"], ["t"]]}

MODELS = [
    *({"name": name, "size": "29", "pressure": "1"} for name in "stuv"),
    {"name": "idle", "size": "1", "pressure": "0"},
]

#: Of three models of a group, two GPUs take two.
ONE_EACH = {"kind": "constrained", "models": "1 1 1 0 0", "gpus": "1", "types": "0 0"}


def run(*constraints: dict[str, Any], value: str, proof: dict[str, str]) -> Report:
    fleet = json.dumps(
        {
            "schema": "kvpr-opt/canonical/2" if constraints else "kvpr-opt/canonical/1",
            "gpus": [{"name": name, "memory": "100"} for name in "ab"],
            "models": MODELS,
            "constraints": list(constraints),
        }
    )
    claim = {
        "schema": "kvpr-opt/certificate/2" if constraints else "kvpr-opt/certificate/1",
        "instance_sha256": hashlib.sha256(fleet.encode()).hexdigest(),
        "status": "infeasible" if value == "infinite" else "unknown",
        "max_kvpr": None,
        "placement": None,
        "bounds": [{"value": value, "proof": proof}],
    }
    return check(fleet, json.dumps(claim))


@pytest.mark.parametrize(
    ("constraints", "ignored"),
    [
        ([APART], ""),
        ([APART, TOGETHER], " (without: nodes)"),
        ([APART, SPREAD], " (without: nodes)"),
    ],
)
def test_a_proof_with_constraints_says_that_it_leaves_out_nodes(
    constraints: list[dict[str, Any]], ignored: str
) -> None:
    report = run(*constraints, value="infinite", proof=ONE_EACH)
    assert report.exit_code == 0
    said = [check.detail for check in report.checks if check.detail.startswith("constrained: ")]
    assert said == [
        f"constrained: the points of the models exceed what the GPUs can hold by 1{ignored}"
    ]


@pytest.mark.parametrize("constraint", [None, ONLY, APART, TOGETHER, SPREAD])
def test_a_proof_that_knows_no_constraints_says_so(constraint: dict[str, Any] | None) -> None:
    constraints = [] if constraint is None else [constraint]
    report = run(*constraints, value="4/83", proof={"kind": "volume"})
    assert report.exit_code == 0
    [said] = [check.detail for check in report.checks if check.detail.startswith("volume")]
    assert said.endswith(" (without: constraints)") is bool(constraints)


def test_the_work_of_a_proof_with_constraints_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the idle one, which is pinned, and v, which has no points: sizes are 117 in a room
    # of 400 at most, so 1 in 3; three models of 1 point.
    pin = {"kind": "only", "model": "idle", "gpus": ["a"]}
    most = 3 * CHECKER.row_bytes(1, 3)
    for work, code in ((most, 0), (most - 1, 2)):
        monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(row_work=work))
        assert run(APART, pin, value="infinite", proof=ONE_EACH).exit_code == code


def without_placement(fleet: str, proof: dict[str, str]) -> Report:
    """The report on the claim that a fleet has no placement."""
    claim = {
        "schema": "kvpr-opt/certificate/2",
        "instance_sha256": hashlib.sha256(fleet.encode()).hexdigest(),
        "status": "infeasible",
        "max_kvpr": None,
        "placement": None,
        "bounds": [{"value": "infinite", "proof": proof}],
    }
    return check(fleet, json.dumps(claim))


def grouped(*constraints: dict[str, Any], gpus: str, models: str, proof: dict[str, str]) -> int:
    """Exit code of the claim that a fleet of small models has no placement."""
    fleet = json.dumps(
        {
            "schema": "kvpr-opt/canonical/2",
            "gpus": [{"name": name, "memory": "100"} for name in gpus],
            "models": [{"name": name, "size": "1", "pressure": "1"} for name in models],
            "constraints": list(constraints),
        }
    )
    return without_placement(fleet, {"kind": "constrained", **proof}).exit_code


def apart(models: str) -> dict[str, Any]:
    return {"kind": "apart", "models": list(models)}


def test_of_the_groups_of_a_model_the_largest_counts() -> None:
    proof = {"models": "1 0 1 1", "gpus": "1", "types": "0 0"}
    for groups in (["st", "suv"], ["suv", "st"]):
        assert grouped(*map(apart, groups), gpus="ab", models="stuv", proof=proof) == 0


def test_of_groups_of_one_size_the_first_counts() -> None:
    proof = {"models": "1 0 1", "gpus": "1", "types": "0"}
    assert grouped(apart("su"), apart("st"), gpus="a", models="stu", proof=proof) == 0
    assert grouped(apart("st"), apart("su"), gpus="a", models="stu", proof=proof) == 5


def test_pinned_models_do_not_make_a_group_larger() -> None:
    pins = [{"kind": "only", "model": model, "gpus": [gpu]} for model, gpu in ("pc", "qd")]
    only = [{"kind": "only", "model": model, "gpus": ["a", "b"]} for model in "uv"]
    proof = {"models": "1 0 1 1 0 0", "gpus": "1 0", "types": "0 0 1 1"}
    groups = [apart("pqst"), apart("suv")]
    assert grouped(*pins, *only, *groups, gpus="abcd", models="stuvpq", proof=proof) == 0


def beside_a_pin(pinned: int, points: str) -> Report:
    """A GPU of 10 for a pinned model, one of size 1 and one of size 0, none under pressure."""
    sizes = {"p": pinned, "q": 1, "z": 0}
    fleet = json.dumps(
        {
            "schema": "kvpr-opt/canonical/2",
            "gpus": [{"name": "a", "memory": "10"}],
            "models": [
                {"name": name, "size": str(size), "pressure": "0"} for name, size in sizes.items()
            ],
            "constraints": [{"kind": "only", "model": "p", "gpus": ["a"]}],
        }
    )
    proof = {"kind": "constrained", "models": points, "gpus": "0", "types": "0"}
    return without_placement(fleet, proof)


def test_what_is_pinned_leaves_some_room_or_none_but_not_less() -> None:
    assert beside_a_pin(9, "0 1 0").exit_code == 5
    assert beside_a_pin(10, "0 1 0").exit_code == 0
    assert beside_a_pin(11, "0 1 0").exit_code == 5
    assert beside_a_pin(11, "0 1 0").checks[2].detail == (
        "what is pinned to a GPU is more than it can hold"
    )


def test_models_of_no_size_do_not_count() -> None:
    assert beside_a_pin(10, "0 1 5").exit_code == 0
    assert beside_a_pin(10, "0 0 5").exit_code == 5


@pytest.mark.parametrize("size", [11, 127, 128, 129, 300, 10**30])
def test_a_model_larger_than_the_room_changes_no_row(size: int) -> None:
    """Though it has more bits than a size of the row."""
    row = CHECKER.row_of_least_sizes
    alone = row([[(3, 1)], [(4, 1)]], 2, 10)
    assert row([[(size, 1), (3, 1)], [(size, 2)], [(4, 1)]], 2, 10) == alone
    # The bits of 0, 3, 7 and 11, the sizes of 0 to 3 points.
    assert alone == [0b0111, 0b0111, 0b0010, 0b0001]
    # Or in one integer, a byte for each size.
    *_, entries = CHECKER.rows_of_least_sizes(
        [[(size, 1), (3, 1)], [(size, 2)], [(4, 1)]], 2, 10, 1
    )
    assert [*entries.to_bytes(4, "big")] == [0, 3, 7, 11]
