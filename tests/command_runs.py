"""Calls of the command in this process, for the tests of the commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from kvpr_opt.cli import main

SMALL = {
    "gpus": [{"count": 2, "memory": 10}],
    "models": [
        {"name": "a", "size": 3, "req_rate": 1, "slo": 2},
        {"name": "b", "size": 4, "pressure": "7/3"},
        {"name": "c", "size": 2, "pressure": 0},
    ],
}


class Run:
    """One call of the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["kvpr-opt", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = self.capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err


def write(path: Path, data: Any) -> Path:
    """Write data as JSON."""
    path.write_text(json.dumps(data))
    return path
