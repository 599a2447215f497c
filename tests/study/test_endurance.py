"""Long checks of the runner: killed again and again, on both engines, and its throughput."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import study_jobs
from study_records import told

from kvpr_opt.study.execution.local import LocalExecutor
from kvpr_opt.study.execution.runner import StudyProgress, run_study
from kvpr_opt.study.record import FILE_NAME, Record, read_record
from kvpr_opt.study.runs import Method, Run
from kvpr_opt.suites.cells import Cell

pytestmark = pytest.mark.slow

#: 1,000 runs of some milliseconds, four heuristics on 250 fleets.
SPEC = """
seeds = "0-249"
time_limit = 5
threads = 1
methods = ["greedy", "lpt", "best-fit", "heuristic"]
[[cells]]
family = "uniform"
gpus = 4
models = 12
"""

KILLS = 5


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "kvpr_opt", "study", "run", *map(str, arguments)]


def finish(*arguments: object) -> str:
    done = subprocess.run(
        command(*arguments), check=True, timeout=600, capture_output=True, text=True
    )
    return done.stderr


def lines(folder: Path) -> int:
    path = folder / FILE_NAME
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_at_random(folder: Path, jobs: int, chance: random.Random, *arguments: object) -> None:
    """Start the study, wait for some more entries and a moment, and kill it."""
    least = lines(folder) + chance.randint(20, 150)
    process = subprocess.Popen(
        command(*arguments, "-o", folder, "--jobs", jobs), stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while lines(folder) < least and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.02))
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_study_of_1000_runs_killed_five_times_equals_one_that_was_not(
    tmp_path: Path, jobs: int
) -> None:
    spec, killed, whole = tmp_path / "s.toml", tmp_path / "killed", tmp_path / "whole"
    spec.write_text(SPEC)
    chance = random.Random(jobs)
    before = 0
    for _ in range(KILLS):
        kill_at_random(killed, jobs, chance, spec)
        # Whatever was an entry once is one for good.
        assert before < lines(killed) < 1000
        before = lines(killed)
    resumed = finish(spec, "-o", killed, "--jobs", jobs)
    assert f"{1000 - before} runs done, 0 failed, {before} known before, 0 left" in resumed
    assert "1000 runs done" in finish(spec, "-o", whole)
    assert lines(killed) == lines(whole) == 1000  # no run twice, none missing
    assert told(killed) == told(whole)


#: Signals that end a study, each as often as the others.
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)

RANDOM_KILLS = 100


def marked(mark: str) -> list[int]:
    """The processes that were started with a text in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def heeds(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal, which takes it a moment to install."""
    status = Path(f"/proc/{process}/status").read_text()
    (caught,) = re.findall(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")
def test_signals_at_random_moments_leave_nothing_half_done(tmp_path: Path) -> None:
    spec, killed, whole = tmp_path / "s.toml", tmp_path / "killed", tmp_path / "whole"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    spec.write_text(SPEC.replace('"0-249"', '"0-2999"'))
    environment = {**os.environ, "TMPDIR": str(temporary)}
    chance = random.Random(0)
    before: tuple[str, ...] = ()
    codes: dict[int, int] = {}
    run = command(spec, "-o", killed, "--jobs", 2)
    with subprocess.Popen(run, stderr=subprocess.DEVNULL, env=environment) as first:
        began = time.monotonic()
        while lines(killed) < 1:
            assert first.poll() is None
            time.sleep(0.01)
        horizon = 2 * (time.monotonic() - began)
        first.kill()
    for number in range(RANDOM_KILLS):
        process = subprocess.Popen(run, stderr=subprocess.PIPE, text=True, env=environment)
        # At any moment: while it is loading, while workers are, and at work.
        time.sleep(chance.uniform(0, horizon))
        sent = SIGNALS[number % len(SIGNALS)]
        heeded = heeds(process.pid, sent)
        process.send_signal(sent)
        _, err = process.communicate(timeout=10)
        print(number, sent.name, process.returncode, flush=True)
        codes[process.returncode] = codes.get(process.returncode, 0) + 1
        if process.returncode == 0 and " 0 left" in err:
            assert number >= RANDOM_KILLS // 2, "the study was done too soon"
            break
        if "Traceback" in err:
            # Only while Python itself was starting, or in a worker that was left with half of
            # what it was to be told.
            assert not re.search(r"kvpr_opt/(cli|study)", err) or sent == signal.SIGKILL, err
        elif sent == signal.SIGKILL:
            assert process.returncode == -sent
        else:
            assert process.returncode == 3 or (not heeded and process.returncode == -sent), err
        deadline = time.monotonic() + 2
        while marked(str(temporary)) or any(temporary.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        if (killed / FILE_NAME).exists():
            content = read_record(killed)
            assert all("half-written last line" in remark for remark in content.remarks)
            keys = tuple(recorded.run.key for recorded in content.runs)
            assert keys[: len(before)] == before  # whatever was an entry once is one for good
            assert all(recorded.answer for recorded in content.runs)
            before = keys
    print(f"{len(before)} runs recorded; exit codes {codes}")
    assert before
    spec.write_text(SPEC)
    finish(spec, "-o", killed, "--jobs", 2)
    finish(spec, "-o", whole, "--jobs", 2)
    expected = told(whole)
    found = told(killed)
    assert {key: found[key] for key in expected} == expected


def test_a_study_on_a_cluster_whose_workers_and_client_are_killed_equals_one_here(
    tmp_path: Path,
) -> None:
    distributed = pytest.importorskip("distributed")
    spec, killed, whole = tmp_path / "s.toml", tmp_path / "killed", tmp_path / "whole"
    spec.write_text(SPEC)
    chance = random.Random(7)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as local:
        there = (spec, "-o", killed, "--engine", "dask", "--address", local.scheduler_address)
        for _ in range(2):
            least = lines(killed) + chance.randint(50, 150)
            process = subprocess.Popen(command(*there), stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 120
            while lines(killed) < least:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            with distributed.Client(local.scheduler_address, set_as_default=False) as client:
                workers = list(client.run(os.getpid).values())
            os.kill(chance.choice(workers), signal.SIGKILL)
            time.sleep(1)
            assert process.poll() is None
            process.kill()
            process.wait(timeout=10)
            assert lines(killed) < 1000
        known = lines(killed)
        done = finish(*there)
    assert f"{1000 - known} runs done, 0 failed, {known} known before, 0 left" in done
    finish(spec, "-o", whole, "--jobs", 2)
    assert lines(killed) == lines(whole) == 1000
    assert told(killed) == told(whole)


def waiting_runs() -> list[Run]:
    return [Run(Cell("uniform", 2, 4), seed, Method("heuristic", 30, 1)) for seed in range(200)]


def check_throughput(folder: Path, engine: Any) -> None:
    """200 runs that wait for a second each; one process would take 200 s at the least."""
    started = time.monotonic()
    with engine, Record(folder) as record:
        end: StudyProgress = run_study(waiting_runs(), record, engine)
    spent = time.monotonic() - started
    assert (end.done, end.failed) == (200, 0)
    assert len(read_record(folder).runs) == 200
    print(f"{200 / spent:.3f} times the throughput of one process")
    assert 200 / spent >= 1.7


def test_two_jobs_have_at_least_1_7_times_the_throughput_of_one(tmp_path: Path) -> None:
    check_throughput(tmp_path, LocalExecutor(2, perform=study_jobs.one_second, warm=False))


def test_two_workers_of_a_cluster_have_at_least_1_7_times_the_throughput_of_one(
    tmp_path: Path,
) -> None:
    distributed = pytest.importorskip("distributed")
    from kvpr_opt.study.execution.dask import DaskExecutor

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as local:
        engine = DaskExecutor(local.scheduler_address, perform=study_jobs.one_second, warm=False)
        check_throughput(tmp_path, engine)
