"""The recipes of docs/python.md and the scripts of the first page run as they stand there."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str) -> dict[str, str]:
    """The Python of a page, by the heading above it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return dict(
        re.findall(
            r"^#+ ([^\n]+)\n(?:(?!\n#).)*?```python\n(.*?)```", text, re.DOTALL | re.MULTILINE
        )
    )


RECIPES = blocks("python.md")
SCRIPTS = blocks("index.md")
(HEURISTIC,) = blocks("heuristics.md").values() or [""]


@pytest.fixture(autouse=True)
def _logging_kept() -> Iterator[None]:
    handlers = list(logging.root.handlers)
    yield
    logging.root.handlers = handlers
    logging.getLogger("kvpr_opt").setLevel(logging.NOTSET)


def run(source: str, title: str) -> None:
    """Run a script of a page in the working folder."""
    for package in ("pandas", "matplotlib"):
        if package in source or (package == "matplotlib" and "plot" in source):
            pytest.importorskip(package)
    if "__main__" in source:  # a program, whose processes load it by its name
        Path("recipe.py").write_text(source)
        subprocess.run([sys.executable, "recipe.py"], check=True, timeout=300)
        return
    exec(compile(source, title, "exec"), {"__name__": "recipe"})


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_runs(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(RECIPES[title], title)


def test_the_first_page_has_the_five_scripts_and_each_is_short() -> None:
    assert len(SCRIPTS) == 5
    for title, source in SCRIPTS.items():
        lines = [line for line in source.splitlines() if line.strip()]
        assert len(lines) <= 10, title


@pytest.mark.parametrize("title", SCRIPTS)
def test_a_script_of_the_first_page_runs(
    title: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "heuristic.py").write_text(HEURISTIC)
    run(SCRIPTS[title], title)
    shown, made = capfd.readouterr().out, {path.name for path in tmp_path.glob("*.svg")}
    expected = WHAT_COMES_OUT[title]
    assert made == expected if isinstance(expected, set) else re.search(expected, shown)


#: Of each script of the first page: the figures that it writes, or what it prints.
WHAT_COMES_OUT = {
    "A table in, a table out": r"model +gpu +size.*\n0 +chat +gpu\d +16",
    "A picture in a notebook": {"placement.svg", "progress.svg"},
    "Fifty fleets at once": r"^\[(0\.\d+, ){49}0\.\d+\]$",
    "Stop when it is good enough": r"^0\.\d{4}, at most [0-5]\.\d% from the optimum$",
    "Your own heuristic against the optimum": {"gap.svg"},
}


def test_the_figures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    exec(SCRIPTS["A picture in a notebook"], {})
    assert "gpu3" in (tmp_path / "placement.svg").read_text()
    assert "lower bound" in (tmp_path / "progress.svg").read_text()


def test_sigterm_is_taken_where_the_recipe_asks_for_it() -> None:
    exec(RECIPES["Signals"], {})
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
