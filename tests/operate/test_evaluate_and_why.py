"""Scores of placements that exist, and explanations of what binds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from command_runs import Run
from constrained_fleets import brute_force

import kvpr_opt as kv
from kvpr_opt.errors import InputError
from kvpr_opt.files.placements import read_placement

FLEET = kv.Instance(
    [kv.GPU("a", 10), kv.GPU("b", 10)],
    [kv.LLM("x", 4, pressure=3), kv.LLM("y", 4, pressure=1), kv.LLM("z", 1, pressure=1)],
)


def test_a_placement_is_scored_against_the_optimum() -> None:
    made = kv.evaluate(FLEET, {"x": "a", "y": "a", "z": "b"}, time_limit=10)
    assert made.valid
    assert made.max_kvpr == 2
    assert made.binding == ("a",)
    assert made.lower_bound == Fraction(1, 2)
    assert made.gap == Fraction(3, 4)


def test_a_placement_beyond_memory_is_not_valid_and_says_why() -> None:
    fleet = kv.Instance([kv.GPU("a", 7), kv.GPU("b", 10)], FLEET.models)
    made = kv.evaluate(fleet, {"x": "a", "y": "a", "z": "b"}, time_limit=10)
    assert not made.valid
    assert "GPU 'a' holds 8 of weights" in made.broken
    assert made.gap is None


def test_a_broken_constraint_is_named() -> None:
    fleet = kv.Instance(FLEET.gpus, [kv.LLM("x", 4, pressure=3, pin="b"), *FLEET.models[1:]])
    made = kv.evaluate(fleet, {"x": "a", "y": "a", "z": "b"}, time_limit=10)
    assert "'x' is on GPU 'a'" in made.broken


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", '{"x": "a", "y": "a", "z": "b"}'),
        ("p.csv", "model,gpu\nx,a\ny,a\nz,b\n"),
        ("p.csv", "name;gpu\nx;a\ny;a\nz;b\n"),
    ],
)
def test_placements_are_read_in_every_form(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_placement(path, FLEET) == {"x": "a", "y": "a", "z": "b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,gpu\nx,a\nx,b\n", "row 3: model 'x' is placed twice"),
        ("model,where\nx,a\n", "are not those of a placement"),
        ("model,gpu\nx,\n", "row 2"),
        ('{"x": []}', "is not the name of a GPU"),
        ("[]", "p"),
    ],
)
def test_other_files_are_no_placements(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_placement(path, FLEET)


#: Fleets that cannot be placed: GPUs, models, and the members of the one conflict, or ``None``
#: where there are several.
INFEASIBLE: dict[str, tuple[list[kv.GPU], list[kv.LLM], set[str] | None]] = {
    "two large models on one GPU": (
        [kv.GPU("g0", 10)],
        [kv.LLM("x", 6, 1, 1), kv.LLM("y", 6, 1, 1), kv.LLM("z", 1, 1, 1)],
        {"model 'x'", "model 'y'"},
    ),
    "one model above all": (
        [kv.GPU("g0", 10)],
        [kv.LLM("x", 11, 1, 1), kv.LLM("y", 1, 1, 1)],
        {"model 'x'"},
    ),
    "two pins": (
        [kv.GPU("g0", 10), kv.GPU("g1", 10)],
        [kv.LLM("x", 6, 1, 1, pin="g0"), kv.LLM("y", 6, 1, 1, pin="g0"), kv.LLM("z", 1, 1, 1)],
        {"model 'x'", "model 'y'", "pin of 'x'", "pin of 'y'"},
    ),
    "three apart on two GPUs": (
        [kv.GPU("g0", 10), kv.GPU("g1", 10)],
        [kv.LLM(name, 1, 1, 1, apart="k") for name in "xyz"] + [kv.LLM("w", 3, 1, 1)],
        {f"{what} {name!r}" for what in ("model", "apart of") for name in "xyz"},
    ),
    "kept off the large GPU": (
        [kv.GPU("g0", 10), kv.GPU("g1", 20)],
        [
            kv.LLM("x", 8, 1, 1, never="g1"),
            kv.LLM("y", 8, 1, 1, never="g1"),
            kv.LLM("z", 3, 1, 1),
        ],
        {"model 'x'", "model 'y'", "never of 'x'", "never of 'y'"},
    ),
    "a label without room": (
        [kv.GPU("g0", 10, labels=("fast",)), kv.GPU("g1", 40)],
        [
            kv.LLM("x", 6, 1, 1, only="fast"),
            kv.LLM("y", 5, 1, 1, only="fast", apart="k"),
            kv.LLM("z", 5, 1, 1, apart="k"),
        ],
        {"model 'x'", "model 'y'", "only of 'x'", "only of 'y'"},
    ),
    "pinned beside shards": (
        [kv.GPU("g0", 10, node="n"), kv.GPU("g1", 10, node="n"), kv.GPU("g2", 10)],
        [kv.LLM("big", 14, 1, 1, shards=2), kv.LLM("x", 4, 1, 1, pin="g1"), kv.LLM("y", 1, 1, 1)],
        {"model 'big'", "model 'x'", "pin of 'x'"},
    ),
    "replicas leave no room": (
        [kv.GPU("g0", 10), kv.GPU("g1", 10)],
        [kv.LLM("r", 6, 1, 1, replicas=2), kv.LLM("x", 6, 1, 1), kv.LLM("y", 2, 1, 1)],
        {"model 'r'", "model 'x'"},
    ),
    "copies of one model": (
        [kv.GPU("g0", 10), kv.GPU("g1", 10)],
        [kv.LLM("cold", 4, pressure=1, count=5), kv.LLM("x", 1, 1, 1)],
        {"model 'cold'"},
    ),
    "a full GPU under pressure": (
        [kv.GPU("g0", 10), kv.GPU("g1", 3)],
        [kv.LLM("x", 10, 1, 1), kv.LLM("y", 2, pressure=0)],
        {"model 'x'"},
    ),
    "pins of a group": (
        [kv.GPU("g0", 10), kv.GPU("g1", 10)],
        [
            kv.LLM("x", 1, 1, 1, pin="g0", apart="k"),
            kv.LLM("y", 1, 1, 1, pin="g0", apart=("k", "l")),
            kv.LLM("z", 1, 1, 1, apart="l"),
        ],
        {f"{what} {name!r}" for what in ("model", "pin of", "apart of") for name in "xy"},
    ),
    "any three of five": (
        [kv.GPU("g0", 10), kv.GPU("g1", 10)],
        [kv.LLM(f"m{i}", 6, 1, 1) for i in range(5)],
        None,
    ),
}


@pytest.mark.parametrize("name", INFEASIBLE)
def test_each_member_of_a_conflict_is_needed(name: str) -> None:
    gpus, models, members = INFEASIBLE[name]
    made = kv.why(kv.Instance(gpus, models), time_limit=30)
    assert made.exact
    assert made.proved
    assert members in (None, set(made.conflict))
    assert brute_force(left_with(gpus, models, made.conflict)) == math.inf
    for member in made.conflict:
        rest = [other for other in made.conflict if other != member]
        if rest:
            assert brute_force(left_with(gpus, models, rest)) < math.inf


def left_with(gpus: list[kv.GPU], models: list[kv.LLM], members: Sequence[str]) -> kv.Instance:
    """The fleet of these members of a conflict alone: models, and keys of models."""
    kept = []
    for model in models:
        if f"model {model.name!r}" in members:
            free: dict[str, Any] = {
                key: None
                for key in ("pin", "only", "never", "apart")
                if f"{key} of {model.name!r}" not in members
            }
            kept.append(replace(model, **free))
    return kv.Instance(gpus, kept)


def test_what_a_change_would_buy_is_what_it_buys() -> None:
    made = kv.why(FLEET, time_limit=20)
    assert made.gpus
    changes = {change.what: change.max_kvpr for change in made.changes}
    without = kv.solve(FLEET.replace(models=FLEET.models[1:])).max_kvpr
    assert changes["without model 'x'"] == without
    assert any(what.startswith("one more GPU") for what in changes)


def test_the_commands_answer_and_exit_as_documented(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(capsys, monkeypatch)
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(
        "gpus: [{name: a, memory: 10}, {name: b, memory: 10}]\n"
        "models:\n"
        "  - {name: x, size: 4, pressure: 3, current: a}\n"
        "  - {name: y, size: 4, pressure: 1, current: a}\n",
        encoding="utf-8",
    )
    certificate = tmp_path / "row.json"
    assert "gap" in run("evaluate", fleet)[1]
    code, out, _ = run("replan", fleet, "--max-moves", "1", "--certificate", certificate)
    assert code == 0
    assert "load" in out
    assert run("verify", fleet, certificate)[0] == 0
    assert run("size", fleet, "--target", "1")[0] == 0
    assert run("size", fleet, "--target", "0.1")[0] == 4
    assert run("size", fleet, "--target", "0")[0] == 2
    assert run("headroom", fleet, "--target", "1", "--model", "x")[0] == 0
    assert run("why", fleet)[0] == 0
    assert run("replan", fleet, "--max-moves", "-1")[0] == 2
    other = tmp_path / "other.csv"
    other.write_text("model,gpu\nx,a\n", encoding="utf-8")
    code, _, err = run("evaluate", fleet, other)
    assert code == 2
    assert "model 'y' is placed nowhere" in err
