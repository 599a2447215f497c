"""The runner: resumed, killed, and with runs that fail in every way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import study_jobs
from study_records import told

from kvpr_opt.errors import InputError
from kvpr_opt.result import Status, StopReason
from kvpr_opt.study.execution import worker
from kvpr_opt.study.execution.local import LocalExecutor
from kvpr_opt.study.execution.runner import ExecutorLostError, StudyProgress, run_study
from kvpr_opt.study.record import FILE_NAME, Record, read_record
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.runs import Method, Run
from kvpr_opt.study.user_heuristics import UserHeuristic
from kvpr_opt.suites.cells import Cell

HEURISTIC = Method("heuristic", time_limit=5, threads=1)


def runs(seeds: int, method: Method = HEURISTIC) -> list[Run]:
    return [Run(Cell("uniform", 2, 4), seed, method) for seed in range(seeds)]


def run(
    wanted: list[Run],
    folder: Path,
    *,
    perform: Any = study_jobs.quick,
    jobs: int = 1,
    grace: float = 30,
    **options: Any,
) -> StudyProgress:
    with (
        LocalExecutor(jobs, perform=perform, warm=False, grace=grace) as engine,
        Record(folder) as record,
    ):
        return run_study(wanted, record, engine, **options)


def test_an_entry_says_what_was_run_and_what_came_out(tmp_path: Path) -> None:
    wanted = [Run(Cell("long-tail", 2, 8, (("skew", "0.5"),)), 3, Method("assignment_cpsat", 5, 1))]
    with LocalExecutor() as engine, Record(tmp_path) as record:
        end = run_study(wanted, record, engine)
    assert (end.total, end.done, end.failed, end.left) == (1, 1, 0, 0)
    (recorded,) = read_record(tmp_path).runs
    answer = recorded.answer
    assert answer is not None
    assert recorded.run == wanted[0]
    assert recorded.run.method.name == "assignment_cpsat"
    assert len(answer.fleet_sha256) == 64
    assert answer.status is Status.OPTIMAL
    assert answer.stop_reason is StopReason.PROVED
    assert answer.max_kvpr == answer.lower_bound
    assert answer.gap == 0
    assert 0 < answer.seconds < 5
    assert answer.parameters["threads"] == 1
    assert {"python", "kvpr-opt", "ortools"} <= set(recorded.versions)
    assert {"cpu", "cores", "platform"} == set(recorded.machine)
    assert answer.trajectory[-1].lower_bound == answer.trajectory[-1].max_kvpr
    line = json.loads((tmp_path / FILE_NAME).read_text())
    assert line["schema"] == "kvpr-opt/run/1"
    assert line["key"] == wanted[0].key
    assert line["run"] == wanted[0].identity
    assert "/" in line["max_kvpr"]
    assert line["gap"] == 0
    assert line["certified"] in (True, False)


def test_what_is_recorded_is_not_run_again(tmp_path: Path) -> None:
    assert run(runs(2), tmp_path).done == 2
    before = (tmp_path / FILE_NAME).read_bytes()
    end = run(runs(4), tmp_path)
    assert (end.total, end.known, end.done, end.left) == (4, 2, 2, 0)
    assert (tmp_path / FILE_NAME).read_bytes().startswith(before)
    assert run(runs(4), tmp_path).done == 0


def test_a_run_that_fails_is_an_entry_and_the_study_goes_on(tmp_path: Path) -> None:
    quickly = Method("heuristic", time_limit=0.2, threads=1)
    end = run(runs(6, quickly), tmp_path, perform=study_jobs.troubled, grace=2)
    assert (end.done, end.failed, end.left) == (2, 4, 0)
    entries = {found.run.seed: found for found in read_record(tmp_path).runs}
    assert entries[0].answer is not None
    assert entries[0].answer.status in (Status.FEASIBLE, Status.OPTIMAL)
    assert (entries[1].error or "") == "ValueError: a bug\nof two lines"
    assert (entries[2].error or "") == "the process of the run died: exit code 9"
    assert "killed" in (entries[3].error or "")
    assert "ValueError" in (entries[4].error or "")
    assert entries[5].error is None
    assert entries[2].machine


def test_failed_runs_are_repeated_only_when_asked_for(tmp_path: Path) -> None:
    run(runs(2), tmp_path, perform=study_jobs.troubled)
    assert run(runs(2), tmp_path).done == 0
    end = run(runs(2), tmp_path, retry_failed=True)
    assert (end.known, end.done) == (1, 1)
    assert not any(found.error for found in read_record(tmp_path).runs)


def test_an_edited_program_is_run_again(tmp_path: Path) -> None:
    def versions(*sources: str) -> list[Run]:
        programs = [UserHeuristic(f"{n}.py", f"/{n}.py", text) for n, text in enumerate(sources)]
        return [
            Run(Cell("uniform", 2, 4), 0, Method(f"mine{n}", 5, program=program))
            for n, program in enumerate(programs)
        ]

    assert run(versions("a", "b"), tmp_path).done == 2
    assert run(versions("a", "b"), tmp_path).done == 0
    end = run(versions("a", "c"), tmp_path)
    assert (end.known, end.done) == (1, 1)
    assert run(versions("a", "c"), tmp_path).done == 0
    assert len(read_record(tmp_path).runs) == 2


def test_answers_do_not_depend_on_the_number_of_jobs(tmp_path: Path) -> None:
    methods = [HEURISTIC, Method("lpt", 5, 1), Method("seed", 5, 1)]
    wanted = [Run(Cell("uniform", 2, 4), seed, method) for seed in range(2) for method in methods]
    for jobs in (1, 3):
        folder = tmp_path / str(jobs)
        end = run(wanted, folder, perform=worker.perform, jobs=jobs)
        assert (end.done, end.failed) == (6, 0)
    assert told(tmp_path / "1") == told(tmp_path / "3")


def test_runs_share_as_many_processes_as_there_are_jobs(tmp_path: Path) -> None:
    run(runs(6), tmp_path, perform=study_jobs.identified, jobs=2)
    processes = {
        found.answer.statistics["process"]
        for found in read_record(tmp_path).runs
        if found.answer is not None
    }
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_no_jobs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="jobs 0"):
        run(runs(1), tmp_path, jobs=0)


def test_progress_tells_what_is_running(tmp_path: Path) -> None:
    events: list[StudyProgress] = []
    run(runs(2), tmp_path, on_progress=events.append)
    assert events[0].running == (str(runs(1)[0]),)
    assert events[0].left == 2
    assert events[0].seconds_left is None
    assert events[-1].running == ()
    assert events[-1].left == 0
    half = StudyProgress(10, known=2, done=3, failed=1, seconds=8.0)
    assert (half.left, half.seconds_left) == (4, 8.0)


class Lost:
    """An executor that is lost after two runs."""

    def __init__(self) -> None:
        self.running: tuple[Run, ...] = ()

    def room(self) -> int:
        return 2 - len(self.running)

    def start(self, run: Run) -> None:
        self.running = (*self.running, run)

    def ended(self, _seconds: float) -> list[RecordedRun]:
        run = self.running[0]
        if run.seed == 2:
            raise ExecutorLostError("it is gone")
        self.running = self.running[1:]
        return [worker.recorded(run, study_jobs.quick(run))]


def test_a_lost_engine_stops_the_study_and_says_so(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        end = run_study(runs(5), record, Lost())
    assert (end.done, end.left, end.interrupted, end.reason) == (2, 3, True, "it is gone")
    assert len(read_record(tmp_path).runs) == 2


def test_ctrl_c_ends_the_workers_and_leaves_a_whole_record(tmp_path: Path) -> None:
    def stop(progress: StudyProgress) -> None:
        if progress.done == 3:
            signal.raise_signal(signal.SIGINT)

    end = run(runs(10_000), tmp_path, perform=study_jobs.slow, on_progress=stop)
    assert end.interrupted
    assert end.reason == ""
    entries = read_record(tmp_path).runs
    assert [found.run.seed for found in entries] == list(range(end.done))
    assert run(runs(len(entries)), tmp_path).done == 0


SPEC = """
seeds = "0-{last}"
time_limit = 5
threads = 1
methods = ["heuristic"]
[[cells]]
family = "uniform"
gpus = 2
models = 4
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "kvpr_opt", "study", *map(str, arguments)]


def test_a_study_killed_and_resumed_has_the_runs_of_one_that_was_not(tmp_path: Path) -> None:
    spec, folder, whole = tmp_path / "s.toml", tmp_path / "killed", tmp_path / "whole"
    spec.write_text(SPEC.format(last=59))
    for least in (3, 20):
        process = subprocess.Popen(
            command("run", spec, "-o", folder), stderr=subprocess.DEVNULL, start_new_session=True
        )
        _wait_for_lines(folder / FILE_NAME, least)
        process.kill()
        process.wait(timeout=10)
        assert len(read_record(folder).runs) < 60
    with open(folder / FILE_NAME, "ab") as stream:
        stream.write(b'{"schema": "kvpr-opt/run/1", "key": "0')
    for target in (folder, whole):
        done = subprocess.run(
            command("run", spec, "-o", target, "--jobs", 2),
            check=True,
            timeout=60,
            capture_output=True,
            text=True,
        )
        assert ("half-written" in done.stderr) == (target is folder)
    assert len((folder / FILE_NAME).read_bytes().splitlines()) == 60
    assert told(folder) == told(whole)


def _wait_for_lines(path: Path, least: int) -> None:
    deadline = time.monotonic() + 20
    while not path.exists() or path.read_bytes().count(b"\n") < least:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")
def test_workers_do_not_outlive_a_killed_study(tmp_path: Path) -> None:
    spec = tmp_path / "s.toml"
    spec.write_text(SPEC.format(last=9999))
    process = subprocess.Popen(
        command("run", spec, "-o", tmp_path / "r"), stderr=subprocess.DEVNULL
    )
    _wait_for_lines(tmp_path / "r" / FILE_NAME, 1)
    children = _children(process.pid)
    assert children
    process.kill()
    process.wait(timeout=10)
    deadline = time.monotonic() + 5
    while any(_alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _children(parent: int) -> list[int]:
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(number) for number in text.split()]


def _alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
