"""The answer of solve: on a terminal of any width, in a pipe, and with any names."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_runs import Run
from rich.cells import cell_len
from rich.console import Console
from small_fleets import fleet

from kvpr_opt import Instance, read_instance, solve
from kvpr_opt.cli.solve import show
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.schema import fleet as fleet_of

EXAMPLES = Path(__file__).parents[2] / "examples"


def on_terminal(instance: Instance, width: int, *, all_gpus: bool = False) -> list[str]:
    """The lines that a terminal of this width shows, without colours."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, no_color=True, width=width)
    show(console, solve(instance, method="heuristic"), all_gpus=all_gpus)
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()


def in_memory_of_megabytes() -> Instance:
    """Long names of GPUs that differ at their ends, and numbers of many digits."""
    return read_instance_of(
        {
            "gpus": [
                {"name": f"pool-a-7f3c2a1b-node-01/gpu-{i}", "memory": 81559} for i in range(2)
            ],
            "models": [
                {"name": "alpha", "size": 15317, "req_rate": 1, "slo": 1},
                {"name": "beta", "size": 14530, "req_rate": 1, "slo": 1},
            ],
        }
    )


def read_instance_of(data: dict[str, Any]) -> Instance:
    return fleet_of(json_tree(json.dumps(data)))


@pytest.mark.parametrize("width", [30, 40, 60, 79, 80, 120, 200])
@pytest.mark.parametrize("name", ["small", "long"])
def test_who_sits_where_is_readable_at_any_width(name: str, width: int) -> None:
    if name == "small":
        instance = read_instance(EXAMPLES / "small_fleet.yaml")
    else:
        instance = in_memory_of_megabytes()
    lines = on_terminal(instance, width)
    assert all(cell_len(line) <= width for line in lines)
    # Bars go first: each name is there as a whole, in one line or folded.
    text = "".join(line.strip() for line in lines)
    for name in [gpu.name for gpu in instance.gpus] + [model.name for model in instance.models]:
        assert name in text
    assert ("█" in "".join(lines)) is (width > 60)


def test_every_gpu_is_shown_where_all_are_asked_for(run: Run, tmp_path: Path) -> None:
    instance = fleet([10] * 30, [(1 + i % 3, 1 + i % 5) for i in range(60)])
    lines = on_terminal(instance, 80)
    assert sum(bool(re.match(r"g\d", line)) for line in lines) == 24
    assert "--all shows every GPU" in "".join(lines)
    lines = on_terminal(instance, 80, all_gpus=True)
    assert sum(bool(re.match(r"g\d", line)) for line in lines) == 30


def test_a_pipe_gets_every_gpu_with_all_its_models_on_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    options = ("--gpus", 30, "--models", 300, "--output", path)
    assert run("generate", "uniform", *options)[0] == 0
    code, out, err = run("solve", path, "--method", "heuristic")
    assert (code, err) == (0, "")
    rows = [line for line in out.splitlines() if re.match(r"gpu\d", line)]
    assert len(rows) == 30
    assert sum(row.count(",") + 1 for row in rows) == 300
    assert "█" not in out
    assert "\x1b" not in out
    assert all(line == line.rstrip() for line in out.splitlines())


def test_names_are_never_cut(run: Run) -> None:
    names = ["m" * 90 + "1", "m" * 90 + "2", "長" * 40]
    instance = read_instance_of(
        {
            "gpus": [{"name": "g" * 70 + str(i), "memory": 80} for i in range(2)],
            "models": [{"name": name, "size": 8, "pressure": 1} for name in names],
        }
    )
    for width in (40, 80, 120):
        lines = on_terminal(instance, width)
        assert all(cell_len(line) <= width for line in lines)
        text = "".join(line.strip() for line in lines)
        assert all(gpu.name in text for gpu in instance.gpus)
        assert all(model.name in text for model in instance.models)
        assert "…" not in text


def test_the_summary_says_that_the_heuristic_was_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    assert run("generate", "uniform", "--gpus", 8, "--models", 32, "-o", path)[0] == 0
    code, out, _ = run("solve", path, "--method", "heuristic")
    assert code == 0
    assert re.search(r"FEASIBLE  32 models on 8 GPUs, .* s, heuristic alone, as asked for", out)


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
    code, out, _ = run("solve", path, "--method", "heuristic")
    assert code == 0
    picture = re.split("OPTIMAL|FEASIBLE", out)[0]
    assert picture.count(shown) == 2  # as a GPU and as a model
    assert all(line.isprintable() for line in out.splitlines())


@pytest.mark.parametrize("width", [40, 60, 80, 100])
@pytest.mark.parametrize("name", ["g" * 60, "長" * 30])
def test_a_long_name_leaves_the_numbers_their_room(name: str, width: int) -> None:
    lines = on_terminal(read_instance_of(fleet_named(name, "m")), width)
    text = "".join(line.strip() for line in lines)
    assert name in text
    assert "8/80" in text
    assert "9/80" in text
    assert "0.01" in text


def test_of_many_models_on_a_gpu_the_first_are_named() -> None:
    models = [{"name": f"model-{i}", "size": 1, "pressure": 1} for i in range(60)]
    data = {"gpus": [{"name": "g", "memory": 80}], "models": models}
    lines = on_terminal(read_instance_of(data), 60)
    end = lines.index("")
    assert end == 1 + 12
    assert "model-0, " in lines[1]
    named = sum(line.count("model-") for line in lines[1:end])
    assert lines[end - 1].endswith(f"and {60 - named} more")


def test_what_wraps_goes_on_under_itself() -> None:
    lines = on_terminal(fleet([10, 10], [(3, 1), (4, 2), (2, 0)]), 40)
    start = next(index for index, line in enumerate(lines) if line.startswith("lower bound   "))
    assert lines[start + 1].startswith(" " * 14)
