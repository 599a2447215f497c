"""What a study starts ends with it, with its children, and leaves no files behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kvpr_opt.study.execution import watchdog
from kvpr_opt.study.record import FILE_NAME, read_record

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")

#: A heuristic that starts programs, says so, and hangs in a call that no signal interrupts.
HANGING = """
import os, pathlib, subprocess, sys, tempfile

def place(instance):
    if len(instance.models) == 7:  # to warm up
        return None
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    tempfile.mkdtemp(prefix="left-behind-")
    started = [
        subprocess.Popen(sleeping),
        subprocess.Popen(sleeping, start_new_session=True),
    ]
    mark = pathlib.Path(__file__).with_name("started")
    mark.with_suffix(".new").write_text(f"{os.getpid()} " + " ".join(str(p.pid) for p in started))
    os.replace(mark.with_suffix(".new"), mark)
    {hang}
"""

#: Holds the interpreter, so that no thread of the worker runs.
IN_C = "sum(range(10**12))"

SPEC = """
time_limit = 0.5
threads = 1
seeds = "0-0"
methods = [{ name = "mine", program = "mine.py" }]
[[cells]]
family = "uniform"
gpus = 2
models = 4
"""


def alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def until(happened: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a study of one heuristic, with a folder for temporary files of its own."""
    (tmp_path / "tmp").mkdir()
    processes = []

    def start(hang: str, grace: float = 30) -> subprocess.Popen[str]:
        (tmp_path / "mine.py").write_text(HANGING.replace("{hang}", hang))
        (tmp_path / "spec.toml").write_text(SPEC)
        code = (
            "import sys; from kvpr_opt.study.execution import local;"
            f"local.LocalExecutor.__init__.__kwdefaults__['grace'] = {grace};"
            "sys.argv[0] = 'kvpr-opt'; from kvpr_opt.cli import main; main()"
        )
        command = [sys.executable, "-c", code, "study", "run", "spec.toml", "-o", "record"]
        environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def started(folder: Path) -> list[int]:
    until((folder / "started").exists)
    return [int(number) for number in (folder / "started").read_text().split()]


def check_nothing_is_left(folder: Path, numbers: list[int]) -> None:
    until(lambda: not any(map(alive, numbers)), 3)
    until(lambda: not list((folder / "tmp").iterdir()), 3)


def test_an_overdue_heuristic_is_ended_with_its_children(
    tmp_path: Path, study: Callable[..., subprocess.Popen[str]]
) -> None:
    process = study(IN_C, grace=0.5)
    numbers = started(tmp_path)
    assert "1 failed" in process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert "killed" in (read_record(tmp_path / "record").runs[0].error or "")
    check_nothing_is_left(tmp_path, numbers)


def test_a_heuristic_that_crashes_takes_its_children_along(
    tmp_path: Path, study: Callable[..., subprocess.Popen[str]]
) -> None:
    process = study("os._exit(7)")
    numbers = started(tmp_path)
    assert "1 failed" in process.communicate(timeout=30)[1]
    (found,) = read_record(tmp_path / "record").runs
    assert found.error == "the process of the run died: exit code 7"
    check_nothing_is_left(tmp_path, numbers)


def test_a_killed_study_takes_its_workers_along_whatever_they_do(
    tmp_path: Path, study: Callable[..., subprocess.Popen[str]]
) -> None:
    process = study(IN_C)
    numbers = started(tmp_path)
    process.kill()
    process.wait()
    check_nothing_is_left(tmp_path, numbers)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_all_processes_hear_stops_the_study_and_fails_no_run(
    tmp_path: Path, study: Callable[..., subprocess.Popen[str]], name: str
) -> None:
    process = study("import time; time.sleep(600)")
    numbers = started(tmp_path)
    for number in (numbers[0], process.pid):  # the worker first
        os.kill(number, getattr(signal, name))
    _, err = process.communicate(timeout=10)
    assert process.returncode == 3
    assert err.startswith("stopped: 0 runs done, 0 failed, 0 known before, 1 left")
    assert (tmp_path / "record" / FILE_NAME).read_bytes() == b""
    check_nothing_is_left(tmp_path, numbers)


def test_a_folder_is_removed_however_it_was_left(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    root.mkdir()
    (root / "link").symlink_to(outside)
    (root / "dangling").symlink_to(root / "nowhere")
    locked = root / "locked"
    locked.mkdir()
    (locked / "file").write_text("")
    locked.chmod(0)
    here = os.open(root, os.O_RDONLY)
    for _ in range(1050):  # more than Python recurses
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    watchdog.remove_tree(str(root))
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "kept").exists()
    watchdog.remove_tree(str(root))  # once more: it is gone
