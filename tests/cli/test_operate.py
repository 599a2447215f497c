"""The commands for running fleets: what they refuse, what they write, how they look."""

from __future__ import annotations

import io
import json
import math
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from command_runs import Run

import kvpr_opt as kv
from kvpr_opt.cli.operate_views import (
    evaluation_lines,
    explanation_lines,
    headroom_lines,
    plan_lines,
    sizing_lines,
    trade_off_lines,
)

FLEET = """
unit: GB
gpus: [{name: a, memory: 20}, {name: b, memory: 20}]
models:
  - {name: large-model-with-a-long-name, size: 6, pressure: 3, current: a}
  - {name: chat, size: 5, pressure: 4, current: a, move_cost: 2}
  - {name: code, size: 4, pressure: 1, current: b}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET, encoding="utf-8")
    return path


def refused(answer: tuple[int, str, str], message: str) -> None:
    """One line on stderr, nothing on stdout, exit code 2."""
    code, out, err = answer
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize("command", ["evaluate", "replan"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,gpu\nx,a\n", "placed.csv: the fleet has no model 'x'"),
        ("model,gpu\nchat,a\n", "placed.csv: model 'large-model-with-a-long-name' is placed no"),
        ("model,gpu\nchat,c\n", "placed.csv: model 'chat' is on GPU 'c', which the fleet does not"),
        ("model,gpu\nchat,a\nchat,b\n", "placed.csv: row 3: model 'chat' is placed twice"),
        ('{"chat": "a", "chat": "b"}', "placed.csv: line 1: duplicate key 'chat'"),
        ('{"chat": ["a", "b"]}', "placed.csv: chat: a list is not the name of a GPU"),
        ("", "placed.csv"),
    ],
)
def test_a_placement_that_is_none_of_this_fleet_is_refused(
    run: Run, fleet: Path, tmp_path: Path, command: str, text: str, message: str
) -> None:
    path = tmp_path / "placed.csv"
    path.write_text(text, encoding="utf-8")
    refused(run(command, fleet, path), message)


@pytest.mark.parametrize("command", ["evaluate", "replan"])
def test_where_models_run_has_to_be_said(
    run: Run, small: Path, fleet: Path, tmp_path: Path, command: str
) -> None:
    refused(run(command, small), "small.json: current: no model of the fleet has a key 'current'")
    result = tmp_path / "result.json"
    assert run("solve", small, "-o", result, "--threads", "1")[0] == 0
    refused(run(command, fleet, result), "result.json: instance_sha256: the result belongs to an")
    refused(run(command, fleet, tmp_path / "none.json"), "none.json: cannot be read")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replan", "--max-moves", "-1"], "--max-moves: max_moves -1 is not a whole number from 0"),
        (["replan", "--max-moves", "x"], "--max-moves: 'x' is not a whole number"),
        (["replan", "--max-memory", "-1"], "--max-memory: budget -1 is not at least 0"),
        (["replan", "--max-memory", "-1GB"], "--max-memory: budget -1GB is not at least 0"),
        (["replan", "--max-memory", "4Gb"], "--max-memory: budget '4Gb'"),
        (["replan", "--max-memory", "much"], "--max-memory: budget 'much'"),
        (["replan", "--max-memory", "1", "--cost", "moves"], "--max-memory: --cost moves does not"),
        (["replan", "--cost", "time"], "--cost: cost 'time' is not known"),
        *((["replan", "--within", text], f"--within: {text!r} is not a share")
          for text in ("abc", "-2%", "", "%", "2", "2 %%", "nan", "1e999%")),
        (["replan", "-o", "moves.csv"], "--output: moves.csv would hold JSON"),
        (["replan", "--certificate", "row.html"], "--certificate: row.html would hold JSON"),
        (["replan", "--html", "page.json"], "--html: page.json would hold HTML"),
        (["replan", "--html", "no/where.html"], "no/where.html: cannot be written"),
        (["size", "--target", "1", "--html", "page.md"], "--html: page.md would hold HTML"),
        (["size", "--target", "0"], "--target: target 0 is not above 0"),
        (["size", "--target", "-1"], "--target: target -1 is not above 0"),
        (["size", "--target", "lots"], "--target: target 'lots' is not a finite"),
        (["size", "--target", "1", "--gpu", "c"], "--gpu: the fleet has no GPU 'c'"),
        (["headroom", "--target", "0"], "--target: target 0 is not above 0"),
        (["headroom", "--target", "1", "--model", "chad"], "did you mean 'chat'?"),
        (["why", "--time-limit", "0"], "--time-limit"),
        (["evaluate", "--time-limit", "soon"], "--time-limit"),
    ],
)  # fmt: skip
def test_bad_options_are_named_with_what_is_allowed(
    run: Run, fleet: Path, arguments: list[str], message: str
) -> None:
    command, *options = arguments
    refused(run(command, fleet, *options), message)


def test_one_of_fleet_and_placement_may_be_standard_input(
    run: Run, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = b'{"large-model-with-a-long-name": "a", "chat": "a", "code": "b"}'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(placed)))
    assert run("evaluate", fleet, "-")[0] == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(FLEET.encode())))
    refused(run("evaluate", "-", "-"), "PLACEMENT: the fleet is read from standard input already")


def test_nothing_that_is_read_is_written_over(run: Run, fleet: Path, tmp_path: Path) -> None:
    placed = tmp_path / "placed.json"
    placed.write_text('{"large-model-with-a-long-name": "a", "chat": "a", "code": "b"}')
    refused(run("replan", fleet, "-o", fleet), "is the fleet itself")
    refused(run("replan", fleet, placed, "-o", placed), "is the placement itself")
    refused(run("replan", fleet, "-o", placed, "--certificate", placed), "is what --output writes")
    refused(run("size", fleet, "--target", "1", "--html", fleet), "is the fleet itself")


def test_a_model_that_no_gpu_can_serve_is_named_with_exit_code_4(run: Run, fleet: Path) -> None:
    code, out, err = run("size", fleet, "--target", "0.1")
    assert (code, err) == (4, "")
    assert out == (
        "no number of GPUs will do: even alone on a GPU like 'a', the target is exceeded by "
        "'large-model-with-a-long-name', 'chat'\n"
    )


def test_replan_writes_what_was_chosen(run: Run, fleet: Path, tmp_path: Path) -> None:
    placed, row, page = (tmp_path / name for name in ("placed.json", "row.json", "page.html"))
    code, out, err = run(
        "replan", fleet, "--within", "0%", "-o", placed, "--certificate", row, "--html", page
    )
    assert (code, err) == (0, "")
    assert "chosen" in out
    code, out, _ = run("verify", fleet, row, "--explain")
    assert code == 0
    assert "No placement that costs at most" in out
    assert "Before and after" in page.read_text(encoding="utf-8")
    assert "the cheapest within 0% of the optimum" in page.read_text(encoding="utf-8")
    code, out, _ = run("evaluate", fleet, placed)
    assert code == 0
    assert "gap           0 %" in out
    assert set(json.loads(placed.read_text())) == {"large-model-with-a-long-name", "chat", "code"}


def test_where_no_row_is_close_enough_it_is_said_and_nothing_chosen(
    run: Run, fleet: Path, tmp_path: Path
) -> None:
    placed, page = tmp_path / "placed.json", tmp_path / "page.html"
    code, out, _ = run(
        "replan", fleet, "--max-moves", "0", "--within", "1%", "-o", placed, "--html", page
    )
    assert code == 3
    assert "no row is within 1% of the optimum" in out
    assert not placed.exists()
    assert "What each budget buys" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "code"),
    [(["evaluate"], 5), (["replan"], 4), (["headroom", "--target", "1"], 4), (["why"], 4)],
)
def test_a_fleet_without_any_placement_is_said_to_have_none(
    run: Run, fleet: Path, command: list[str], code: int
) -> None:
    fleet.write_text(FLEET.replace("memory: 20", "memory: 7"))
    found, out, err = run(command[0], fleet, *command[1:])
    assert (found, err) == (code, "")
    assert "no placement exists: " in out
    assert "elbow" not in out


def test_data_on_stdout_is_alone_there(run: Run, fleet: Path) -> None:
    code, out, err = run("replan", fleet, "--max-moves", "1", "-o", "-")
    assert code == 0
    assert set(json.loads(out).values()) <= {"a", "b"}
    assert "highest KVPR" in err
    code, out, err = run("size", fleet, "--target", "1", "--html", "-")
    assert out.startswith("<!doctype html>")
    assert "GPUs for a highest KVPR" in err


def test_memory_with_a_unit_counts_memory(run: Run, fleet: Path) -> None:
    code, out, _ = run("replan", fleet, "--max-memory", "5000MB")
    assert code == 0
    assert out.startswith("memory  highest KVPR\n")
    assert "\n     5  " in out


def test_where_the_models_do_not_fit_now_there_is_a_placement_but_no_plan(
    run: Run, tmp_path: Path
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FLEET.replace("{name: a, memory: 20}", "{name: a, memory: 10}"))
    placed = tmp_path / "placed.json"
    code, out, _ = run("replan", fleet, "-o", placed)
    assert code == 0
    assert "proved that there is none" in out
    assert "there is no order of steps: the models do not fit" in out
    assert placed.exists()


def test_ctrl_c_gives_the_best_rows_so_far(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = kv.random_instance("uniform", gpus=8, models=24, seed=3)
    fleet, now, page = (tmp_path / name for name in ("fleet.json", "now.json", "page.html"))
    kv.write_instance(instance, fleet)
    placement = kv.heuristic(instance, skip=["moves", "swaps", "retune", "rebuild"])
    assert placement is not None
    now.write_text(json.dumps(placement.assignment))
    calls = []

    def interrupt(_live: object, done: int, total: int) -> None:
        calls.append((done, total))
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("kvpr_opt.cli.replan.LiveCount.update", interrupt)
    code, out, err = run("replan", fleet, now, "--max-moves", "6", "--html", page)
    assert (code, err) == (3, "")
    assert len(calls) == 1
    assert calls[0][0] < calls[0][1] == 7
    assert out.startswith("moves  highest KVPR\n")
    assert out.count("  gap ") == calls[0][1] - calls[0][0]
    assert "Step by step" in page.read_text(encoding="utf-8")


def fits(lines: Sequence[str], width: int, names: Sequence[str]) -> None:
    """Lines are as wide as the terminal at most, except for a name that is longer itself."""
    longest = max(map(len, names))
    assert max(map(len, lines)) <= max(width, longest + 24)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_answers_keep_to_the_width_of_a_terminal(fleet: Path, width: int) -> None:
    instance = kv.read_instance(fleet)
    names = [model.name for model in instance.models]
    made = kv.replan(instance, max_moves=2, time_limit=None)
    for lines in (
        trade_off_lines(made, made.elbow, width),
        plan_lines(made.plan(made.rows[1]), width),
        evaluation_lines(kv.evaluate(instance, time_limit=None), width),
        sizing_lines(kv.size(instance, 1, time_limit=None), width),
        sizing_lines(kv.size(instance, "0.1", time_limit=None), width),
        headroom_lines(kv.headroom(instance, 1, time_limit=None), width),
        explanation_lines(kv.why(instance, time_limit=None), width),
    ):
        text = list(lines)
        fits(text, width, names)
        assert not any("\n" in line for line in text)


def test_what_was_not_looked_at_is_not_said_to_be_known(fleet: Path) -> None:
    made = kv.why(kv.read_instance(fleet), time_limit=None)
    assert made.proved
    open_change = replace(made.changes[0], max_kvpr=None, lower_bound=None)
    cut_short = replace(made, changes=(*made.changes[1:], open_change))
    assert not cut_short.proved
    assert f"{open_change.what} (not looked at: the run ended before)" in " ".join(
        explanation_lines(cut_short)
    )


def test_growing_is_said_in_words_that_hold() -> None:
    def said(factor: float, bound: float, model: str | None = None) -> str:
        return " ".join(headroom_lines(kv.Headroom(factor, bound, None, 1, model, None)))  # type: ignore[arg-type]

    assert said(2.0, 2.0) == (
        "all demand can grow to 2 times what it is proved: with more, the highest KVPR exceeds 1"
    )
    assert "has to fall to 0.5 times" in said(0.5, 0.5)
    assert "proved: beyond 3 times, the highest" in said(2.0, 3.0, "m")
    assert "nothing is proved about more" in said(2.0, math.inf, "m")
    assert "can grow without end" in said(math.inf, math.inf)
    assert "even without the demand of m, the highest KVPR exceeds 1" in said(0, 0, "m")
    assert "no placement within a highest KVPR of 1 was found" in said(0, math.inf)
