"""The page on heuristics is true: its ten lines take a file to a figure of its distance."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kvpr_opt import write_instance
from kvpr_opt.generate import prism_instance
from kvpr_opt.study.record import read_record

PAGE = (Path(__file__).parents[2] / "docs" / "heuristics.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.skipif(sys.platform == "win32", reason="no such shell there")
def test_ten_lines_take_a_heuristic_through_audit_and_study_to_a_figure(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    lines = block("sh")
    assert len(lines.splitlines()) == 10
    (tmp_path / "heuristic.py").write_text(block("python"))
    # Two cases of the benchmark stand for all of them.
    (tmp_path / "fleets").mkdir()
    for case in (3, 7):
        write_instance(prism_instance(case), tmp_path / "fleets" / f"{case}.json")
    lines = lines.replace('suite = "prism50"', 'files = "fleets"').replace("prism50", "fleets")
    command = tmp_path / "kvpr-opt"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m kvpr_opt "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-e"], input=lines, cwd=tmp_path, env=environment, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert "valid" in done.stdout + done.stderr
    runs = read_record(tmp_path / "mine").runs
    assert len(runs) == 6
    assert all(recorded.answer for recorded in runs)
    figure = (tmp_path / "mine" / "figures" / "distance.svg").read_text(encoding="utf-8")
    for name in ("mine", "seed", "auto"):
        assert f">{name}</text>" in figure
    assert "proved optimal" in (tmp_path / "mine" / "report.html").read_text(encoding="utf-8")
