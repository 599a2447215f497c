"""Scores of placements that exist, and explanations of what binds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from command_runs import Run

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


@pytest.mark.parametrize(
    ("gpus", "models", "members"),
    [
        ([10], [("x", 6, {}), ("y", 6, {}), ("z", 1, {})], {"model 'x'", "model 'y'"}),
        ([10], [("x", 11, {}), ("y", 1, {})], {"model 'x'"}),
        (
            [10, 10],
            [("x", 6, {"pin": "g0"}), ("y", 6, {"pin": "g0"}), ("z", 1, {})],
            {"model 'x'", "model 'y'", "pin of 'x'", "pin of 'y'"},
        ),
        (
            [10, 10],
            [("x", 1, {"apart": "k"}), ("y", 1, {"apart": "k"}), ("z", 1, {"apart": "k"})],
            {f"{what} of {m!r}" for what in ["apart"] for m in "xyz"}
            | {f"model {m!r}" for m in "xyz"},
        ),
        (
            [10, 20],
            [("x", 8, {"never": "g1"}), ("y", 8, {"never": "g1"}), ("z", 3, {})],
            {"model 'x'", "model 'y'", "never of 'x'", "never of 'y'"},
        ),
    ],
)
def test_each_member_of_a_conflict_is_needed(
    gpus: list[int], models: list[tuple[str, int, dict[str, str]]], members: set[str]
) -> None:
    fleet = kv.Instance(
        [kv.GPU(f"g{i}", memory) for i, memory in enumerate(gpus)],
        [kv.LLM(name, size, pressure=1, **keys) for name, size, keys in models],  # type: ignore[arg-type]
    )
    made = kv.why(fleet, time_limit=30)
    assert set(made.conflict) == members
    assert made.exact


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
