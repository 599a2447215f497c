"""What the pages on evolution and on published programs show is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kvpr_opt import write_instance
from kvpr_opt.audit.record import table
from kvpr_opt.generate import prism_instance

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the heuristic of the page, and a suite of one fleet for a quick run."""
    (tmp_path / "heuristic.py").write_text(blocks("heuristics.md")[0])
    (tmp_path / "suite").mkdir()
    write_instance(prism_instance(0), tmp_path / "suite" / "prism-00.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_of_the_page_on_evolution_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = blocks("evolution.md")
    exec(code.replace("evolve-train", "suite"), {})
    assert "The program is valid on all fleets (1)" in capsys.readouterr().out


def test_the_table_of_the_record_is_made_from_its_data() -> None:
    entries = json.loads((DOCS / "record.json").read_text("utf-8"))["programs"]
    assert table(entries) in (DOCS / "record.md").read_text("utf-8")
    for entry in entries:
        benchmark = entry["benchmark"]
        assert re.fullmatch(r"[0-9a-f]{64}", entry["sha256"])
        assert (benchmark["honest"] is not None) == benchmark["valid"]
        # Nothing is above what is proved to be the best.
        assert benchmark["honest"] is None or benchmark["honest"] < 26.2559717496
