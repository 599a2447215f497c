"""What one run of an audited program may use: time, memory, and the length of its answer.

The defaults of ``kvpr-opt audit`` are here, and the most that its options allow.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

#: Seconds and megabytes of a run, unless asked otherwise.
DEFAULT_SECONDS, DEFAULT_MEGABYTES = 10, 4096

#: The most that can be asked for: a day; and what can be told in bytes.
MAX_SECONDS, MAX_MEGABYTES = 86_400, 1 << 40

#: Bytes of a file, of an answer above all, that a program may write, whatever its input.
MAX_OUTPUT = 16 << 20

# Bytes of output for each byte of input: an answer repeats every name, possibly escaped.
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

        The processor time stops what no one is left to stop, should everything else
        fail; it is wide enough never to come before the wall clock.

        Parameters
        ----------
        output
            Bytes of a file that the program may write.
        """
        cpu = (int(self.seconds) + 2) * (os.cpu_count() or 1)
        return f"{self.memory},{output},{cpu}"


def max_output(given: bytes) -> int:
    """Bytes that the answer to an input may have."""
    return MAX_OUTPUT + _OUTPUT_PER_INPUT * len(given)
