"""How the command ends on Ctrl-C, SIGTERM and SIGHUP, even while the package is being loaded.

This module is loaded first, so it imports almost nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

from kvpr_opt.exit_codes import ExitCode

#: The signals that ask a run to stop, as far as the system has them.
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

#: When there were stop signals that raised ``KeyboardInterrupt``, in the command.
noted: list[float] = []

# Not empty while signals are only recorded.
_held: list[bool] = []


class StopSignal(KeyboardInterrupt):
    """A stop signal, as an exception.

    Where a plain ``KeyboardInterrupt`` passes through code that an extension module runs,
    Python never forgets it, and ends by SIGINT in the end whatever the exit code is.
    """


def is_command() -> bool:
    """Whether this process is the command ``kvpr-opt``, and not another program or a worker."""
    workers = sys.modules.get("multiprocessing.process")  # where it is a worker, that is loaded
    if workers is not None and workers.parent_process() is not None:
        return False
    # Python has no better name yet while it loads the package for `python -m kvpr_opt`.
    program = os.path.basename(next(iter(getattr(sys, "argv", ())), ""))
    return program == "-m" or os.path.splitext(program)[0] in ("kvpr-opt", "kvpr-opt-script")


def treat_stop_signals_alike() -> None:
    """Let SIGTERM and SIGHUP raise ``KeyboardInterrupt``, as Ctrl-C does.

    For the command only: a program that imports the package keeps its own ways. A signal
    that the parent had ignored (``nohup``) stays ignored.
    """
    for number in STOP_SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, note_and_raise)


def note_and_raise(_number: int, _frame: FrameType | None) -> None:
    """Raise ``KeyboardInterrupt``, and note it for when a library that loads swallows it."""
    noted.append(time.monotonic())
    if not _held:
        raise StopSignal


def hold_stop_signals() -> None:
    """Only record them: until the command runs, nothing would catch the exception."""
    _held.append(True)


def release_stop_signals() -> None:
    """Let them raise again, also for those that were noted.

    Raises
    ------
    KeyboardInterrupt
        If there was one.
    """
    _held.clear()
    if noted:
        raise StopSignal


def ignore_stop_signals() -> None:
    """Ignore them from here on: the answer has been written and the process is ending."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def exit_interrupted() -> NoReturn:
    """Report the interruption in one line, and exit."""
    ignore_stop_signals()
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # there is nowhere else to report it
            print("interrupted before it was done", file=sys.stderr)
    sys.exit(ExitCode.UNFINISHED)
