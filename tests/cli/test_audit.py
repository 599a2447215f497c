"""``kvpr-opt audit`` as a user meets it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_runs import Run
from rich.cells import cell_len

from kvpr_opt import random_instance, write_instance
from kvpr_opt.generate import prism_instance

PROGRAMS = Path(__file__).parents[1] / "audit" / "programs"
GREEDY = PROGRAMS / "honest_greedy.py"
SPREAD = (
    "def compute_model_placement(gpu_num, models):\n"
    "    return {gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}\n"
)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Two fleets whose optima are shipped."""
    folder = tmp_path / "suite"
    folder.mkdir()
    for case in (0, 7):
        write_instance(prism_instance(case), folder / f"prism-{case:02}.json")
    return folder


def test_a_valid_program(run: Run, suite: Path, tmp_path: Path) -> None:
    output, html = tmp_path / "audit.json", tmp_path / "audit.html"
    code, out, err = run("audit", GREEDY, "--suite", suite, "-o", output, "--html", html)
    assert (code, err) == (0, "")
    assert "VALID\n" in out
    assert "2 of 2 cases valid, two runs each" in out
    assert "by certified optima" in out
    assert "\x1b" not in out
    data = json.loads(output.read_text())
    assert data["valid"] is True
    assert data["score"]["honest"]["combined"] == pytest.approx(data["score"]["naive"]["combined"])
    assert html.read_text().startswith("<!doctype html>")


def test_a_program_that_is_not_valid(run: Run, suite: Path) -> None:
    code, out, err = run("audit", PROGRAMS / "mutates_rates.py", "--suite", suite, "-o", "-")
    assert code == 6
    assert json.loads(out)["problems"] == {"mutated inputs": 2}
    assert "NOT VALID" in err
    assert "impossible: no placement can have it" in err


def test_the_time_limit_is_kept(run: Run, suite: Path) -> None:
    arguments = ("--suite", suite, "--time-limit", "0.5")
    code, out, _ = run("audit", PROGRAMS / "sleeps.py", *arguments)
    assert code == 6
    assert "timeout in 2 cases, first in prism-00.json: not done after 0.5 s" in out


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("program", ["overfills", "raises_on_hard_cases", "honest_greedy"])
def test_the_screen_fits(
    run: Run, suite: Path, monkeypatch: pytest.MonkeyPatch, width: int, program: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = run("audit", PROGRAMS / f"{program}.py", "--suite", suite)
    assert max(map(cell_len, out.splitlines())) <= width
    assert "prism-00" in out


def test_quiet_is_quiet(run: Run, suite: Path) -> None:
    assert run("audit", PROGRAMS / "overfills.py", "--suite", suite, "-q") == (6, "", "")


@pytest.mark.parametrize("option", ["--output", "--html"])
def test_a_fleet_of_the_suite_is_not_written_over(run: Run, tmp_path: Path, option: str) -> None:
    fleet, program = tmp_path / "fleet.yaml", tmp_path / "p.py"
    fleet.write_text("gpus: [{name: a, memory: 80}]\nmodels: []\n")
    program.write_text("def compute_model_placement(gpu_num, models): return {0: []}\n")
    before = fleet.read_bytes()
    code, out, err = run("audit", str(program), "--suite", str(tmp_path), option, str(fleet))
    assert code == 2
    assert "is a fleet of the suite itself, which it would replace" in out + err
    assert fleet.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("p.py", None, [], "p.py: cannot be read: No such file"),
        ("p.py", "def f(:", [], "p.py: line 1: not Python: "),
        ("p.py", "x = '\0'", [], "p.py: not Python: "),
        (
            "p.py",
            "x = 1",
            [],
            "p.py: no function place(instance) or compute_model_placement(gpu_num",
        ),
        ("p", "x", [], "p: neither a Python file (.py) nor executable"),
        ("p.py", SPREAD, ["--suite", "prism5"], "--suite: 'prism5' is neither a suite (did you"),
        ("p.py", SPREAD, ["--time-limit", "none"], "--time-limit: 'none' is not a number"),
        ("p.py", SPREAD, ["--time-limit", "1e9"], "--time-limit: '1e9' is not a number"),
        ("p.py", SPREAD, ["--prove", "x"], "--prove: 'x' is not a number of seconds"),
        ("p.py", SPREAD, ["--memory-limit", "1.5"], "--memory-limit: '1.5' is not a whole"),
        ("p.py", SPREAD, ["--output", "p.py"], "is the program itself, which it would replace"),
        ("p.py", SPREAD, ["--output", "a", "--html", "a"], "is what --output writes to"),
        ("p.py", SPREAD, ["--html", "/no/folder/p.html"], "cannot be written"),
        ("p.py", SPREAD, ["--suite", "mixed"], "cannot be told of GPUs of different memory"),
    ],
)
def test_bad_input_is_one_error(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str | None,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path(name).write_text(text)
    code, out, err = run("audit", name, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


def started(*arguments: object, temporary: Path) -> subprocess.Popen[str]:
    """The command in a process of its own, with a folder for its temporary files."""
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "kvpr_opt", "audit", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_what_is_running_and_keeps_what_is_done(
    suite: Path, tmp_path: Path, number: signal.Signals
) -> None:
    program, sleeping = tmp_path / "program.py", tmp_path / "sleeping"
    program.write_text(
        "import os, time\n"
        "def compute_model_placement(gpu_num, models):\n"
        f"    if len(models) == {len(prism_instance(7).models)}:\n"
        f"        open({str(sleeping)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "        time.sleep(60)\n"
        "    return {gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}\n"
    )
    output, html, temporary = tmp_path / "a.json", tmp_path / "a.html", tmp_path / "temporary"
    arguments = ("--suite", suite, "--jobs", 2, "--time-limit", 60, "-o", output, "--html", html)
    process = started(program, *arguments, temporary=temporary)
    wait_for(lambda: sleeping.exists() and output.exists(), 30)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (3, "interrupted before it was done\n")
    assert "STOPPED\n" in out
    assert os.listdir(temporary) == []
    for line in sleeping.read_text().splitlines():
        with pytest.raises(ProcessLookupError):
            os.kill(int(line), 0)
    data = json.loads(output.read_text())
    assert (data["complete"], data["valid"], data["score"]["honest"]) == (False, False, None)
    assert [case["name"] for case in data["cases"]] == ["prism-00.json"]
    assert "STOPPED" in html.read_text()


def test_a_signal_before_the_first_result_is_one_line(suite: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    process = started(PROGRAMS / "sleeps.py", "--suite", suite, temporary=temporary)
    wait_for(lambda: any(temporary.glob("*/run-*")), 30)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (3, "interrupted before it was done\n")
    assert os.listdir(temporary) == []


def test_a_user_without_a_home_can_audit(
    run: Run, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)

    def unknown(user: int) -> None:
        raise KeyError(f"uid not found: {user}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write_instance(random_instance("uniform", gpus=2, models=4, seed=0), suite / "new.json")
    code, out, _ = run("audit", GREEDY, "--suite", suite)
    assert code == 0
    assert "3 of 3 cases valid" in out
    assert list(tmp_path.glob("kvpr-opt/optima/*.json"))


def test_another_python_is_named(run: Run, suite: Path, tmp_path: Path) -> None:
    output = tmp_path / "audit.json"
    arguments = ("--suite", suite, "-q", "-o", output)
    assert run("audit", GREEDY, "--python", sys.executable, *arguments)[0] == 0
    assert json.loads(output.read_text())["program"]["python"] == sys.executable
    code, _, err = run("audit", GREEDY, "--python", "/no/such/python", *arguments)
    assert (code, err) == (2, "error: --python: '/no/such/python' is not a Python interpreter\n")


@pytest.mark.slow
def test_random_kills_leave_nothing_behind(suite: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, subprocess, time\n"
        "def compute_model_placement(gpu_num, models):\n"
        "    subprocess.Popen(['sleep', '60'])\n"
        "    time.sleep(0.2)\n"
        "    return {gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}\n"
    )
    for case in range(10):
        write_instance(prism_instance(case), suite / f"prism-{case:02}.json")
    output, temporary = tmp_path / "audit.json", tmp_path / "temporary"
    draw = random.Random(0)
    signals = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL]
    for _ in range(100):
        output.unlink(missing_ok=True)
        number = draw.choice(signals)
        process = started(program, "--suite", suite, "-o", output, temporary=temporary)
        # Half of them while the command still loads, the others at work.
        time.sleep(draw.uniform(0, 1.5))
        if draw.random() < 0.5:
            wait_for(lambda: any(temporary.glob("*/run-*")), 60)
            time.sleep(draw.uniform(0, 1.5))
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        # 0 for what was done before the signal came; as by Ctrl-C where Python itself ends so.
        assert process.returncode in (0, 3, -number, -signal.SIGINT), err
        assert process.returncode or json.loads(output.read_text())["complete"]
        wait_for(lambda: not strays(temporary), 2)
        wait_for(lambda: os.listdir(temporary) == [], 2)
        if output.exists():
            assert json.loads(output.read_text())["cases"]
        assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")] or (
            number == signal.SIGKILL
        )


def strays(folder: Path) -> list[str]:
    """Processes that were started with a home below a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"HOME={folder}".encode() in (process / "environ").read_bytes():
                found.append(process.name)
    return found


@pytest.mark.slow
def test_the_public_benchmark_takes_a_quick_heuristic_few_seconds(run: Run, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.process_time()
    code, out, _ = run("audit", GREEDY, "--output", tmp_path / "audit.csv")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert code == 0
    assert "50 of 50 cases valid" in out
    assert spent + time.process_time() - start < 15
    assert len((tmp_path / "audit.csv").read_text().splitlines()) == 51
