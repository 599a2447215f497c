"""``kvpr-opt audit`` as a user meets it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_runs import Run
from rich.cells import cell_len

from kvpr_opt import write_instance
from kvpr_opt.generate import prism_instance

PROGRAMS = Path(__file__).parents[1] / "audit" / "programs"
GREEDY = PROGRAMS / "honest_greedy.py"


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
    assert html.read_text().startswith("<!DOCTYPE html>")


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
        ("p.py", "x = 1", [], "p.py: it has no function compute_model_placement"),
        ("p", "x", [], "p: neither a Python file (.py) nor executable"),
        ("p.py", "x = 1", ["--suite", "prism5"], "--suite: 'prism5' is neither a suite (did you"),
        ("p.py", "x = 1", ["--time-limit", "none"], "--time-limit: 'none' is not a number"),
        ("p.py", "x = 1", ["--time-limit", "1e9"], "--time-limit: '1e9' is not a number"),
        ("p.py", "x = 1", ["--prove", "x"], "--prove: 'x' is not a number of seconds"),
        ("p.py", "x = 1", ["--memory-limit", "1.5"], "--memory-limit: '1.5' is not a whole"),
        ("p.py", "x = 1", ["--output", "p.py"], "is the program itself, which it would replace"),
        ("p.py", "x = 1", ["--output", "a", "--html", "a"], "is what --output writes to"),
        ("p.py", "x = 1", ["--html", "/no/folder/p.html"], "cannot be written"),
        ("p.py", "x = 1", ["--suite", "mixed"], "cannot be told of GPUs of different memory"),
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


def test_ctrl_c_ends_what_is_running(suite: Path, tmp_path: Path) -> None:
    program, started = tmp_path / "program.py", tmp_path / "started"
    program.write_text(
        "import os, time\n"
        "def compute_model_placement(gpu_num, models):\n"
        f"    open({str(started)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-m", "kvpr_opt", "audit", str(program), "--suite", str(suite)]
    process = subprocess.Popen(
        [*command, "--jobs", "2", "--time-limit", "60"], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 20
    while not started.exists() or len(started.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (3, "interrupted before it was done\n")
    for line in started.read_text().splitlines():
        with pytest.raises(ProcessLookupError):
            os.kill(int(line), 0)


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
