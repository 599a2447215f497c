"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import formulations
import kvpr_opt


def modules_with_examples() -> list[str]:
    """Dotted names of the modules of both packages that have examples."""
    found = []
    for package in (kvpr_opt, formulations):
        folder = Path(package.__path__[0])
        for path in sorted(folder.rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = [package.__name__, *path.relative_to(folder).with_suffix("").parts]
                found.append(".".join(part for part in parts if part != "__init__"))
    return found


def test_there_are_examples() -> None:
    assert "kvpr_opt" in modules_with_examples()


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_hold(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0
