"""The commands on a terminal: live lines while they work, then colours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")

EXAMPLES = Path(__file__).parents[2] / "examples"


def on_a_terminal(*arguments: object) -> tuple[int, str]:
    """Run a command with a terminal for all its streams; exit code and what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "kvpr_opt", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm-256color"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # so Linux says that the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(timeout=60), shown.decode("utf-8", "replace")


def test_a_solve_shows_what_it_tries_and_ends_in_colour(tmp_path: Path) -> None:
    fleet = tmp_path / "hard.json"
    generated = on_a_terminal(
        "generate", "uniform", "--gpus", 40, "--models", 160, "--output", fleet
    )
    assert generated[0] == 0
    code, shown = on_a_terminal("solve", fleet, "--time-limit", 2)
    assert code in (0, 3)
    assert "best placement" in shown
    assert "of 2 s" in shown
    assert "\x1b[" in shown
    assert "Traceback" not in shown
    assert shown.rstrip().splitlines()[-1].startswith("gap")


def test_a_study_shows_how_far_it_is(tmp_path: Path) -> None:
    spec = tmp_path / "study.toml"
    spec.write_text(
        f'output = "{tmp_path / "out"}"\nmethods = ["heuristic"]\ntime_limit = 10\nthreads = 1\n'
        '[[cells]]\nfamily = "prism"\nseeds = "0-3"\n'
    )
    code, shown = on_a_terminal("study", "run", spec)
    assert code == 0
    assert "done" in shown
    assert "Traceback" not in shown
