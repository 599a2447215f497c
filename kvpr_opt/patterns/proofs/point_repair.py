"""Lowering single points, so that bins are worth less by more than the items lose.

Rounding changes the worth of a set by chance, and the most that a bin is worth is that of
the luckiest sets. These are few. To lower a class by one costs its number of items, to lower
what every bin is worth gains the number of bins; so the luckiest sets are hit by lowering
few classes, until that costs more than it gains.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.patterns.proofs.pattern_sample import PatternSample


def repaired(question: PackingQuestion, sample: PatternSample, points: Ints) -> tuple[Ints, Ints]:
    """Return points of larger margins, judged by some patterns, and these margins.

    Parameters
    ----------
    question
        What the points are to refute.
    sample
        The patterns; ideally those that are worth most.
    points
        Points by class and vector, at least 0.

    Returns
    -------
    Points by class and vector, and for each vector by how much the items exceed the bins.
    That is an upper bound: a pattern that is not in the sample may be worth more.
    """
    bins = question.multiplicities.astype(np.int64)
    order = np.argsort(-bins, kind="stable")
    counts = np.maximum(question.counts.astype(np.int64), 1)
    starts, holders, copies = sample.by_class(len(counts))
    # Rounding changes the worth of a set by half a unit an item: no more than that can be luck.
    most = int(sample.worths(np.ones_like(counts)).max(initial=0))
    better = np.ascontiguousarray(points.T)
    tops = np.ascontiguousarray(sample.tops(points).T)
    for vector, top in zip(better, tops, strict=True):
        worths = sample.worths(vector)
        for gpu_type in order[bins[order] > 0]:
            of_type = sample.types == gpu_type
            left = most
            while min(left, top[gpu_type]) > 0 and _lower(
                vector, worths, of_type, int(top[gpu_type]) - 1, int(bins[gpu_type]), counts,
                sample.starts, sample.classes, starts, holders, copies,
            ):  # fmt: skip
                top[gpu_type] -= 1
                left -= 1
    return better.T, np.asarray(better @ question.counts - tops @ bins)


@compiled
def _lower(
    points: Ints, worths: Ints, of_type: NDArray[np.bool_], top: int, most: int, counts: Ints,
    starts: Ints, classes: Ints, class_starts: Ints, holders: Ints, copies: Ints,
) -> bool:  # fmt: skip
    """Lower points until no pattern of a type is worth more than `top`.

    Class after class is lowered that most of the patterns too lucky have, for each item that
    it costs. Nothing changes, and the answer is no, if that costs `most` or more.
    """
    before, worths_before = points.copy(), worths.copy()
    lucky = of_type & (worths > top)
    left, lost = int(lucky.sum()), 0
    hits = np.zeros(len(points), np.int64)
    for p in np.flatnonzero(lucky):
        hits[classes[starts[p] : starts[p + 1]]] += 1
    while left > 0 and lost < most:
        chosen = int(np.argmax(np.where(points > 0, hits / counts, 0.0)))
        if points[chosen] == 0 or hits[chosen] == 0:
            break
        points[chosen] -= 1
        lost += counts[chosen]
        for place in range(class_starts[chosen], class_starts[chosen + 1]):
            p = holders[place]
            worths[p] -= copies[place]
            if lucky[p] and worths[p] <= top:
                lucky[p] = False
                left -= 1
                hits[classes[starts[p] : starts[p + 1]]] -= 1
    if left == 0 and lost < most:
        return True
    points[:], worths[:] = before, worths_before
    return False
