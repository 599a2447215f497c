"""The exit codes of the command ``kvpr-opt``, the same for every subcommand."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command tells the shell. The stand-alone checker uses the same numbers."""

    DONE = 0
    """Everything asked for was done, or proved."""
    BAD_INPUT = 2
    """The input or the usage is wrong, or the output cannot be written."""
    UNFINISHED = 3
    """Stopped before it was done; of a certificate: nothing false, but not all proved."""
    INFEASIBLE = 4
    """Proved that no placement exists."""
    REJECTED = 5
    """A claim or a placement is false."""
    FAILED = 6
    """An audited program, or a comparison, failed a check."""
