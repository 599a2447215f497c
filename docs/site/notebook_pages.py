"""A notebook, with the outputs that it was committed with, as a page and its pictures."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

#: Adds a picture (its data and suffix) to the page and gives the name to link to.
Keep = Callable[[bytes, str], str]


def notebook_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """The text of a notebook in Markdown, and its pictures by name.

    Parameters
    ----------
    path
        The notebook.
    """
    pictures: dict[str, bytes] = {}

    def keep(data: bytes, suffix: str) -> str:
        name = f"{path.stem}_{len(pictures) + 1}{suffix}"
        pictures[name] = data
        return name

    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            parts.append(_fenced(cell.source, "{ .python }"))
            parts += [_output(output, keep) for output in cell.outputs]
    return "\n\n".join(parts) + "\n", pictures


def _output(output: NotebookNode, keep: Keep) -> str:
    """What a cell gave, in the richest form that a page can show."""
    if output.output_type == "stream":
        return _printed(output.text)
    data = output.data
    if "text/html" in data:
        return f'<div class="output">\n{data["text/html"]}\n</div>'
    for kind, suffix in (("image/svg+xml", ".svg"), ("image/png", ".png")):
        if kind in data:
            raw = data[kind]
            picture = raw.encode() if suffix == ".svg" else base64.b64decode(raw)
            return f"![figure]({keep(picture, suffix)})"
    return _printed(data["text/plain"])


def _printed(text: str) -> str:
    return _fenced(text.strip("\n"), "{ .text .output }")  # told from code by style.css


def _fenced(text: str, kind: str) -> str:
    fence = "~~~~"
    while fence in text:
        fence += "~"
    return f"{fence} {kind}\n{text}\n{fence}"
