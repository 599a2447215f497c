"""Lowering single points, so that bins are worth less by more than the items lose.

Rounding changes the worth of a set by chance, and the most that a bin is worth is that of
the luckiest sets. These are few. To lower a class by one costs its number of items, to lower
what every bin is worth gains the number of bins; so the luckiest sets are hit by lowering
few classes, until that costs more than it gains.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kvpr_opt._types import Counts, Ints
from kvpr_opt.patterns.lp.pool import loads
from kvpr_opt.patterns.problem import PackingQuestion


def repaired(
    question: PackingQuestion, patterns: Sequence[Counts], points: Ints
) -> tuple[Ints, int]:
    """Return points of a larger margin, judged by some patterns, and that margin.

    Parameters
    ----------
    question
        What the points are to refute.
    patterns
        By GPU type, the patterns that are worth most.
    points
        Points by class, at least 0.

    Returns
    -------
    The points, and by how much the items exceed the bins. It is an upper bound: a pattern
    that is not among those given may be worth more.
    """
    points = points.copy()
    worths = [loads(counts, points) for counts in patterns]
    tops = [int(worth.max(initial=0)) for worth in worths]
    types = [int(g) for g in np.argsort(-question.multiplicities) if question.multiplicities[g]]
    # Rounding changes the worth of a set by half a unit an item: no more than that can be luck.
    left = max((int(counts.sum(axis=1).max(initial=0)) for counts in patterns), default=0)
    while types and left > 0:
        wanted = list(tops)
        wanted[types[0]] -= 1
        lowered = _lowered(question, patterns, points, worths, wanted, types[0])
        if lowered is None:
            types.pop(0)
        else:
            points, worths = lowered
            tops = wanted
            left -= 1
    excess = int(question.counts @ points)
    return points, excess - sum(
        int(number) * top for number, top in zip(question.multiplicities, tops, strict=True)
    )


def _lowered(
    question: PackingQuestion,
    patterns: Sequence[Counts],
    points: Ints,
    worths: Sequence[Ints],
    tops: Sequence[int],
    gpu_type: int,
) -> tuple[Ints, list[Ints]] | None:
    """Points, and worths, by which no pattern exceeds `tops`; ``None`` if that gains nothing.

    Class after class is lowered that most of the patterns too lucky have, for each item lost.
    """
    points, held = points.copy(), [worth.copy() for worth in worths]
    left = int(question.multiplicities[gpu_type])
    each = np.maximum(question.counts, 1)
    while True:
        hits = np.zeros(len(points), dtype=np.int64)
        for counts, worth, top in zip(patterns, held, tops, strict=True):
            hits += (counts[worth > top] > 0).sum(axis=0)
        chosen = int(np.argmax(np.where(points > 0, hits / each, 0.0)))
        if not hits.any():
            return points, held
        left -= int(question.counts[chosen])
        if left <= 0 or points[chosen] == 0 or not hits[chosen]:
            return None
        points[chosen] -= 1
        for counts, worth in zip(patterns, held, strict=True):
            worth -= counts[:, chosen]
