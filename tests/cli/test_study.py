"""``kvpr-opt study`` as a user meets it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from report_records import entry

from kvpr_opt.cli import main
from kvpr_opt.study.record import read_record
from kvpr_opt.study.record_line import encode_line

SPEC = """
seeds = "0-1"
time_limit = 5
threads = 1
methods = ["heuristic", "assignment_cpsat"]
[[cells]]
family = "uniform"
gpus = 2
models = 4
"""


def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["kvpr-opt", "study", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


def test_run_resume_and_report(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spec: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "record"
    code, out, err = call(capsys, monkeypatch, "run", spec, "-o", folder)
    assert code == 0
    assert out == ""
    assert "done: 4 runs done, 0 failed, 0 known before, 0 left" in err
    assert "\x1b" not in err
    assert len((folder / "runs.jsonl").read_text().splitlines()) == 4

    code, _, err = call(capsys, monkeypatch, "run", spec, "--output", folder)
    assert code == 0
    assert "0 runs done, 0 failed, 4 known before" in err

    code, out, _ = call(capsys, monkeypatch, "report", folder)
    assert code == 0
    assert "| uniform 2 x 4 | assignment_cpsat |" in out
    assert "left" not in out
    assert call(capsys, monkeypatch, "report", folder, "-o", tmp_path / "t.md")[:2] == (0, "")
    assert (tmp_path / "t.md").read_text() == out

    lines = (folder / "runs.jsonl").read_text().splitlines()
    (folder / "runs.jsonl").write_text(lines[2] + "\n")
    assert "3 runs are left" in call(capsys, monkeypatch, "report", folder)[1]


def test_quiet_is_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(f"output = {str(tmp_path / 'here')!r}\n" + SPEC.replace("0-1", "0-0"))
    assert call(capsys, monkeypatch, "run", spec, "--quiet") == (0, "", "")
    assert (tmp_path / "here" / "runs.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (SPEC.replace("uniform", "unifrom"), [], "did you mean 'uniform'"),
        (SPEC.replace("heuristic", "heuristics"), [], "did you mean 'heuristic'"),
        (SPEC.replace("gpus", "gpu"), [], "cells[0].gpu: unknown key (did you mean 'gpus'?)"),
        (SPEC.replace("family", "suite"), [], "cells[0].gpus: unknown key; known: suite"),
        (SPEC, ["--jobs", "0"], "--jobs"),
        (SPEC, ["--engine", "dask"], "--engine: --engine dask requires --address"),
        (SPEC, ["--engine", "dusk"], "--engine"),
        (SPEC, ["--address", "tcp://127.0.0.1:9"], "--address: requires --engine dask"),
        (
            SPEC,
            ["--engine", "dask", "--address", "tcp://127.0.0.1:9", "--jobs", "2"],
            "--jobs: not accepted with --engine dask",
        ),
        (SPEC, ["--engine", "dask", "--address", "nowhere"], "address: no Dask scheduler answers"),
        (SPEC, ["-o", "/proc/no/folder"], "cannot be written"),
        ("[", [], "not TOML"),
    ],
)
def test_a_bad_spec_is_one_error_before_anything_runs(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    text: str,
    options: list[str],
    message: str,
) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(text)
    options = options if "-o" in options else [*options, "-o", str(tmp_path / "record")]
    code, out, err = call(capsys, monkeypatch, "run", path, *options)
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    assert [file.name for file in tmp_path.iterdir()] == ["spec.toml"]


def test_a_spec_without_a_folder_needs_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, spec: Path
) -> None:
    code, _, err = call(capsys, monkeypatch, "run", spec)
    assert code == 2
    assert "--output" in err


def test_a_report_of_nothing_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, _, err = call(capsys, monkeypatch, "report", tmp_path)
    assert code == 2
    assert "runs.jsonl: cannot be read" in err


def test_a_page_is_written_beside_the_record_or_where_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = tmp_path / "runs.jsonl"
    record.write_bytes(encode_line(entry(0, error="no")))
    table = call(capsys, monkeypatch, "report", tmp_path)[1]
    code, out, err = call(capsys, monkeypatch, "report", tmp_path, "--html")
    assert (code, out) == (0, table)
    assert "report.html written, and 0 files of figures beside it" in err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert call(capsys, monkeypatch, "report", tmp_path, "--html", "-o", tmp_path / "p")[0] == 0
    assert (tmp_path / "p").read_text(encoding="utf-8") == page
    code, out, err = call(capsys, monkeypatch, "report", tmp_path, "--html", "-o", "-")
    assert (code, out) == (2, "")
    assert "--output: stdout is used for the table" in err
    code, out, err = call(capsys, monkeypatch, "report", tmp_path, "--html", "-o", "/no/p.html")
    assert (code, out) == (2, "")
    assert "/no/p.html: cannot be written" in err


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(spec: Path, tmp_path: Path) -> None:
    hard = """
    time_limit = 2
    threads = 1
    methods = ["assignment_cpsat"]
    seeds = "0-1"
    [[cells]]
    family = "uniform"
    gpus = 2
    models = 4
    [[cells]]
    family = "uniform"
    gpus = 16
    models = 64
    """
    spec.write_text(hard)
    record = tmp_path / "r" / "runs.jsonl"
    command = [
        sys.executable,
        "-m",
        "kvpr_opt",
        "study",
        "run",
        str(spec),
        "-o",
        str(record.parent),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 20
    while not record.exists() or record.read_bytes().count(b"\n") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 3
    assert err.startswith("stopped: 2 runs done, 0 failed, 0 known before, 2 left")
    assert "Traceback" not in err
    lines = record.read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["optimal", "optimal"]


def test_compare_and_export(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spec: Path,
    tmp_path: Path,
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    # A module in the folder at hand is found.
    (tmp_path / "own_heuristic.py").write_text("def place(instance):\n    return None\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.write_text(SPEC.replace("assignment_cpsat", "python:own_heuristic:place"))
    assert call(capsys, monkeypatch, "run", spec, "-o", old)[0] == 0
    new.mkdir()
    lines = (old / "runs.jsonl").read_text().splitlines()
    (new / "runs.jsonl").write_text("\n".join(lines) + "\n")
    code, out, _ = call(capsys, monkeypatch, "compare", old, new)
    assert code == 0
    assert "4 runs in both" in out
    assert "No regressions" in out

    slower = json.loads(lines[0])
    slower["seconds"] += 10
    (new / "runs.jsonl").write_text("\n".join([json.dumps(slower), *lines[1:-1]]) + "\n")
    code, out, _ = call(capsys, monkeypatch, "compare", old, new)
    assert code == 6
    assert "3 runs in both, 1 only in the old record" in out
    assert "- uniform 2 x 4, seed 0, heuristic: 10" in out
    assert call(capsys, monkeypatch, "compare", old, new, "--margin", "20")[0] == 0
    assert call(capsys, monkeypatch, "compare", old, new, "--factor", "0.5")[0] == 2

    (new / "runs.jsonl").write_text("")
    code, _, err = call(capsys, monkeypatch, "compare", old, new)
    assert code == 2
    assert "no run in common" in err
    code, _, err = call(capsys, monkeypatch, "compare", old, tmp_path / "nowhere")
    assert code == 2
    assert "cannot be read" in err

    pytest.importorskip("polars")
    code, out, err = call(capsys, monkeypatch, "export", old, "--output", tmp_path / "t.csv")
    assert (code, out) == (0, "")
    assert "4 runs written to" in err
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 5
    assert call(capsys, monkeypatch, "export", old, "-o", tmp_path / "t.txt")[0] == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_full_disk_is_one_error_that_names_the_record(spec: Path, tmp_path: Path) -> None:
    import resource

    folder = tmp_path / "record"
    spec.write_text(SPEC.replace("0-1", "0-19").replace(', "assignment_cpsat"', ""))
    command = [sys.executable, "-m", "kvpr_opt", "study", "run", str(spec), "-o", str(folder)]
    # What the system allows a file to have, as a disk that is full soon.
    limit = 5000
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 2
    assert done.stderr == f"error: {folder}/runs.jsonl: cannot be written: File too large\n"
    content = read_record(folder)
    assert content.remarks == ()
    assert 0 < len(content.runs) < 20
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{20 - len(content.runs)} runs done" in again.stderr
