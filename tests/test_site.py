"""The site: what is public is on it, every page is reached, and its figures are current."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import kvpr_opt as kv

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
REFERENCES = sorted((DOCS / "reference").glob("*.md"))


def named(reference: Path) -> list[str]:
    """The objects that a page of the reference documents."""
    return re.findall(r"^::: (\S+)$", reference.read_text(encoding="utf-8"), re.MULTILINE)


def found(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError:
        return importlib.import_module(path)


def pages_of(nav: list[Any]) -> list[str]:
    pages = []
    for entry in nav:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        pages += pages_of(value) if isinstance(value, list) else [value]
    return pages


def test_every_public_name_is_in_the_reference_and_in_the_table() -> None:
    documented = [found(path) for reference in REFERENCES for path in named(reference)]
    table = (DOCS / "api.md").read_text(encoding="utf-8")
    for name in kv.__all__:
        assert any(getattr(kv, name) is thing for thing in documented), name
        assert f"`{name}`" in table, name


def test_every_page_is_in_the_navigation() -> None:
    reached = set(pages_of(CONFIG["nav"]))
    written = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    kept_out = {
        page for page in written if page.startswith(("studies/reference/", "studies/data/"))
    }
    assert written - kept_out <= reached


def test_a_warning_fails_the_build_and_nothing_is_fetched() -> None:
    for kind in ("nav", "links"):
        assert set(CONFIG["validation"][kind].values()) == {"warn"}
    command = re.search(r"^docs:.*\n\t(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert command
    assert "--strict" in command[1]
    # With it, MkDocs shows no warnings, and counts none.
    assert "--quiet" not in command[1]
    assert CONFIG["theme"]["font"] is False
    assert "://" not in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def figures() -> ModuleType:
    """The program that makes the figures."""
    spec = importlib.util.spec_from_file_location("figures", DOCS / "site" / "figures.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_seconds(picture: str) -> str:
    """A picture without what the seconds change that a run took: of the screen, its words."""
    if "&#160;s,&#160;proved" not in picture:
        return picture
    words = " ".join(re.findall(r">([^<>]+)</text>", picture))
    return re.sub(r"\d+\.\d\d&#160;s", "TIME", words)


def test_the_figures_are_what_the_program_draws(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    kept = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("images/*.svg")}
    version = f"Matplotlib v{matplotlib.__version__}"
    if version not in kept["placement.svg"]:
        pytest.skip(f"the figures were drawn by another version than {version}")
    drawn = {path.name: path.read_text(encoding="utf-8") for path in figures().draw(tmp_path)}
    assert drawn.keys() == kept.keys()
    for name, picture in drawn.items():
        same = without_seconds(picture) == without_seconds(kept[name])
        assert same, f"{name}: make figures draws it anew"


def test_the_figures_need_nothing_from_elsewhere() -> None:
    for path in DOCS.glob("images/*.svg"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?:href|src|url)\s*[=(]\s*[\"']?https?:", text), path.name
        assert str(Path.home()) not in text
