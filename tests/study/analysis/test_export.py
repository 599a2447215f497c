"""The record as a table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest

from kvpr_opt import random_instance
from kvpr_opt.errors import InputError
from kvpr_opt.study.analysis.export import export
from kvpr_opt.study.execution import worker
from kvpr_opt.study.record_line import encode_line
from kvpr_opt.study.recorded_run import Failure, RecordedRun
from kvpr_opt.study.runs import Method, Run
from kvpr_opt.study.user_heuristics import UserHeuristic
from kvpr_opt.suites.cells import Cell, FixedFleet

polars = pytest.importorskip("polars")


def entries() -> list[RecordedRun]:
    given = FixedFleet.of("fleets", "f.yaml", random_instance("uniform", gpus=2, models=4, seed=0))
    runs = [
        Run(Cell("long-tail", 2, 8, (("skew", "0.5"),)), 3, Method("heuristic", 5, 1)),
        Run(given, 0, Method("lpt", None)),
        Run(Cell("prism"), 7, Method("mine", 1, program=UserHeuristic("a.py", source="1"))),
    ]
    solved = [worker.recorded(run, worker.perform(run)) for run in runs[:2]]
    failed = worker.recorded(runs[2], Failure("it, broke\n'here'"))
    return [*solved, msgspec.structs.replace(failed, machine={})]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_every_run_is_a_row(tmp_path: Path, suffix: str) -> None:
    record = entries()
    path = tmp_path / f"t.{suffix}"
    assert export(record, path) == 3
    table = (polars.read_csv if suffix == "csv" else polars.read_parquet)(path)
    assert table["key"].to_list() == [recorded.run.key for recorded in record]
    first, second, third = table.to_dicts()
    assert first["cell"] == "long-tail 2 x 8, skew 0.5"
    assert first["fleet"] == "long-tail-skew0.5-2x8-s3"
    assert (first["gpus"], first["models"], first["seed"], first["threads"]) == (2, 8, 3, 1)
    stored = json.loads(encode_line(record[0]))
    assert first["max_kvpr_exact"] == stored["max_kvpr"]
    numerator, denominator = map(int, stored["max_kvpr"].split("/"))
    assert first["max_kvpr"] == numerator / denominator
    assert first["gap"] == stored["gap"]
    assert json.loads(first["trajectory"]) == stored["trajectory"]
    assert first["version_kvpr-opt"] == stored["versions"]["kvpr-opt"]
    assert first["cores"] == stored["machine"]["cores"]
    assert (second["cell"], second["fleet"], second["method"]) == ("fleets", "f.yaml", "lpt")
    assert second["time_limit"] is None
    assert (third["program"], third["error"]) == ("a.py", "it, broke\n'here'")
    assert third["status"] is None
    assert third["cpu"] is None


def test_an_empty_record_is_an_empty_table(tmp_path: Path) -> None:
    assert export([], tmp_path / "t.csv") == 0
    assert polars.read_csv(tmp_path / "t.csv").columns[0] == "key"


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t\.xlsx: suffix '.xlsx' is not .csv or .parquet"):
        export([], tmp_path / "t.xlsx")


def test_without_polars_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(InputError, match=r"pip install 'kvpr-opt\[study\]'"):
        export([], tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()
