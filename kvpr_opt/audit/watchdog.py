"""Cleans up after an audit that was killed: a process of its own, standard library only.

It is started as::

    python -I -S watchdog.py FOLDER

It reads from standard input the number of each process group that the audit starts
(``+N``) and that has ended (``-N``). At the end of the input, which comes when the audit
closes the pipe or dies, whatever it dies of, it ends what is still running and removes
the folder of all runs. It has a session of its own, so that no signal to the audit's
terminal or group reaches it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys

# How often strays are looked for: one may start another while it is being ended.
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

    They are known by their current directory or by the ``HOME`` that they were started
    with. Only where the system shows these (Linux); a process may hide both.
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

    A folder below another is first moved up to the root. So no path grows long, there
    is no recursion, and a nesting of thousands of folders is as good as a flat one. What
    the system does not let us remove is left.
    """
    moved = 0
    pending = [root]
    while pending:
        folder = pending.pop()
        for entry in _entries(folder):
            if not entry.is_dir(follow_symlinks=False):
                _without_error(os.unlink, entry.path)
            elif folder == root:
                pending.append(entry.path)
            else:
                moved += 1
                higher = os.path.join(root, f".removed-{moved}")
                with contextlib.suppress(OSError):
                    os.rename(entry.path, higher)
                    pending.append(higher)
        if folder != root:
            _without_error(os.rmdir, folder)
    _without_error(os.rmdir, root)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, whose owner may have taken the right to look away."""
    _without_error(os.chmod, folder, stat.S_IRWXU)
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _without_error(function: object, *arguments: object) -> None:
    with contextlib.suppress(OSError):
        function(*arguments)  # type: ignore[operator]


if __name__ == "__main__":
    main(sys.argv[1:])
