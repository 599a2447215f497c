"""From a running system to a fleet, and from its placement to a running system, as commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from checkpoints import CHECKPOINTS, model_folder
from command_runs import SMALL, Run, write
from target_readers import READERS

from kvpr_opt import read_instance

NAMES = ("Llama-3.1-8B", "Qwen3-8B", "gemma-2-9b", "Qwen2.5-14B", "gpt-oss-20b")

SMI = "index, uuid, name, memory.total [MiB], memory.used [MiB]\n" + "".join(
    f"{index}, GPU-{index}a, NVIDIA H100 80GB HBM3, 81559 MiB, 4 MiB\n" for index in range(2)
)


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A folder with GPUs, five models and their rates."""
    for name in NAMES:
        model_folder(tmp_path / "models", name)
    (tmp_path / "n0.csv").write_text(SMI)
    rates = "".join(f"{name},{number}.5,800,200,3\n" for number, name in enumerate(NAMES))
    (tmp_path / "rates.csv").write_text(
        f"model,req_rate,prompt_tokens,output_tokens,latency\n{rates}"
    )
    return tmp_path


def imported(run: Run, system: Path, *more: object) -> tuple[int, str, str]:
    return run(
        *("import", "--gpus", system / "n0.csv", "--models", system / "models"),
        *("--rates", system / "rates.csv", "-o", system / "fleet.yaml", *more),
    )


def test_from_a_system_to_a_fleet(run: Run, system: Path) -> None:
    assert imported(run, system, "--slo", "0.5", "--max-model-len", "8192") == (0, "", "")
    fleet = read_instance(system / "fleet.yaml")
    assert [model.name for model in fleet.models] == sorted(NAMES)
    known = {checkpoint.name: checkpoint for checkpoint in CHECKPOINTS}
    for model in fleet.models:
        weights = known[model.name].weights
        assert weights is not None
        assert model.size * 10**9 == weights
        assert model.overhead * 10**9 == 3635326126
        if known[model.name].sliding == 0:
            assert model.kv_floor * 10**9 == known[model.name].full * 8192
        assert model.kv_heads == 8 or model.name == "Qwen2.5-7B"
        assert (
            model.pressure == (NAMES.index(model.name) + model.req_rate - int(model.req_rate)) * 2
        )
    assert [gpu.memory * 10**9 for gpu in fleet.gpus] == [81559 << 20] * 2
    assert [(gpu.index, gpu.uuid, gpu.node) for gpu in fleet.gpus] == [
        (0, "GPU-0a", "n0"),
        (1, "GPU-1a", "n0"),
    ]
    # Each number of a model says where it came from.
    text = (system / "fleet.yaml").read_text()
    for line in text[text.index("models:") :].splitlines()[1:]:
        assert re.fullmatch(r"( {4}|  - )\w+: \S+ +# \S.*", line), line


def test_demand_as_resident_memory(run: Run, system: Path) -> None:
    assert imported(run, system, "--demand", "kv")[0] == 0
    fleet = read_instance(system / "fleet.yaml")
    llama = next(model for model in fleet.models if model.name == "Llama-3.1-8B")
    assert llama.kv_demand is not None
    assert llama.kv_demand * 10**9 == 0.5 * 3 * 900 * 131072
    # Without --max-model-len, the floor is that of the longest sequence that there may be.
    assert llama.kv_floor * 10**9 == 131072 * 131072


def test_scrapes_and_answers(run: Run, system: Path) -> None:
    for number, name in enumerate(("one", "two")):
        (system / name).write_text(
            "".join(
                f'vllm:request_success_total{{model_name="{m}"}} {30 * number}\n' for m in NAMES
            )
        )
    arguments = ("--models", system / "models", "--slo", "1", "-o", system / "fleet.yaml")
    times = ("2026-11-28 19:00:00", "2026-11-28 19:01:00")
    scrapes = [f"{system / name}@{time}" for name, time in zip(("one", "two"), times, strict=True)]
    code, _, err = run("import", *arguments, "--scrape", scrapes[0], "--scrape", scrapes[1])
    assert (code, err) == (0, "")
    fleet = read_instance(system / "fleet.yaml", gpus=1, memory=10**6)
    assert {model.req_rate for model in fleet.models} == {0.5}
    code, _, err = run("import", *arguments, "--scrape", scrapes[0])
    assert (code, err) == (
        2,
        "error: --scrape: a scrape has totals only, so it takes two of each server\n",
    )


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ([], "no objective for model 'Llama-3.1-8B', and no metric has one; --slo takes SECONDS"),
        (["--slo", "0"], "--slo: '0' is not a number of seconds above 0"),
        (["--slo", "1", "--slo", "2"], "--slo: '2': it is given twice"),
        (["--slo", "1", "--slo", "lama=2"], "an option names model 'lama', which is not one of"),
        (
            ["--slo", "1", "--max-model-len", "8k"],
            "--max-model-len: '8k' is not a number of tokens",
        ),
        (
            ["--slo", "1", "--max-model-len", "999999"],
            "--max-model-len: 999999 tokens are more than",
        ),
        (
            ["--slo", "1", "--overhead", "3 gigs"],
            "--overhead: amount '3 gigs': 'gigs' is not a unit",
        ),
        (["--slo", "1", "--overhead", "gemma-2-9b=-3"], "--overhead: '-3' is below 0"),
        (["--slo", "1", "--models", "{}/models/Qwen3-8B"], "two models are called 'Qwen3-8B'"),
        (["--slo", "1", "--gpus", "{}/n0.csv"], "two GPUs are called 'n0-0'"),
        (["--slo", "1", "--gpus", "{}/rates.csv"], "rates.csv: not a format that can be read"),
        (["--slo", "1", "--models", "{}/nowhere"], "nowhere: no such folder"),
        (
            ["--slo", "1", "--rates", "{}/rates.csv"],
            "rates.csv: req_rate of model '.*' is given twice",
        ),
        (["--slo", "1", "--rates", "{}/other.csv"], "table of rates names model 'stranger'"),
        (["--slo", "1", "--models", "new={}/models/Qwen3-8B"], "no rate for model 'new'; --rates"),
    ],
)
def test_imports_that_are_refused(run: Run, system: Path, more: list[str], reason: str) -> None:
    (system / "other.csv").write_text("model,req_rate\nstranger,1\n")
    code, out, err = imported(run, system, *(text.replace("{}", str(system)) for text in more))
    assert (code, out) == (2, "")
    assert re.search(reason, err), err
    assert err.count("\n") == 1
    assert not (system / "fleet.yaml").exists()


# -- configure -----------------------------------------------------------------------


@pytest.fixture
def placed(run: Run, system: Path) -> Path:
    """The same folder with a fleet and its result."""
    assert imported(run, system, "--slo", "0.5", "--max-model-len", "8192")[0] == 0
    code, _, _ = run(
        *("solve", system / "fleet.yaml", "--output", system / "result.json"),
        *("--threads", "1", "--method", "heuristic"),
    )
    assert code == 0
    return system


@pytest.mark.parametrize("stack", READERS)
def test_from_a_placement_to_a_configuration(run: Run, placed: Path, stack: str) -> None:
    output = placed / ("units/" if stack == "systemd" else "config")
    code, out, err = run(
        *("configure", placed / "fleet.yaml", placed / "result.json", "--for", stack),
        *("--models", placed / "models", "-o", f"{output}/" if stack == "systemd" else output),
    )
    assert (code, out) == (0, ""), err
    assert "Nothing has been started." in err
    digest = json.loads((placed / "result.json").read_text())["instance_sha256"]
    assert digest in err.replace("\n", "")
    texts = (
        {file.name: file.read_text() for file in output.iterdir()}
        if output.is_dir()
        else {"config": output.read_text()}
    )
    assert stack == "prism" or all(digest in text for text in texts.values())
    (servers,) = READERS[stack](texts).values()
    assignment = json.loads((placed / "result.json").read_text())["assignment"]
    fleet = read_instance(placed / "fleet.yaml")
    for server in servers:
        gpu = fleet.gpus[fleet.gpu_index[assignment[server.model]]]
        assert server.gpus == (gpu.uuid if stack == "kubernetes" else str(gpu.index),)
        assert server.path == str(placed / "models" / server.model)
        assert server.max_tokens == (None if stack == "prism" else 8192)
    if stack not in ("kvcached", "prism"):
        for gpu in fleet.gpus:
            on_it = [s for s in servers if assignment[s.model] == gpu.name]
            taken = sum(s.kv_cache or 0 for s in on_it) + sum(
                (m.size + m.overhead) * 10**9
                for m in fleet.models
                if assignment[m.name] == gpu.name
            )
            free = gpu.usable * 10**9 - taken
            assert 0 <= free < len(on_it)


def test_results_and_fleets_that_do_not_go(run: Run, placed: Path, small: Path) -> None:
    fleet, result, output = placed / "fleet.yaml", placed / "result.json", placed / "out"

    def refused(*arguments: object) -> str:
        code, out, err = run("configure", *arguments, "-o", output)
        assert (code, out) == (2, "")
        assert not output.exists()
        return err

    assert "result.json: instance_sha256: the result belongs to another fleet" in refused(
        small, result, "--for", "vllm"
    )
    unplaced = json.loads(result.read_text())
    unplaced |= {"status": "unknown", "assignment": None, "max_kvpr": None, "gap": None}
    unplaced |= {"lower_bound": None, "gpus": []}
    write(placed / "unplaced.json", unplaced)
    message = refused(fleet, placed / "unplaced.json", "--for", "vllm")
    assert "the result has no placement" in message
    message = refused(fleet, result, "--for", "vllm", "--unit", "GiB")
    assert "--unit: the unit of the fleet is GB" in message
    message = refused(fleet, result, "--for", "vllm", "--models", f"x={placed / 'models/Qwen3-8B'}")
    assert "the fleet has no model 'x'" in message
    code, _, err = run("configure", fleet, result, "--for", "vllm", "-o", fleet)
    assert (code, "which it would replace" in err) == (2, True)
    code, _, err = run("configure", fleet, result, "--for", "systemd", "-o", "-")
    assert (code, "these are 6 files; give a folder" in err) == (2, True)


def test_a_plain_fleet_needs_a_unit_and_floors(run: Run, tmp_path: Path) -> None:
    fleet = write(tmp_path / "fleet.json", SMALL)
    result, output = tmp_path / "result.json", tmp_path / "out"
    assert run("solve", fleet, "--output", result, "--threads", "1")[0] == 0
    code, _, err = run("configure", fleet, result, "--for", "vllm", "-o", output)
    assert code == 2
    assert "the fleet has no unit; add 'unit: GB' to it, or give" in err
    code, _, err = run("configure", fleet, result, "--for", "vllm", "--unit", "GB", "-o", output)
    assert code == 2
    assert "server 'c' gets no KV memory" in err
    plain = {**SMALL, "models": [{**m, "kv_floor": 1, "pressure": 1} for m in SMALL["models"][1:]]}
    fleet = write(tmp_path / "fleet.json", plain)
    assert run("solve", fleet, "--output", result, "--threads", "1")[0] == 0
    code, _, err = run("configure", fleet, result, "--for", "vllm", "--unit", "GB", "-o", output)
    assert code == 0
    assert "2 models have no overhead in the fleet" in " ".join(err.split())
    assert "GPUs are numbered as they stand in the fleet" in output.read_text()
