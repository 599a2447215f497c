"""Cleans up after an audit that was killed: a separate process, standard library only.

It is started as::

    python -I -S watchdog.py FOLDER

It reads from standard input the number of each process group that the audit starts
(``+N``) and that has ended (``-N``). At the end of the input, which comes when the audit
closes the pipe or dies for whatever reason, it ends what is still running and removes
the folder of all runs. It runs in its own session, so that no signal to the audit's
terminal or group reaches it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import sys

# Flags for opening a folder itself, without following a symbolic link.
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)

# How often to look for strays: one may start another while it is being ended.
_ROUNDS = 3


def main(arguments: list[str]) -> None:
    """Wait for the end of the audit, then clean up."""
    (folder,) = arguments
    running: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        if line[0] == "+":
            running.add(number)
        else:
            running.discard(number)
    for group in running:
        kill_group(group)
    end_strays(folder)
    remove_tree(folder)


def kill_group(group: int) -> None:
    """End all processes of a group, if there still are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def end_strays(folder: str) -> None:
    """End processes that were started in a folder and have left the group of their run.

    They are recognised by their current directory or by the ``HOME`` that they were started
    with, on systems that show these (Linux); a process can hide both.
    """
    for _ in range(_ROUNDS):
        strays = list(_strays(folder))
        for process in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        if not strays:
            return


def _strays(folder: str) -> list[int]:
    home = b"\0HOME=" + os.fsencode(os.path.join(folder, ""))
    inside = os.path.join(folder, "")
    found = []
    try:
        processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for process in processes:
        if process == os.getpid():
            continue
        try:
            with open(f"/proc/{process}/environ", "rb") as stream:
                started_here = home in b"\0" + stream.read()
            if started_here or os.readlink(f"/proc/{process}/cwd").startswith(inside):
                found.append(process)
        except OSError:  # it has ended, or belongs to another user
            continue
    return found


def remove_tree(root: str) -> None:
    """Remove a folder with all that is in it, however deep it is nested.

    It walks from folder to folder by descriptor, with one open at a time: no path grows
    long, nothing recurses, and no symbolic link is followed out of the folder. Anything
    that the system does not let us remove is left.
    """
    if os.rmdir not in os.supports_dir_fd:  # Windows
        shutil.rmtree(root, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        os.chmod(root, stat.S_IRWXU)
        _empty(os.open(root, _FOLDER))
    with contextlib.suppress(OSError):
        os.rmdir(root)


def _empty(folder: int) -> None:
    """Remove all that is in an open folder, and close it."""
    # From the root down to the open folder: name, parent, and subfolders still to enter.
    path: list[tuple[str, os.stat_result, list[str]]] = []
    pending = _folders_of(folder)
    try:
        while pending or path:
            if pending:
                name = pending.pop()
                try:
                    os.chmod(name, stat.S_IRWXU, dir_fd=folder)
                    inner = os.open(name, _FOLDER, dir_fd=folder)
                except OSError:
                    continue
                path.append((name, os.fstat(folder), pending))
                os.close(folder)
                folder = inner
                pending = _folders_of(folder)
            else:
                name, parent, pending = path.pop()
                outer = os.open("..", _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = outer
                if not os.path.samestat(os.fstat(folder), parent):
                    return  # it was moved in the meantime: not ours to empty
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=folder)
    finally:
        os.close(folder)


def _folders_of(folder: int) -> list[str]:
    """Remove everything but folders from an open folder; return those folders."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found.append(entry.name)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.name, dir_fd=folder)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
