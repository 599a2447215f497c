"""Cleans up after a worker of a study: its process group, and its folder for temporary files.

A worker that computes in compiled code cannot watch over itself, and a study that is
killed cannot end its workers. So each worker starts this file as a small process in a
session of its own, which waits for the end of either. Then it kills the worker and all
processes that it started, and removes its temporary files.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import stat
import subprocess
import sys

# Seconds that a killed process may take to be gone.
_LAST_GASP = 1.0

# How often strays are looked for: one may start another while it is killed.
_ROUNDS = 3


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


def kill_all(worker: int, folder: str) -> None:
    """Kill a worker, its process group, and what it started in groups of their own.

    The latter are known by their folder for temporary files, which they inherit in their
    environment; they are looked for in ``/proc``, if there is one.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    for _ in range(_ROUNDS):
        strays = _strays(folder)
        for process in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        if not strays:
            return


def _strays(folder: str) -> list[int]:
    mark = b"\0TMPDIR=" + os.fsencode(folder) + b"\0"
    found = []
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if entry.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as stream:
                if mark in b"\0" + stream.read():
                    found.append(int(entry))
    return found


def remove_tree(root: str) -> None:
    """Remove a folder, however deeply nested; what cannot be removed is left.

    Every folder in it is first moved up to the root, so that no path grows long and
    nothing recurses. Symbolic links are removed, never followed.
    """
    folders = [root]
    for folder in folders:  # grows while it is read
        with contextlib.suppress(OSError):
            os.chmod(folder, stat.S_IRWXU)
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                if os.path.isdir(path) and not os.path.islink(path):
                    moved = os.path.join(root, secrets.token_hex(8))
                    os.rename(path, moved)
                    folders.append(moved)
                else:
                    os.unlink(path)
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _watch(leader: int, study: int, worker: int, folder: str) -> None:
    select.select([study, worker], [], [])
    kill_all(leader, folder)
    select.select([worker], [], [], _LAST_GASP)  # nothing is written after that
    remove_tree(folder)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # what asks the study to stop is not for this one
    _watch(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
