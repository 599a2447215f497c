"""A solve that is killed at any moment leaves nothing half-written and nothing behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_runs import Run

from kvpr_opt import read_instance, read_result
from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import verify_texts

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc"), reason="processes are found in /proc")

#: Methods to kill: the engine, and a solver in a process of its own.
METHODS = ("auto", "assignment_pulp:cbc", "assignment_pulp")

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)

#: Sends this process a signal, so many seconds after the command has been loaded.
KILLED = """
import os, sys, threading, time
from kvpr_opt._interrupt import hold_stop_signals, treat_stop_signals_alike
from kvpr_opt.cli import main
treat_stop_signals_alike()
hold_stop_signals()
seconds, number = float(sys.argv.pop()), int(sys.argv.pop())
def kill():
    time.sleep(seconds)
    os.kill(os.getpid(), number)
threading.Thread(target=kill, daemon=True).start()
main()
"""


def processes_in(folder: Path) -> list[str]:
    """Command lines of the processes whose temporary folder this is."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_bytes().decode().replace("\0", " "))
            except OSError:  # it has ended
                continue
    return found


def kill_once(fleet: Path, folder: Path, method: str, number: int, seconds: float | None) -> None:
    """Kill a solve after so many seconds; for ``None`` as soon as its solver works."""
    folder.mkdir()
    scratch, output, certificate = folder / "tmp", folder / "r.json", folder / "c.json"
    scratch.mkdir()
    files = ["--output", str(output), "--certificate", str(certificate)]
    options = ["--method", method, "--time-limit", "none", str(number)]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, "solve", str(fleet), *files, *options, str(seconds or 999)],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if seconds is None:
        while not any("/cbc" in line.split(" ")[0] for line in processes_in(scratch)):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
    out, err = process.communicate(timeout=120)
    case = f"{method}, signal {number} after {seconds} s: {process.returncode}, {err}"
    if number == signal.SIGKILL:
        assert process.returncode in (-number, 0), case
        end = time.monotonic() + 5
        while (processes_in(scratch) or list(scratch.iterdir())) and time.monotonic() < end:
            time.sleep(0.05)
    else:
        assert process.returncode in (0, 3), case
        assert "Traceback" not in err, case
    assert not processes_in(scratch), case
    assert not list(scratch.iterdir()), case
    left = {path.name for path in folder.iterdir()} - {"tmp", "r.json", "c.json"}
    assert number == signal.SIGKILL or not left, case
    for path in (output, certificate):
        if path.exists():
            assert json.loads(path.read_text()), case
    if number != signal.SIGKILL and out:
        assert output.exists(), case
        assert certificate.exists(), case
    if output.exists() and certificate.exists():
        check_answer(fleet, output, certificate, case)


def check_answer(fleet: Path, output: Path, certificate: Path, case: str) -> None:
    """A placement of the fleet, and a bound below it that the checker does not reject."""
    instance = read_instance(fleet)
    result = read_result(output, instance)
    if result.placement is not None and result.lower_bound is not None:
        assert result.lower_bound <= result.placement.max_kvpr, case
    report = verify_texts(canonical_fleet(instance), certificate.read_text())
    assert report.exit_code == (0 if result.certified else report.exit_code), case
    assert not report.rejected, f"{case}: {report}"


def hard_fleet(run: Run, path: Path) -> Path:
    assert run("generate", "uniform", "--gpus", 24, "--models", 96, "-o", path)[0] == 0
    return path


def test_a_killed_run_leaves_no_process_of_a_solver(run: Run, tmp_path: Path) -> None:
    fleet = hard_fleet(run, tmp_path / "fleet.json")
    for index, number in enumerate((signal.SIGTERM, signal.SIGKILL)):
        kill_once(fleet, tmp_path / str(index), "assignment_pulp:cbc", number, None)


@pytest.mark.slow
def test_three_hundred_kills(run: Run, tmp_path: Path) -> None:
    draw = random.Random(0)
    fleet = hard_fleet(run, tmp_path / "fleet.json")
    for index in range(300):
        method, number = draw.choice(METHODS), draw.choice(SIGNALS)
        kill_once(fleet, tmp_path / str(index), method, number, 10 ** draw.uniform(-3, 0.6))


@pytest.mark.slow
@pytest.mark.parametrize(("gpus", "models"), [(16, 64), (64, 256), (256, 1024), (1000, 4000)])
def test_kills_at_every_size(run: Run, tmp_path: Path, gpus: int, models: int) -> None:
    draw = random.Random(gpus)
    fleet = tmp_path / "fleet.json"
    assert run("generate", "uniform", "--gpus", gpus, "--models", models, "-o", fleet)[0] == 0
    for index in range(20):
        seconds = 10 ** draw.uniform(-2, 1)
        kill_once(fleet, tmp_path / str(index), "auto", SIGNALS[index % len(SIGNALS)], seconds)
