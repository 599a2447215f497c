"""Execute notebooks and keep their outputs, so that a forge and the site show them.

    python docs/site/run_notebooks.py [NOTEBOOK.ipynb ...]

Without names, all of them. A notebook is written only if it ran to its end and left nothing
that has no place in a repository: no warning, and no folder of this machine.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

#: Seconds that a cell may take.
PATIENCE = 300

#: Bytes that the outputs of a notebook may have: every reader of the repository fetches them.
MAX_BYTES = 400_000


def run(path: Path) -> None:
    """Execute one notebook in its folder and write its outputs into it."""
    from nbclient import NotebookClient  # only here is a kernel needed

    notebook = nbformat.read(path, as_version=4)
    kept = dict(notebook.metadata)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        notebook,
        timeout=PATIENCE,
        kernel_name="python3",
        resources=resources,
        record_timing=False,  # when a cell ran says nothing to a reader
        coalesce_streams=True,  # nor do the moments in which it printed
    ).execute()
    notebook.metadata = kept
    complaints = unfit(notebook)
    if complaints:
        raise SystemExit(f"{path.name} is not written: " + "; ".join(complaints))
    nbformat.write(notebook, path)


def unfit(notebook: nbformat.NotebookNode) -> list[str]:
    """What in the outputs of a notebook must not be committed.

    Parameters
    ----------
    notebook
        With its outputs.

    Returns
    -------
    list of str
        One line each; empty where all is well.
    """
    found = []
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    if not outputs:
        found.append("it has no outputs")
    for output in outputs:
        if output.get("name") == "stderr":
            found.append(f"it wrote to stderr: {output.text.strip().splitlines()[-1]}")
        if output.output_type == "error":
            found.append(f"a cell failed: {output.ename}")
    text = nbformat.writes(notebook)
    for folder in {str(Path.home()), str(NOTEBOOKS.parent), sys.prefix, "/tmp/", "/home/"}:
        if folder in text:
            found.append(f"it names the folder {folder}")
    if len(text) > MAX_BYTES:
        found.append(f"it has {len(text)} bytes; {MAX_BYTES} are allowed")
    return found


def main(names: list[str]) -> None:
    """Execute the notebooks of these names, or all."""
    for path in map(Path, names) if names else sorted(NOTEBOOKS.glob("*.ipynb")):
        began = time.monotonic()
        run(path.resolve())
        size = path.stat().st_size
        print(f"{path.name}: {time.monotonic() - began:.0f} s, {size} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
