"""Calls of the command in this process, for the tests of the commands."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kvpr_opt._interrupt import STOP_SIGNALS, noted
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
        with handlers_kept(), pytest.raises(SystemExit) as stop:
            main()
        captured = self.capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Undo what the command does to signals, for what would be the rest of its process."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        noted.clear()


def write(path: Path, data: Any) -> Path:
    """Write data as JSON."""
    path.write_text(json.dumps(data))
    return path
