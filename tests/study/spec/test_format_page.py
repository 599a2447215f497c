"""The page on the format is true: its study is read, and every key of a record is in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from report_records import entry, ran

from kvpr_opt import random_instance, write_instance
from kvpr_opt.study.record_line import encode_line
from kvpr_opt.study.spec.read import read_spec
from kvpr_opt.suites.cells import FixedFleet
from kvpr_opt.suites.pcmax import Schedule, read_schedules

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "study_format.md").read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_study_of_the_page_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (toml,), (instance,) = blocks(PAGE, "toml"), blocks(PAGE, "json")
    for name in ("fleets", "published"):
        (tmp_path / name).mkdir()
    write_instance(
        random_instance("uniform", gpus=2, models=4, seed=0), tmp_path / "fleets" / "a.yaml"
    )
    (tmp_path / "published" / "one.jsonl").write_text(instance)
    (tmp_path / "optima.csv").write_text("name,optimum\nexample,8\n")
    (tmp_path / "heuristic.py").write_text("def place(instance):\n    return None\n")
    (tmp_path / "my_module.py").write_text("def function(instance):\n    return None\n")
    (tmp_path / "study.toml").write_text(toml)
    monkeypatch.syspath_prepend(tmp_path)
    spec = read_spec(tmp_path / "study.toml")
    assert spec.output == "engine"
    assert {str(run.cell) for run in spec.runs} >= {
        "long-tail 16 x 64, skew 0.5",
        "prism",
        "uniform 4 x 8",
        "fleets/*.yaml",
        "published/one.jsonl",
    }


def test_the_collection_of_the_page_is_read(tmp_path: Path) -> None:
    page = (DOCS / "studies" / "pcmax.md").read_text(encoding="utf-8")
    (tmp_path / "collection").mkdir()
    (tmp_path / "collection" / "one.jsonl").write_text(blocks(page, "json")[0])
    (tmp_path / "optima.csv").write_text("class1-n20-m10-2.txt;133\n")
    (tmp_path / "collection.toml").write_text(blocks(page, "toml")[0])
    runs = read_spec(tmp_path / "collection.toml").runs
    assert [run.keep_certificate for run in runs] == [True, True]
    known = [run.cell.published for run in runs if isinstance(run.cell, FixedFleet)]
    assert [one.optimum for one in known if one is not None] == [132, 133]
    assert [s.optimum for s in read_schedules(tmp_path / "collection" / "one.jsonl")] == [132, None]


def test_every_key_of_a_record_is_on_the_page() -> None:
    solved = ran(0, 1.0, "1/7", "1/7", (0.5, 0.2, None))
    assert solved.answer is not None
    solved = msgspec.structs.replace(
        solved,
        program_sha256="0",
        schedule=Schedule("a", 1, (1,), 1, "small").published("both"),
        outcome=msgspec.structs.replace(solved.answer, certificate_sha256="0"),
    )
    for recorded in (solved, entry(0, error="x")):
        line = json.loads(encode_line(recorded))
        keys = {*line, *line.get("schedule", ()), *line.get("trajectory", [{}])[0]}
        assert {key for key in keys if f"`{key}`" not in PAGE} == set()
