"""Nearly continuous data: which fleets have them, and which of these suit beam search.

Where sizes are bytes or rates have decimals, almost every set of models has a load of its own.
"""

from __future__ import annotations

from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.scaled import ScaledInstance

#: Memory units per GPU from which data count as nearly continuous. With few units, the sizes
#: that the last GPUs need are too rare.
_UNITS = 10**6

#: GPUs from which a beam search pays off, and models a GPU up to which.
_BEAM_FROM, _BEAM_TO = 12, 6


def is_nearly_continuous(scaled: ScaledInstance) -> bool:
    """Whether almost every set of models has a load of its own."""
    return scaled.largest_capacity >= _UNITS


def suits_beam_search(scaled: ScaledInstance) -> bool:
    """Whether beam search is the way to good placements of a fleet."""
    gpus = len(scaled.capacities)
    plain = not isinstance(scaled, ConstrainedInstance)
    few = gpus >= _BEAM_FROM and len(scaled.sizes) <= _BEAM_TO * gpus
    return plain and few and is_nearly_continuous(scaled)
