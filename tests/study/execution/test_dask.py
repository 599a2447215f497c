"""The engine on a Dask cluster: a real scheduler and two real workers on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import study_jobs
from study_records import told

from kvpr_opt.errors import InputError
from kvpr_opt.study.execution import dask
from kvpr_opt.study.execution.dask import DaskExecutor
from kvpr_opt.study.execution.runner import StudyProgress, run_study
from kvpr_opt.study.record import Record, read_record
from kvpr_opt.study.runs import Method, Run
from kvpr_opt.suites.cells import Cell

distributed = pytest.importorskip("distributed")

HEURISTIC = Method("heuristic", time_limit=5, threads=1)


def runs(seeds: int, method: Method = HEURISTIC) -> list[Run]:
    return [Run(Cell("uniform", 2, 4), seed, method) for seed in range(seeds)]


def local_cluster() -> Any:
    return distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with local_cluster() as local:
        yield local.scheduler_address


def run(
    address: str, wanted: list[Run], folder: Path, perform: Any, grace: float = 30, **options: Any
) -> StudyProgress:
    with (
        DaskExecutor(address, perform=perform, warm=False, grace=grace) as engine,
        Record(folder) as record,
    ):
        return run_study(wanted, record, engine, **options)


SPEC = """
seeds = "0-3"
time_limit = 5
threads = 1
methods = ["heuristic", "lpt", { name = "mine", program = "mine.py" }]
[[cells]]
family = "uniform"
gpus = 2
models = 4
[[cells]]
files = "fleets"
methods = ["best-fit"]
"""

MINE = """
import companion

def place(instance):
    return {model.name: companion.last(instance) for model in instance.models}
"""


def test_the_same_file_runs_here_and_there_with_the_same_answers(
    address: str, tmp_path: Path
) -> None:
    (tmp_path / "study.toml").write_text(SPEC)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "companion.py").write_text("def last(instance): return instance.gpus[-1].name")
    (tmp_path / "fleets").mkdir()
    (tmp_path / "fleets" / "f.yaml").write_text(
        "gpus: [{count: 2, memory: 9}]\nmodels: [{name: m, size: 2, pressure: 1}]"
    )
    for folder, options in (
        ("here", ["--jobs", "2"]),
        ("there", ["--engine", "dask", "--address", address]),
    ):
        command = ["study", "run", "study.toml", "-o", folder, *options]
        done = subprocess.run(
            [sys.executable, "-m", "kvpr_opt", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert "done: 12 runs done, 1 failed" in done.stderr  # one does not fit on one GPU
    assert told(tmp_path / "here") == told(tmp_path / "there")


def test_a_run_that_fails_is_an_entry_and_the_study_goes_on(address: str, tmp_path: Path) -> None:
    quickly = Method("heuristic", time_limit=0.2, threads=1)
    end = run(address, runs(6, quickly), tmp_path, study_jobs.troubled, grace=2)
    assert (end.done, end.failed, end.left) == (2, 4, 0)
    entries = {found.run.seed: found for found in read_record(tmp_path).runs}
    assert (entries[1].error or "") == "ValueError: a bug\nof two lines"
    assert (entries[2].error or "") == "the process of the run died: exit code 9"
    assert "killed" in (entries[3].error or "")


def test_a_worker_of_the_cluster_that_is_killed_costs_no_run(address: str, tmp_path: Path) -> None:
    with distributed.Client(address, set_as_default=False) as client:
        victims = list(client.run(os.getpid).values())
    assert len(victims) == 2

    def kill_one(progress: StudyProgress) -> None:
        if progress.done >= 4 and victims:
            os.kill(victims.pop(), signal.SIGKILL)
            victims.clear()

    end = run(address, runs(12), tmp_path, study_jobs.identified, on_progress=kill_one)
    assert not victims
    assert (end.done, end.failed, end.left) == (12, 0, 0)
    assert sorted(found.run.seed for found in read_record(tmp_path).runs) == list(range(12))


def test_ctrl_c_ends_the_runs_on_the_cluster_too(address: str, tmp_path: Path) -> None:
    endless = [Run(Cell("uniform", 2, 4), 3, HEURISTIC)]
    threading.Timer(1.5, signal.raise_signal, [signal.SIGINT]).start()
    end = run(address, endless, tmp_path, study_jobs.troubled)
    assert end.interrupted
    assert end.left == 1
    assert read_record(tmp_path).runs == ()
    with distributed.Client(address, set_as_default=False) as client:
        deadline = time.monotonic() + 10
        while sum(client.run(busy).values()):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def busy() -> int:
    return sum(slot.run is not None for _, slot in dask._slots.values())


@pytest.mark.slow
def test_a_lost_scheduler_stops_the_study_which_can_be_resumed(
    address: str, tmp_path: Path
) -> None:
    local = local_cluster()

    def lose_it(progress: StudyProgress) -> None:
        if progress.done == 2:
            local.close()

    end = run(local.scheduler_address, runs(8), tmp_path, study_jobs.slow, on_progress=lose_it)
    assert end.interrupted
    assert "is lost" in end.reason
    assert 0 < len(read_record(tmp_path).runs) < 8
    end = run(address, runs(8), tmp_path, study_jobs.slow)
    assert (end.done + end.known, end.left) == (8, 0)


def test_nothing_at_the_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "CONNECT_LIMIT", 0.3)
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        DaskExecutor("tcp://127.0.0.1:9")
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 'nowhere://x'"):
        DaskExecutor("nowhere://x")


def test_workers_of_another_version_are_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_own_version", lambda: "99")
    with pytest.raises(InputError, match=r"has kvpr-opt .*, not 99 as here"):
        DaskExecutor(address)


def test_without_dask_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'kvpr-opt\[dask\]'"):
        DaskExecutor("tcp://127.0.0.1:9")
