"""Fixtures of the tests of the commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_runs import SMALL, Run, write


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "100")
    return Run(capsys, monkeypatch)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "small.json", SMALL)
