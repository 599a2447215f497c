"""The checker on relocations: form, homes, costs, placement, and what a bound may say of moves."""

from __future__ import annotations

import hashlib
import importlib
import json
from typing import Any

import pytest

from kvpr_opt.verify import Report, check, check_either, check_relocation

# The package has a function of this name.
CHECKER = importlib.import_module("kvpr_opt.verify")

Data = dict[str, Any]

#: Two models that share a GPU; apart, each has a KVPR of 1/3, and together 2/2.
FLEET = {
    "schema": "kvpr-opt/canonical/1",
    "gpus": [{"name": "a", "memory": "4"}, {"name": "b", "memory": "4"}],
    "models": [
        {"name": "x", "size": "1", "pressure": "1"},
        {"name": "y", "size": "1", "pressure": "1"},
    ],
    "constraints": [],
}
#: Both stay where they are: moving one costs 2, and there is 1. Below 1, a GPU holds one model.
#: Points: 3 + 3 > 4 + 0 + 1 * 1, as x and y are worth 3 at home and 1 elsewhere.
PROOF = {"kind": "moves", "models": "3 3", "gpus": "3 1", "price": "1"}


def text(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def relocation(**changed: object) -> Data:
    made = {
        "schema": "kvpr-opt/relocation/1",
        "instance_sha256": hashlib.sha256(text(FLEET).encode()).hexdigest(),
        "home": {"x": "a", "y": "a"},
        "costs": {"x": "2", "y": "2"},
        "budget": "1",
        "max_kvpr": "1",
        "placement": {"x": "a", "y": "a"},
        "bounds": [{"value": "1", "proof": PROOF}],
    }
    return {**made, **changed}


def moved(**changed: object) -> Data:
    """x on b, within a budget of 2."""
    made = {"budget": "2", "max_kvpr": "1/3", "placement": {"x": "b", "y": "a"}, "bounds": []}
    return relocation(**{**made, **changed})


def run(data: object) -> Report:
    return check_relocation(text(FLEET), text(data))


def last(report: Report) -> str:
    """The detail of the last check."""
    return report.checks[-1].detail


def test_staying_is_optimal_within_the_budget() -> None:
    report = run(relocation())
    assert report.exit_code == 0
    assert [each.name for each in report.checks] == ["digest", "homes", "placement", "bound 1"]
    assert report.checks[1].detail == "2 of 2 models run on GPUs of the fleet"
    assert "0 models move" in report.checks[2].detail
    assert "exceed what GPUs and moves allow by 1" in last(report)


def test_a_move_has_its_cost() -> None:
    assert "1 models move" in last(run(moved()))
    assert run(moved()).exit_code == 0
    assert run(moved(budget="3/2")).exit_code == 5
    assert "more than the budget" in last(run(moved(budget="3/2")))
    assert run(moved(costs={"x": "1", "y": "9"}, budget="1")).exit_code == 0
    # A model without a home goes anywhere for nothing.
    assert run(moved(home={"y": "a"}, budget="0")).exit_code == 0
    assert run(moved(home={}, budget="0")).exit_code == 0
    assert run(moved(placement={"x": "b", "y": "b"}, budget="3", max_kvpr="1")).exit_code == 5
    assert run(moved(placement={"x": "b", "y": "b"}, budget="4", max_kvpr="1")).exit_code == 0


def test_placement_and_value_need_each_other() -> None:
    nothing = relocation(max_kvpr=None, placement=None)
    assert run(nothing).exit_code == 0
    assert run(nothing).checks[2].detail == "none is claimed"
    assert run({**nothing, "max_kvpr": "1"}).exit_code == 5
    assert run(relocation(max_kvpr=None)).exit_code == 5
    assert run(moved(max_kvpr="1/2")).exit_code == 5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"home": {"z": "a"}}, "no model 'z'"),
        ({"home": {"x": "c"}}, "no GPU 'c'"),
        ({"home": {"x": 1}}, "an object needs exactly these keys"),
        ({"costs": {"x": "2"}}, "one cost for each model"),
        ({"costs": {"x": "2", "y": "2", "z": "2"}}, "one cost for each model"),
        ({"costs": {"x": "2", "z": "2"}}, "one cost for each model"),
    ],
)
def test_behind_false_homes_or_costs_nothing_is_looked_at(changed: Data, message: str) -> None:
    report = run(relocation(**changed))
    assert report.exit_code == 5
    assert [each.name for each in report.checks] == ["digest", "homes"]
    assert message in last(report)


@pytest.mark.parametrize(
    "changed",
    [
        {"costs": {"x": "2", "y": 2}},
        {"costs": {"x": "2", "y": "-1"}},
        {"costs": {"x": "2", "y": "9" * 201}},
        {"costs": []},
        {"home": []},
        {"budget": 1},
        {"budget": "-1"},
        {"budget": "9" * 20_001},
        {"max_kvpr": "9" * 20_001},
        {"placement": []},
        {"bounds": [{"value": "1", "proof": PROOF}] * 3},
        {"bounds": [{"value": "1"}]},
        {"bounds": {}},
        {"schema": "kvpr-opt/relocation/2"},
        {"status": "optimal"},
    ],
)
def test_another_form_is_unreadable(changed: Data) -> None:
    report = run(relocation(**changed))
    assert report.exit_code == 2
    assert [each.name for each in report.checks] == ["certificate"]


def test_costs_and_budgets_may_have_just_so_many_digits() -> None:
    assert run(moved(budget="9" * 20_000)).exit_code == 0
    assert run(moved(costs={"x": "9" * 200, "y": "2"}, budget="9" * 200)).exit_code == 0


def test_two_bounds_and_both_at_most_the_value() -> None:
    volume = {"value": "1/9", "proof": {"kind": "volume"}}
    sound = relocation()["bounds"]
    assert run(relocation(bounds=sound * 2)).exit_code == 0
    assert run(relocation(bounds=[volume, *sound])).exit_code == 0
    # True or not, a bound above the value is one check more, which fails.
    high = moved(budget="0", home={}, bounds=[{"value": "1/2", "proof": {"kind": "volume"}}])
    assert [each.outcome for each in run(high).checks[-2:]] == ["FAILED", "FAILED"]
    assert last(run(high)) == "the bound exceeds the max KVPR"
    assert len(run(relocation(max_kvpr=None, placement=None, bounds=high["bounds"])).checks) == 4
    assert len(run(high).checks) == 5
    # Just at the value it does not exceed it.
    assert last(run(relocation())) != "the bound exceeds the max KVPR"


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        ({}, 0),
        ({"price": "1/2"}, 5),  # too little for a move: x is worth its 3 points on b, too
        ({"price": "2"}, 5),  # 3 + 3 <= 4 + 2 * 1
        ({"price": "-1"}, 5),
        ({"price": 1}, 5),
        ({"price": f"{'9' * 200}/{'9' * 201}"}, 5),
        ({"models": "2 3"}, 5),
        ({"models": "3 3/2"}, 5),  # whole numbers, whatever the numerators would prove
        ({"gpus": "3 1/2"}, 5),
        ({"models": "3 4"}, 5),
        ({"models": "3"}, 5),
        ({"models": "3 3 3"}, 5),
        ({"gpus": "2 1"}, 5),
        ({"gpus": "3 0"}, 5),
        ({"gpus": "3 2"}, 5),
        ({"gpus": "3"}, 5),
        ({"kind": "dual"}, 5),
        ({"types": "0 0"}, 5),
    ],
)
def test_every_number_of_a_proof_counts(proof: Data, code: int) -> None:
    bounds = [{"value": "1", "proof": {**PROOF, **proof}}]
    assert run(relocation(bounds=bounds)).exit_code == code


def tied(*constraints: Data, **proof: str) -> Report:
    """The bound of the fleet, with constraints."""
    fleet = {**FLEET, "schema": "kvpr-opt/canonical/2", "constraints": [*constraints]}
    claim = relocation(
        instance_sha256=hashlib.sha256(text(fleet).encode()).hexdigest(),
        max_kvpr=None,
        placement=None,
        bounds=[{"value": "1", "proof": {**PROOF, **proof}}],
    )
    return check_relocation(text(fleet), text(claim))


@pytest.mark.parametrize(
    ("constraint", "ignored"),
    [
        ({"kind": "only", "model": "x", "gpus": ["a"]}, ""),
        ({"kind": "apart", "models": ["x", "y"]}, ""),
        ({"kind": "together", "models": ["x", "y"]}, " (without: nodes)"),
        ({"kind": "spread", "models": [["x"], ["y"]]}, " (without: nodes)"),
    ],
)
def test_a_proof_says_that_it_leaves_out_nodes(constraint: Data, ignored: str) -> None:
    report = tied(constraint)
    assert report.exit_code == 0
    said = "moves: the points of the models exceed what GPUs and moves allow by 1"
    assert last(report) == f"{said}{ignored}"


def test_what_is_pinned_to_a_gpu_has_to_fit_it() -> None:
    pins = [{"kind": "only", "model": model, "gpus": ["a"]} for model in "xy"]
    # Two items of 5 in a room of 8: no placement is below the bound, but points do not say so.
    assert tied(*pins, models="9 9", gpus="9 0").exit_code == 5
    assert last(tied(*pins, models="3 3", gpus="4 0")) == (
        "what is pinned to a GPU is more than it can hold"
    )


@pytest.mark.parametrize("gpus", ["2 2", "1 3", "0 4"])
def test_what_is_pinned_to_a_gpu_is_within_its_limit(gpus: str) -> None:
    pin = {"kind": "only", "model": "x", "gpus": ["a"]}
    assert tied(pin, gpus="3 1").exit_code == 0
    assert tied(pin, gpus=gpus).exit_code == 5
    assert last(tied(pin, gpus=gpus)) == "models of more points than a GPU may hold fit it"


def test_a_bound_of_nothing_is_true_whatever_its_proof() -> None:
    for proof in ({}, {"kind": "moves"}, {**PROOF, "gpus": "9 9"}):
        assert run(relocation(bounds=[{"value": "0", "proof": proof}])).exit_code == 0
    assert run(relocation(bounds=[{"value": "1/99999", "proof": {}}])).exit_code == 5


def test_a_solvers_word_is_not_checkable() -> None:
    word = {"kind": "solver", "solver": "s", "version": "1", "threshold": "2", "parameters": {}}
    assert run(relocation(bounds=[{"value": "1", "proof": word}])).exit_code == 3


def test_moves_are_no_proof_of_a_certificate() -> None:
    claims = {"instance_sha256": relocation()["instance_sha256"], "status": "unknown"}
    data = {"schema": "kvpr-opt/certificate/1", **claims, "max_kvpr": None, "placement": None}
    data["bounds"] = relocation()["bounds"]
    report = check(text(FLEET), text(data))
    assert report.exit_code == 5
    rounded = {"kind": "rounded", "unit": "1", "proof": PROOF}
    assert run(relocation(bounds=[{"value": "1", "proof": rounded}])).exit_code == 5


def test_the_digest_comes_first() -> None:
    report = run(relocation(instance_sha256="0", home={"z": "z"}))
    assert report.exit_code == 5
    assert [each.name for each in report.checks] == ["digest"]
    assert check_relocation("{}", text(relocation())).checks[0].name == "fleet"
    assert check_relocation("{}", text(relocation())).exit_code == 2


def test_which_of_the_two_a_text_is() -> None:
    data = relocation()
    assert check_either(text(FLEET), text(data)).exit_code == 0
    assert check_either(text(FLEET), json.dumps(data, indent=2)).exit_code == 0
    assert check(text(FLEET), text(data)).exit_code == 2
    # A name that says so makes no relocation of a certificate, and no wrong one passes.
    data = {**relocation(), "schema": "kvpr-opt/certificate/1"}
    assert check_either(text(FLEET), text(data)).exit_code == 2


def work_of(free: int, top: int, room: int) -> int:
    """Bytes of the row of one GPU, times its models."""
    return free * CHECKER.row_bytes(top, room)


def test_the_work_of_all_gpus_together_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    # At the bound 1 the threshold is 2/3, so items are 2 + 3 and the room is 8, or in units of
    # 5, 1 and 1. On b, models are worth 1 each; all four count.
    work = work_of(2, 3, 1) + work_of(2, 1, 1)
    for limit, code in ((work, 0), (work - 1, 2)):
        monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(row_work=limit))
        assert run(relocation()).exit_code == code


def test_models_worth_nothing_are_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = {"kind": "moves", "models": "3 3", "gpus": "3 0", "price": "3/2"}
    work = work_of(2, 3, 1)
    monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(row_work=work))
    assert run(relocation(bounds=[{"value": "1", "proof": proof}])).exit_code == 0
    monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(row_work=work - 1))
    assert run(relocation(bounds=[{"value": "1", "proof": proof}])).exit_code == 2


def test_models_that_do_not_fit_are_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    # Beside x there is room for 3 on a, and y takes 5; on b it is the only one that may be there.
    pin = {"kind": "only", "model": "x", "gpus": ["a"]}
    work = work_of(1, 1, 1)
    for limit, code in ((work, 0), (work - 1, 2)):
        monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(row_work=limit))
        assert tied(pin, gpus="3 1").exit_code == code


def test_the_row_of_one_gpu_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    most = CHECKER.row_bytes(3, 1)
    for limit, code in ((most, 0), (most - 1, 2)):
        monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(row_bytes=limit))
        assert run(relocation()).exit_code == code
