"""What one run of an audited program may use: time, memory, and the length of its answer.

Also defines the defaults of ``kvpr-opt audit`` and the maximum values of its options.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

#: Default seconds and megabytes of a run.
DEFAULT_SECONDS, DEFAULT_MEGABYTES = 10, 4096

#: Maximum values: one day, and the most that can be expressed in bytes.
MAX_SECONDS, MAX_MEGABYTES = 86_400, 1 << 40

#: Bytes that any file written by a program, above all its answer, may have for any input.
MAX_OUTPUT = 16 << 20

# Bytes of output allowed per byte of input: an answer repeats every name, possibly escaped.
_OUTPUT_PER_INPUT = 4


@dataclass(frozen=True)
class ResourceLimits:
    """What a run may use.

    Parameters
    ----------
    seconds
        Wall-clock time from the start of the process to its end.
    memory
        Bytes of address space of each process, where the system can limit it; 0 for no limit.
    """

    seconds: float
    memory: int

    def for_child(self, output: int) -> str:
        """The limits as the child takes them on its command line.

        The limit on processor time is a last resort for processes that nothing else stops;
        it is generous enough never to take effect before the wall-clock limit.

        Parameters
        ----------
        output
            Maximum bytes of a file that the program writes.
        """
        cpu = (int(self.seconds) + 2) * (os.cpu_count() or 1)
        return f"{self.memory},{output},{cpu}"


def max_output(given: bytes) -> int:
    """Maximum size in bytes of the answer to an input."""
    return MAX_OUTPUT + _OUTPUT_PER_INPUT * len(given)
