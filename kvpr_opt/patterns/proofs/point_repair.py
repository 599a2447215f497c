"""Lowering single points, so that bins are worth less by more than the items lose.

Rounding changes the worth of a set by chance, and the most that a bin is worth is that of
the luckiest sets. These are few. To lower a class by one costs its number of items, to lower
what every bin is worth gains the number of bins; so the luckiest sets are hit by lowering
few classes, until that costs more than it gains.
"""

from __future__ import annotations

import numpy as np

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
    # Rounding changes the worth of a set by a unit an item at most: no more can be luck.
    most = int(sample.patterns.sums(np.ones_like(counts)).max(initial=0))
    better = np.ascontiguousarray(points.T)
    tops = np.ascontiguousarray(sample.tops(points).T)
    for vector, top in zip(better, tops, strict=True):
        worths = sample.patterns.sums(vector)
        for gpu_type in order[bins[order] > 0]:
            left = most
            while min(left, top[gpu_type]) > 0 and _lower(
                vector, worths, top, int(gpu_type), int(bins[gpu_type]), counts,
                *sample.patterns[:3], starts, holders, copies,
            ):  # fmt: skip
                left -= 1
    # What was lowered for one type may have lowered the top of another.
    return better.T, sample.margins(better.T, question.counts, bins)


@compiled
def _lower(
    points: Ints, worths: Ints, tops: Ints, gpu_type: int, gain: int, counts: Ints, types: Ints,
    starts: Ints, classes: Ints, class_starts: Ints, holders: Ints, copies: Ints,
) -> bool:  # fmt: skip
    """Lower the top of a type by one, and points until no pattern of it is worth more.

    Class after class is lowered that most of the patterns too lucky have, for each item that
    it costs; then those are raised again for which that was not needed. Nothing changes, and the
    answer is no, if that costs `gain` or more.
    """
    before, worths_before = points.copy(), worths.copy()
    tops[gpu_type] -= 1
    lucky = (types == gpu_type) & (worths > tops[gpu_type])
    left, lost = int(lucky.sum()), 0
    hits = np.zeros(len(points), np.int64)
    for p in np.flatnonzero(lucky):
        hits[classes[starts[p] : starts[p + 1]]] += 1
    while left > 0 and lost < gain:
        chosen = int(np.argmax(np.where(points > 0, hits / counts, 0.0)))
        if points[chosen] == 0 or hits[chosen] == 0:
            break
        points[chosen] -= 1
        lost += counts[chosen]
        for place in range(class_starts[chosen], class_starts[chosen + 1]):
            p = holders[place]
            worths[p] -= copies[place]
            if lucky[p] and worths[p] <= tops[gpu_type]:
                lucky[p] = False
                left -= 1
                hits[classes[starts[p] : starts[p + 1]]] -= 1
    if left == 0:
        for c in range(len(points)):
            mine = slice(class_starts[c], class_starts[c + 1])
            while points[c] < before[c] and _room(worths, tops, types, holders[mine], copies[mine]):
                points[c] += 1
                lost -= counts[c]
                worths[holders[mine]] += copies[mine]
    if left == 0 and lost < gain:
        return True
    points[:], worths[:] = before, worths_before
    tops[gpu_type] += 1
    return False


@compiled
def _room(worths: Ints, tops: Ints, types: Ints, holders: Ints, copies: Ints) -> bool:
    """Whether a class can be raised so that no pattern of it is worth more than its top."""
    for place in range(len(holders)):
        p = holders[place]
        if worths[p] + copies[place] > tops[types[p]]:
            return False
    return True
