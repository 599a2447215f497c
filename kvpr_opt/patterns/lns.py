"""Large neighbourhood search: the models of a few GPUs are repacked exactly.

A placement that misses a threshold is repaired GPU by GPU: one that is too full and
some with room are emptied and packed again by exhaustive search (Shaw 1998,
doi:10.1007/3-540-49481-2_30). The search packs its least wasteful patterns first, so
the remaining room gathers on few GPUs, where it helps the next repair most. With six
or more models a GPU, a handful of GPUs has many packings; with fewer, it may take ten.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Counts, Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.cover.exact_cover import cover
from kvpr_opt.patterns.problem import Packing, PackingQuestion

#: Approximate models in a neighbourhood, and its minimum and maximum GPUs.
_ITEMS, _FEWEST_BINS, _MAX_BINS = 40, 3, 10

#: Budgets of the search in one neighbourhood.
_PATTERNS, _WORK = 150_000, 3_000_000


def repack(
    question: PackingQuestion, start: Packing, limits: LimitsView, *, tries: int, seed: int
) -> Packing | None:
    """Repair a packing that misses the threshold; return the result if one is found.

    Parameters
    ----------
    question
        A whole fleet at a threshold.
    start
        A pattern for each bin, empty ones included; they may exceed the capacity.
    limits
        When to give up.
    tries
        Maximum neighbourhoods searched since the last one that was packed.
    seed
        Random seed for the choice of neighbourhoods.
    """
    random = np.random.default_rng(seed)
    counts, types = start.counts.copy(), start.types
    size = int(np.clip(_ITEMS * question.bins // question.counts.sum(), _FEWEST_BINS, _MAX_BINS))
    if question.bins <= size:
        return None
    left = tries
    while not limits.stopped:
        room = question.capacities[types] - counts @ question.sizes
        if (room >= 0).all():
            return Packing(counts, types)
        if left == 0:
            return None
        left -= 1
        chosen = _choose(room, size, random)
        numbers = np.bincount(types[chosen], minlength=len(question.multiplicities))
        part = question.left(counts[chosen].sum(axis=0), numbers)
        if part.slack < 0:
            continue
        packed = cover(part, limits, most_patterns=_PATTERNS, work=_WORK)
        if isinstance(packed, Packing):
            _refill(counts, types, chosen, packed)
            left = tries
    return None


def _choose(room: Ints, size: int, random: np.random.Generator) -> Ints:
    """Choose a bin that is too full, and others: the more room, the likelier."""
    full = random.choice(np.flatnonzero(room < 0))
    # Each bin draws a number below one plus its share of the room; the largest draws win.
    share = np.maximum(room, 0) / max(int(np.maximum(room, 0).max()), 1)
    keys = random.random(len(room)) + share
    keys[full] = 3.0
    keys[(room < 0) & (keys < 3.0)] -= 1.0
    return np.argsort(-keys, kind="stable")[:size]


def _refill(counts: Counts, types: Ints, chosen: Ints, packed: Packing) -> None:
    """Put the patterns into the chosen bins of their types; bins left over stay empty."""
    counts[chosen] = 0
    free = {
        int(gpu_type): list(chosen[types[chosen] == gpu_type])
        for gpu_type in np.unique(types[chosen])
    }
    for pattern, gpu_type in zip(packed.counts, packed.types, strict=True):
        counts[free[int(gpu_type)].pop(0)] = pattern
