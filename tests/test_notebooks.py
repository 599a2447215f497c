"""The notebooks: text and notebook say the same, only public names are used, and they run."""

from __future__ import annotations

import ast
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).parents[1] / "notebooks"
SOURCES = sorted(ROOT.glob("*.py"))

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
def test_a_notebook_is_kept_without_outputs(source: Path) -> None:
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


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
    said = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    warned = [output.text for output in said if output.get("name") == "stderr"]
    assert not warned
    assert any("image/png" in output.get("data", {}) for output in said)
