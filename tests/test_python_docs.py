"""The recipes of docs/python.md run as they stand there."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"## ([^\n]+)\n.*?```python\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(autouse=True)
def _logging_kept() -> Iterator[None]:
    handlers = list(logging.root.handlers)
    yield
    logging.root.handlers = handlers
    logging.getLogger("kvpr_opt").setLevel(logging.NOTSET)


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_runs(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if "pandas" in RECIPES[title]:
        pytest.importorskip("pandas")
    if "plot" in RECIPES[title]:
        pytest.importorskip("matplotlib")
    if "__main__" in RECIPES[title]:  # a program, whose processes load it by its name
        (tmp_path / "recipe.py").write_text(RECIPES[title])
        subprocess.run([sys.executable, "recipe.py"], check=True, timeout=120)
        return
    exec(compile(RECIPES[title], title, "exec"), {"__name__": "recipe"})


def test_the_figures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    exec(RECIPES["Pictures"], {})
    assert "gpu3" in (tmp_path / "placement.svg").read_text()
    assert "lower bound" in (tmp_path / "progress.svg").read_text()


def test_sigterm_is_taken_where_the_recipe_asks_for_it() -> None:
    exec(RECIPES["Signals"], {})
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
