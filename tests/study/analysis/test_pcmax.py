"""What a study says about instances of P||Cmax, beside what their collection knows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from report_records import entry

from kvpr_opt.cli import main
from kvpr_opt.study.analysis.pcmax import schedule_report
from kvpr_opt.study.analysis.reading import read_outcomes
from kvpr_opt.study.execution import worker
from kvpr_opt.study.execution.local import LocalExecutor
from kvpr_opt.study.execution.runner import run_study
from kvpr_opt.study.record import Record, read_record
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.report.page import page
from kvpr_opt.study.runs import Run
from kvpr_opt.study.spec.read import read_spec
from kvpr_opt.suites.cells import FixedFleet
from kvpr_opt.suites.pcmax import EMBEDDINGS, Schedule

#: Their optima are 8, 8 and 9.
INSTANCES = (
    '{"name": "a", "machines": 3, "items": [7, 5, 4, 4, 2], "optimum": 8, "cls": "small"}',
    '{"name": "b|b", "machines": 2, "items": [5, 4, 4, 3], "cls": "small"}',
    '{"name": "c", "machines": 2, "items": [9, 4, 4], "optimum": null}',
)

SPEC = """
time_limit = 20
threads = 1
methods = ["auto"]
certificates = {keep}
[[cells]]
pcmax = {paths}
"""


def write_spec(folder: Path, paths: str = '"*.jsonl"', keep: str = "true") -> Path:
    (folder / "one.jsonl").write_text("\n".join(INSTANCES[:2]))
    (folder / "two.jsonl").write_text(INSTANCES[2])
    path = folder / "spec.toml"
    path.write_text(SPEC.format(paths=paths, keep=keep))
    return path


def run(spec: Path, folder: Path) -> int:
    with LocalExecutor(warm=False) as engine, Record(folder) as record:
        return run_study(read_spec(spec).runs, record, engine).done


def schedule_run(
    optimum: int | None, value: int | None, bound: int | None, embedding: str = "pressure"
) -> RecordedRun:
    schedule = Schedule("x", 2, (5, 4, 4, 3), optimum)
    cell = FixedFleet.of("f", "x", schedule.fleet(embedding))
    values = [
        None if makespan is None else str(schedule.max_kvpr(makespan, embedding))
        for makespan in (value, bound)
    ]
    status = "unknown" if value is None else "optimal" if value == bound else "feasible"
    found = entry(0, cell, status=status, max_kvpr=values[0], lower_bound=values[1], seconds=1.0)
    return msgspec.structs.replace(found, schedule=schedule.published(embedding))


def rows(text: str) -> list[dict[str, str]]:
    table = text.split("\n\n")[1].splitlines()
    names, _, *lines = ([cell.strip() for cell in line.split(" | ")] for line in table)
    return [dict(zip(names, line, strict=True)) for line in lines]


def test_a_pattern_stands_for_many_files_each_a_cell(tmp_path: Path) -> None:
    runs = read_spec(write_spec(tmp_path)).runs
    assert [(str(run.cell), run.cell.fleet_name(0)) for run in runs] == [
        ("one.jsonl", "a@pressure"),
        ("one.jsonl", "a@both"),
        ("one.jsonl", "b|b@pressure"),
        ("one.jsonl", "b|b@both"),
        ("two.jsonl", "c@pressure"),
        ("two.jsonl", "c@both"),
    ]
    listed = read_spec(write_spec(tmp_path, '["one.jsonl", "two.jsonl"]')).runs
    assert [run.key for run in listed] == [run.key for run in runs]


def test_instances_are_proved_resumed_and_reported_with_their_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "record"
    assert run(write_spec(tmp_path, '"one.jsonl"'), folder) == 4
    spec = write_spec(tmp_path)
    assert run(spec, folder) == 2
    assert run(spec, folder) == 0
    monkeypatch.setattr(sys, "argv", ["kvpr-opt", "study", "report", str(folder)])
    with pytest.raises(SystemExit):
        main()
    text = capsys.readouterr().out
    report = schedule_report(read_record(folder).runs)
    assert text.endswith(report)
    assert "Contradictions" not in report
    small, both, other, *_, everything = rows(report)
    assert (small["| instances"], small["embedding, method"]) == ("| small", "pressure, auto, 20 s")
    assert both["embedding, method"] == "both, auto, 20 s"
    assert other["| instances"] == "| two.jsonl"
    for row, counts in ((small, "2 2 1 1 1 1"), (everything, "3 3 1 1 2 2")):
        names = ("runs", "certified", "optimum known", "met", "unknown", "closed |")
        assert [row[name].rstrip(" |") for name in names] == counts.split()
    closed = report.split("collection's own list:\n\n")[1].splitlines()[2:]
    assert len(closed) == 4
    for line in closed:
        name, _, _, _, makespan, _, path = (
            cell.strip() for cell in line.replace("\\|", "!").strip("| ").split("|")
        )
        assert makespan == {"b": "8", "c": "9"}[name[0]]
        certificate = folder / path
        verified = subprocess.run(
            [
                *(sys.executable, "-m", "kvpr_opt", "verify"),
                *(str(certificate.with_suffix(".fleet.json")), str(certificate)),
            ],
            capture_output=True,
            check=False,
        )
        assert verified.returncode == 0


def test_a_study_that_asks_for_certificates_later_gets_them(tmp_path: Path) -> None:
    folder = tmp_path / "record"
    paths = '"two.jsonl"'
    assert run(write_spec(tmp_path, paths, keep="false"), folder) == 2
    assert not (folder / "certificates").exists()
    assert "certified, not kept" in schedule_report(read_record(folder).runs)
    assert run(write_spec(tmp_path, paths), folder) == 2
    assert len(list((folder / "certificates").iterdir())) == 4
    assert run(write_spec(tmp_path, paths), folder) == 0
    assert run(write_spec(tmp_path, paths, keep="false"), folder) == 0


def test_a_certificate_is_stored_before_its_line(tmp_path: Path) -> None:
    (task,) = (run for run in read_spec(write_spec(tmp_path)).runs[:1])
    found = worker.recorded(task, worker.perform(task))
    assert found.answer is not None
    assert json.loads(found.answer.certificate)["status"] == "optimal"
    with Record(tmp_path / "r") as record:
        record.append(found)
        stored = record.runs[task.key].answer
    assert stored is not None
    assert stored.certificate == ""
    assert stored.certificate_sha256
    (again,) = read_record(tmp_path / "r").runs
    assert again.answer == stored
    assert again.schedule == found.schedule
    kept = tmp_path / "r" / "certificates" / f"{task.key}.json"
    assert kept.read_text() == found.answer.certificate


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize(
    ("optimum", "value", "bound", "message"),
    [
        (8, 8, 8, ""),
        (8, 9, 7, ""),
        (8, None, 8, ""),
        (None, 8, 8, ""),
        (9, 8, 7, "f, x has a schedule of makespan 8; the collection states 9"),
        (9, 8, 8, "f, x has a schedule of makespan 8; the collection states 9"),
        (7, 8, 8, "f, x has no schedule below makespan 8; the collection states 7"),
        (7, 9, 8, "f, x has no schedule below makespan 8; the collection states 7"),
    ],
)
def test_a_contradiction_to_the_collection_is_reported(
    embedding: str, optimum: int | None, value: int | None, bound: int | None, message: str
) -> None:
    report = schedule_report([schedule_run(optimum, value, bound, embedding)])
    assert ("Contradictions" in report) == bool(message)
    assert message in report


def test_the_page_has_the_same_tables() -> None:
    runs = [schedule_run(None, 8, 8), schedule_run(9, 8, 7, "both")]
    text = page(runs, read_outcomes(runs), [], left=0, spec="")
    assert '<section id="schedules"><h2>P||Cmax</h2>' in text
    assert "f, x has a schedule of makespan 8; the collection states 9" in text
    assert "collection&#x27;s own list</caption>" in text
    assert 'id="schedules"' not in page([], read_outcomes([]), [], left=0, spec="")


def test_other_studies_have_no_such_part() -> None:
    assert schedule_report([entry(0, error="x")]) == ""


def test_runs_without_an_answer_are_counted() -> None:
    failed = schedule_run(8, 8, 8)
    failed = msgspec.structs.replace(failed, outcome=entry(0, error="x").outcome)
    cut = schedule_run(None, 9, 8)
    assert cut.answer is not None
    late = msgspec.structs.replace(cut.answer, stop_reason="time limit")
    (row,) = rows(schedule_report([failed, msgspec.structs.replace(cut, outcome=late)]))
    assert (row["runs"], row["failed"], row["proved"]) == ("2", "1", "0")


def test_a_run_has_its_key_whether_its_certificate_is_kept_or_not(tmp_path: Path) -> None:
    keeping = read_spec(write_spec(tmp_path)).runs[0]
    assert keeping.keep_certificate
    assert keeping == Run(keeping.cell, keeping.seed, keeping.method)
