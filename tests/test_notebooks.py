"""The notebooks: text and notebook say the same, only public names are used, and they run."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import jupytext
import nbformat
import pytest

HERE = Path(__file__).parents[1]
ROOT = HERE / "notebooks"
SOURCES = sorted(ROOT.glob("*.py"))

# The program that keeps the outputs says which of them may be kept.
spec = importlib.util.spec_from_file_location("run_notebooks", HERE / "docs/site/run_notebooks.py")
assert spec
assert spec.loader
run_notebooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_notebooks)
unfit = run_notebooks.unfit

#: Seconds that a cell may take on a machine with other work to do; a notebook takes far less.
PATIENCE = 120

each = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def test_every_notebook_has_its_source_and_every_source_its_notebook() -> None:
    assert SOURCES
    assert [path.stem for path in sorted(ROOT.glob("*.ipynb"))] == [path.stem for path in SOURCES]


@each
def test_a_notebook_is_what_its_source_says(source: Path) -> None:
    text = jupytext.read(source)
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(notebook)
    assert cells(notebook) == cells(text), "make pair writes it anew"


@each
def test_a_notebook_is_kept_with_outputs_that_anyone_may_read(source: Path) -> None:
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert not unfit(notebook), "make notebook-outputs executes it anew"
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "make notebook-outputs executes it anew"
    assert any("image/png" in data for data in shown(notebook))


def shown(notebook: nbformat.NotebookNode) -> list[dict[str, object]]:
    """What the cells of a notebook display."""
    return [
        output.get("data", {})
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]


def test_outputs_that_do_not_belong_into_a_repository_are_named() -> None:
    def complaints(*outputs: nbformat.NotebookNode) -> str:
        cell = nbformat.v4.new_code_cell("print()", outputs=list(outputs))
        return "; ".join(unfit(nbformat.v4.new_notebook(cells=[cell])))

    new = nbformat.v4.new_output
    assert complaints(new("stream", text="fine")) == ""
    assert "no outputs" in complaints()
    assert "stderr: careful" in complaints(new("stream", name="stderr", text="careful\n"))
    assert "a cell failed: Oops" in complaints(new("error", ename="Oops"))
    assert "the folder" in complaints(new("stream", text=f"in {Path.home()}/x"))
    assert "bytes" in complaints(new("stream", text="x" * 500_000))


@each
def test_a_notebook_opens_with_a_title_and_ends_with_exercises(source: Path) -> None:
    found = jupytext.read(source).cells
    assert found[0].source.startswith("# ")
    assert "You will learn" in " ".join(found[0].source.split())
    assert found[-1].cell_type == "markdown"
    assert "## Exercises\n\n1. " in found[-1].source


@each
def test_a_notebook_uses_public_names_only(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        for name in names:
            parts = [part for part in name.split(".") if not part.endswith("__")]
            assert not any(part.startswith("_") for part in parts), name


@each
def test_the_table_of_the_notebooks_lists_each(source: Path) -> None:
    assert f"({source.stem}.ipynb)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.notebooks
@each
def test_a_notebook_runs_from_end_to_end(source: Path) -> None:
    # Imported here: only this test needs a kernel.
    from nbclient import NotebookClient

    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    folder = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3", resources=folder).execute()
    assert not unfit(notebook)
    assert any("image/png" in data for data in shown(notebook))
