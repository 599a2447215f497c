"""What the documentation shows is true: its fleet reads, its Python runs, its files exist."""

from __future__ import annotations

import importlib
import re
from functools import reduce
from pathlib import Path

import pytest

from kvpr_opt import read_instance

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "formulations" / "README.md",
    ROOT / "notebooks" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def block(language: str, page: str = "README.md") -> str:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found, f"{page} has no {language} block"
    return found[1]


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_fleet_of_the_first_pages_is_read(page: str, tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(block("yaml", page), encoding="utf-8")
    fleet = read_instance(path)
    assert [gpu.name for gpu in fleet.gpus] == ["a100-0", "gpu0", "gpu1", "gpu2"]
    assert len(fleet.models) == 2


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet.yaml").write_text(
        (ROOT / "examples" / "small_fleet.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(block("python"), names)
    result = names["result"]
    shown = re.search(r"result\.max_kvpr +# (Fraction\(.*\))", README)
    assert shown
    assert repr(result.max_kvpr) == shown[1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_no_gaps_and_no_dead_links(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"@[A-Z]+@", text)
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_contributors_are_sent_to_what_exists() -> None:
    """Each file of the table, and each name that stands behind it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, table = text.partition("### Where to change what")
    rows = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    places = re.findall(r"`(kvpr_opt/[^`]+)`(?:: ((?:`\w[\w.]*`(?:, )?)+))?", "\n".join(rows[2:]))
    assert len(places) > len(rows)
    for path, names in places:
        assert (ROOT / path).is_file(), path
        for name in re.findall(r"`([^`]+)`", names):
            module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
            assert reduce(getattr, name.split("."), module)
