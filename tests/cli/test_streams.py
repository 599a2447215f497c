"""Ctrl-C, pipes that break, streams that are closed, disks that are full."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest
from command_runs import Run

INTERRUPTED = "interrupted before it was done\n"


def shell(line: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``kvpr`` is the command and $1, $2, ... are the arguments."""
    return subprocess.run(
        [
            "bash",
            "-c",
            f'kvpr() {{ {sys.executable} -m kvpr_opt "$@"; }}; {line}',
            "bash",
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_ctrl_c_before_there_is_a_placement_is_one_line(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kvpr_opt.cli.solve.solve", interrupt)
    assert run("solve", small) == (3, "", INTERRUPTED)


def test_ctrl_c_while_the_commands_load_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupt(MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == "kvpr_opt.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "kvpr_opt.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupt(), *sys.meta_path])
    assert run("--version") == (3, "", INTERRUPTED)


def test_ctrl_c_outside_a_run_stops_a_command(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.json"
    os.mkfifo(fleet)
    process = subprocess.Popen(
        [sys.executable, "-m", "kvpr_opt", "canonical", str(fleet)],
        stderr=subprocess.PIPE,
        text=True,
    )
    with open(fleet, "w"):  # opens as soon as the command reads, which then waits
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (3, INTERRUPTED)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_costs_neither_the_picture_nor_the_other_file(
    run: Run, small: Path, tmp_path: Path
) -> None:
    certificate, output = tmp_path / "certificate.json", tmp_path / "result.json"
    code, out, err = run("solve", small, "--output", "/dev/full", "--certificate", certificate)
    assert code == 2
    assert "highest KVPR" in out
    assert err.endswith("error: /dev/full: cannot be written: No space left on device\n")
    assert json.loads(certificate.read_text())["status"] == "optimal"
    code, _, err = run("solve", small, "--output", output, "--certificate", "/dev/full")
    assert code == 2
    assert json.loads(output.read_text())["status"] == "optimal"


@pytest.mark.parametrize(
    "line",
    [
        'kvpr solve "$1" --quiet --output - | true; exit ${PIPESTATUS[0]}',
        'kvpr canonical "$1" | true; exit ${PIPESTATUS[0]}',
        "kvpr generate uniform --gpus 9000 --models 18000 | true; exit ${PIPESTATUS[0]}",
    ],
)
def test_a_reader_that_has_gone_ends_the_command_quietly(small: Path, line: str) -> None:
    done = shell(line, small)
    assert (done.returncode, done.stderr) == (3, "")


def test_a_screen_whose_reader_has_gone_does_not_cost_the_result(
    small: Path, tmp_path: Path
) -> None:
    output = tmp_path / "result.json"
    done = shell('kvpr solve "$1" --output "$2" 2>&1 >/dev/null | true', small, output)
    assert done.stderr == ""
    assert json.loads(output.read_text())["status"] == "optimal"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ('kvpr solve "$1" >&-', 0, "OPTIMAL"),
        ('kvpr solve "$1" 2>&- >/dev/null', 0, ""),
        ('kvpr solve "$1" >&- 2>&-', 0, ""),
        ('kvpr solve "$1" --threads 0 >&- 2>&-', 2, ""),
        ("kvpr --version >&-", 0, ""),
        ('kvpr solve "$1" --output - >&-', 2, "standard output: cannot be written: it is closed"),
        ('kvpr canonical "$1" >&-', 2, "standard output: cannot be written: it is closed"),
        ("kvpr solve - <&-", 2, "standard input: cannot be read: it is closed"),
    ],
)
def test_closed_streams_are_no_crash(small: Path, line: str, code: int, said: str) -> None:
    done = shell(line, small)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize(
    "line",
    [
        'kvpr solve "$1" --output "$2" >/dev/full',
        'kvpr solve "$1" --output "$2" >/dev/full 2>/dev/full',
        'PYTHONUNBUFFERED=1 kvpr solve "$1" --output "$2" >/dev/full',
    ],
)
def test_a_full_standard_output_is_an_error_and_does_not_cost_the_result(
    small: Path, tmp_path: Path, line: str
) -> None:
    output = tmp_path / "result.json"
    done = shell(line, small, output)
    said = "" if "2>" in line else "error: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert json.loads(output.read_text())["status"] == "optimal"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_standard_output_is_named(small: Path) -> None:
    done = shell("kvpr --version >/dev/full")
    assert done.returncode == 2
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


#: Sends this process a Ctrl-C as it begins to load the module named by the second argument.
CTRL_C_WHILE_LOADING = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
_, command, module, *arguments = sys.argv
sys.argv = [command, *arguments]
sys.meta_path.insert(0, Interrupt())
from kvpr_opt.cli import main
main()
"""

LOADED = ("kvpr_opt.certificates.certificate", "numpy", "kvpr_opt.solve", "typer", "rich.live")


@pytest.mark.parametrize("module", LOADED)
def test_ctrl_c_while_the_command_loads_is_one_line(module: str) -> None:
    arguments = ("kvpr-opt", module, "--version")
    done = shell(f"{sys.executable} -c {shlex.quote(CTRL_C_WHILE_LOADING)} {' '.join(arguments)}")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", INTERRUPTED)


def test_ctrl_c_while_another_program_loads_the_package_is_its_own_affair() -> None:
    arguments = ("program.py", "kvpr_opt.solve")
    done = shell(f"{sys.executable} -c {shlex.quote(CTRL_C_WHILE_LOADING)} {' '.join(arguments)}")
    assert done.returncode != 3
    assert done.stderr.endswith("KeyboardInterrupt\n")
