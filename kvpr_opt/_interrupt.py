"""How the command leaves after a Ctrl-C, which may come while the package is still being loaded.

This module is loaded first, and needs next to nothing itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

#: Exit code of a run that was stopped before it was done.
EXIT_STOPPED = 3


def is_command() -> bool:
    """Whether this process is the command ``kvpr-opt``, and no other program."""
    # Python has no better name yet while it loads the package for `python -m kvpr_opt`.
    program = os.path.basename(next(iter(getattr(sys, "argv", ())), ""))
    return program == "-m" or os.path.splitext(program)[0] in ("kvpr-opt", "kvpr-opt-script")


def exit_interrupted() -> NoReturn:
    """Say in one line that there was a Ctrl-C, and exit."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # there is nowhere else to say it
            print("interrupted before it was done", file=sys.stderr)
    sys.exit(EXIT_STOPPED)


@contextlib.contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Let what schedulers and closed terminals send, SIGTERM and SIGHUP, act like a Ctrl-C.

    A signal that the process was told to ignore, as by ``nohup``, stays ignored. Outside
    the main thread, where Python takes no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    try:
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
