"""How the command leaves after a Ctrl-C, which may come while the package is still being loaded.

This module is loaded first, and needs next to nothing itself.
"""

from __future__ import annotations

import contextlib
import os
import sys
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
