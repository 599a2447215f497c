"""The answer on the screen, at any width and with any names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_runs import Run

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("width", ["30", "40", "79", "80", "200"])
def test_the_picture_fits_its_window(run: Run, monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    code, _, err = run("solve", EXAMPLES / "small_fleet.yaml", "--method", "heuristic")
    assert code == 0
    picture = [line for line in err.splitlines() if "gpu" in line]
    assert len(picture) >= 4
    assert all(len(line.rstrip()) <= int(width) for line in picture)
    assert "\x1b" not in err


def test_the_summary_says_that_the_heuristic_was_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    assert run("generate", "uniform", "--gpus", 8, "--models", 32, "-o", path)[0] == 0
    code, _, err = run("solve", path, "--method", "heuristic")
    assert code == 0
    assert re.search(r"FEASIBLE  32 models on 8 GPUs, .* s, heuristic alone, as asked for", err)


def fleet_named(gpu: str, model: str) -> dict[str, Any]:
    return {
        "gpus": [{"name": gpu, "memory": 80}, {"name": "other", "memory": 80}],
        "models": [
            {"name": model, "size": 8, "pressure": 1},
            {"name": "n", "size": 9, "pressure": 1},
        ],
    }


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[red]x[/red]", "[red]x[/red]"),
        ("[/]", "[/]"),
        ("a\nb", r"a\nb"),
        ("\x1b]0;t\x07", r"\x1b]0;t\x07"),
        ("a\u202eb", r"a\u202eb"),
        ("模型", "模型"),
    ],
)
def test_names_are_shown_and_never_acted_on(
    run: Run, tmp_path: Path, name: str, shown: str
) -> None:
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(fleet_named(name, name)))
    code, _, err = run("solve", path, "--method", "heuristic")
    assert code == 0
    picture = re.split("OPTIMAL|FEASIBLE", err)[0]
    assert picture.count(shown) == 2  # as a GPU and as a model
    assert all(line.isprintable() for line in err.splitlines())


@pytest.mark.parametrize("width", [40, 60, 80, 100])
@pytest.mark.parametrize("name", ["g" * 60, "長" * 30])
def test_a_long_name_leaves_the_numbers_their_room(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(fleet_named(name, "m")))
    _, _, err = run("solve", path, "--method", "heuristic")
    row = next(line for line in err.splitlines() if name[0] * 3 in line)
    assert "…" in row
    assert "8/80" in row or "9/80" in row
    assert "0.01" in row


def test_of_many_models_on_a_gpu_the_first_are_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    models = [{"name": f"model-{i}", "size": 1, "pressure": 1} for i in range(60)]
    path.write_text(json.dumps({"gpus": [{"name": "g", "memory": 80}], "models": models}))
    _, _, err = run("solve", path, "--method", "heuristic")
    lines = err[: err.index("OPTIMAL")].splitlines()
    assert len(lines) == 2 + 12
    assert "model-0, " in lines[2]
    assert lines[-1].rstrip().endswith(" more")


def test_what_wraps_goes_on_under_itself(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    _, _, err = run("solve", small)
    lines = err.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("lower bound   "))
    assert lines[start + 1].startswith(" " * 14)
