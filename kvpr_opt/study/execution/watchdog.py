"""Cleans up after a worker of a study: its process group, and its folder for temporary files.

A worker that computes in compiled code cannot watch over itself, and a study that is
killed cannot end its workers. So each worker starts this file as a small process in a
session of its own, which waits for the end of either. Then it kills the worker and all
processes that it started, and removes its temporary files.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys

# Seconds that a killed process may take to be gone.
_LAST_GASP = 1.0


def start(study: int, folder: str) -> None:
    """Start the watchdog of this process, which must lead its process group.

    Parameters
    ----------
    study
        A descriptor that can be read from once the study has ended.
    folder
        Where this process keeps its temporary files.
    """
    # The other end stays open, without being used, until this process ends.
    worker, _held = os.pipe()
    subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, *map(str, (os.getpid(), study, worker)), folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(study, worker),
        start_new_session=True,
    )
    os.close(worker)


def kill_tree(leader: int) -> None:
    """Kill a process, its process group, and all descendants that can be found.

    Descendants in a group of their own are looked up in ``/proc``, where there is one.
    """
    others = _descendants(leader) - {os.getpid()}
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    for process in others:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)


def _descendants(ancestor: int) -> set[int]:
    """The processes that a process started, directly or not, and that are not orphaned."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if entry.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stream:
                # pid (name) state parent ...; the name may hold anything, brackets too.
                parent = int(stream.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        new = children.get(waiting.pop(), [])
        found.update(new)
        waiting += new
    return found


def _watch(leader: int, study: int, worker: int, folder: str) -> None:
    select.select([study, worker], [], [])
    kill_tree(leader)
    select.select([worker], [], [], _LAST_GASP)  # nothing is written after that
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # what asks the study to stop is not for this one
    _watch(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
