"""Processes, folders and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kvpr_opt.audit.process import ProcessRunner
from kvpr_opt.audit.resource_limits import MAX_OUTPUT, ResourceLimits, max_output
from kvpr_opt.audit.watchdog import remove_tree

# In memory where there is such a folder: some disks take seconds for a thousand folders.
MEMORY = Path("/dev/shm")


def test_a_tree_is_removed_however_deep_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = (MEMORY if os.access(MEMORY, os.W_OK) else tmp_path) / f"kvpr-opt-test-{os.getpid()}"
    root.mkdir()
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    monkeypatch.chdir(root)
    for branch in ("a", "b"):
        Path(branch).mkdir()
        Path(branch, "file").write_text("x")
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
    os.symlink(kept, "link")
    os.chmod(root / "d" / "d", 0)
    os.chdir(tmp_path)
    remove_tree(str(root))
    assert not root.exists()
    assert (kept / "file").read_text() == "x"


def test_a_root_that_is_a_link_or_missing_is_left_alone(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept", tmp_path / "link"
    (kept / "inner").mkdir(parents=True)
    link.symlink_to(kept)
    remove_tree(str(link))
    remove_tree(str(tmp_path / "missing"))
    assert (kept / "inner").is_dir()


def test_an_answer_may_be_as_long_as_its_fleet_asks_for() -> None:
    assert max_output(b"") == MAX_OUTPUT
    # A name of three bytes in UTF-8 may be written as an escape of six.
    assert max_output(b"x" * MAX_OUTPUT) >= 3 * MAX_OUTPUT


@pytest.mark.skipif(sys.platform == "win32", reason="there is no watchdog")
def test_what_an_audit_that_is_killed_has_started_ends_with_it(tmp_path: Path) -> None:
    script = tmp_path / "audit.py"
    script.write_text(
        "import sys\n"
        "from kvpr_opt.audit.process import ProcessRunner\n"
        "from kvpr_opt.audit.resource_limits import ResourceLimits\n"
        "with ProcessRunner(ResourceLimits(60, 0)) as runner:\n"
        "    runner.execute(sys.argv[1], b'')\n"
    )
    program, started = tmp_path / "program", tmp_path / "started"
    program.write_text(
        f"#!/bin/sh\nsleep 60 & sleep 60 &\necho $$ $! $PWD >{started}.part\n"
        f"mv {started}.part {started}\nwait\n"
    )
    program.chmod(0o755)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    audit = subprocess.Popen(
        [sys.executable, str(script), str(program)], env={**os.environ, "TMPDIR": str(temporary)}
    )
    wait_for(started.exists, 30)
    *numbers, folder = started.read_text().split()
    assert Path(folder).is_relative_to(temporary)
    audit.send_signal(signal.SIGKILL)
    audit.wait()
    wait_for(lambda: not any(running(int(number)) for number in numbers), 2)
    wait_for(lambda: os.listdir(temporary) == [], 2)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no watchdog")
def test_a_runner_outlives_its_watchdog(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho done\n")
    program.chmod(0o755)
    with ProcessRunner(ResourceLimits(20, 0)) as runner:
        assert runner._watchdog is not None
        runner._watchdog.kill()
        runner._watchdog.wait()
        assert runner.execute(str(program), b"").answer == b"done\n"
        root = runner._root
    assert root is not None
    assert not root.exists()


def wait_for(condition: object, seconds: float) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
