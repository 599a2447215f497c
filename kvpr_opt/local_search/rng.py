"""Random numbers inside compiled functions: explicit state, the same on every machine."""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled


def seeded(seed: int) -> Ints:
    """The state of a random generator."""
    return np.array([(seed * 0x9E3779B9 + 0x7F4A7C15) % (1 << 62)], dtype=np.int64)


@compiled
def draw(random: Ints, bound: int) -> int:
    """Draw a number from 0 to `bound` - 1 and advance the generator by one step.

    Uses the high bits of a linear congruential generator modulo 2**64 with its state
    in ``random[0]``: good enough to choose neighbours, the same on every machine,
    and free of hidden state.
    """
    random[0] = random[0] * 6364136223846793005 + 1442695040888963407
    return int((random[0] >> 33) & 0x7FFFFFFF) % bound
