"""Exact repartition of the worst GPU with one other: every split of their models.

A swap exchanges one model for one. Two GPUs hold few models together, so all
splits of these can be tried: two for one, three for none, and so on. u models
have 2**u splits; their memory and pressure are subset sums, computed by doubling
with each model, for many partner GPUs at once. This goes beyond the local search
of the seed heuristic and starts where that is stuck.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kvpr_opt._types import BoolArray, FloatArray, IntArray
from kvpr_opt.heuristics.arrays import FleetArrays, kvpr_of
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.limits import Limits

#: Splits times partners in one batch.
_WORK = 1 << 14

#: Maximum number of models on two GPUs together.
_LARGEST_UNION = 11


def repartition(
    candidates: Candidates,
    rows: IntArray | None = None,
    *,
    limits: Limits | None = None,
    max_steps: int | None = None,
) -> int:
    """Re-split the models of the worst GPU and one other while that helps, in place.

    Partners are tried from the lowest KVPR up, a batch at a time. In the first batch
    with an improving split, the best one is made: the one that minimises the larger
    KVPR of the two GPUs, if that is below the worst GPU's. Ties go to the first split,
    then to the first partner. Partners that would bring the total above eleven models
    are skipped.

    Parameters
    ----------
    candidates
        The batch that is improved.
    rows
        Which of its candidates; all of them by default.
    limits
        Checked once per step.
    max_steps
        Maximum steps per candidate; by default until no split improves.

    Returns
    -------
    int
        Number of improving steps made.

    Notes
    -----
    At most O(2**u GPUs u) per step, u the number of models on the two GPUs together.
    """
    made = 0
    for row in np.arange(len(candidates)) if rows is None else rows:
        steps = 0
        while steps != max_steps and not (limits and limits.stopped):
            if not _step(candidates, int(row)):
                break
            steps += 1
        made += steps
    return made


class _Pairs(NamedTuple):
    """The worst GPU with each of its partners: their models side by side.

    `models` has a row per partner: the models of the worst GPU, then those of
    the partner, padded; `real` marks what is not padding.
    """

    source: int
    partners: IntArray
    models: IntArray
    real: BoolArray


def _step(candidates: Candidates, row: int) -> bool:
    """Make the best improving split of the first batch that has one; return whether one had."""
    fleet, kvpr = candidates.fleet, candidates.kvpr[row]
    source = int(kvpr.argmax())
    for pairs in _batches(candidates.assign[row], kvpr, source):
        value = _values(fleet, pairs)
        split, pair = divmod(int(value.argmin()), len(pairs.partners))
        if value[split, pair] < kvpr[source]:
            assign = candidates.assign[[row]]
            stays = split >> np.arange(pairs.models.shape[1]) & 1
            gpu = np.where(stays, source, pairs.partners[pair])
            real = pairs.real[pair]
            assign[0, pairs.models[pair, real]] = gpu[real]
            candidates.replace(np.array([row]), Candidates(fleet, assign), np.array([0]))
            return True
    return False


def _batches(assign: IntArray, kvpr: FloatArray, source: int) -> Iterator[_Pairs]:
    """The partners of `source`, lowest KVPR first, in batches of bounded work."""
    counts = np.bincount(assign, minlength=len(kvpr))
    own = np.flatnonzero(assign == source)
    partners = np.argsort(kvpr, kind="stable")
    partners = partners[(counts[partners] + len(own) <= _LARGEST_UNION) & (partners != source)]
    if not len(own) or not len(partners):
        return
    by_gpu = np.argsort(assign, kind="stable")
    start = counts.cumsum() - counts
    column = np.arange(counts[partners].max())
    batch = max(1, _WORK >> (len(own) + len(column)))
    for first in range(0, len(partners), batch):
        some = partners[first : first + batch]
        theirs = by_gpu[np.minimum(start[some, None] + column, len(assign) - 1)]
        ours = np.broadcast_to(own, (len(some), len(own)))
        yield _Pairs(
            source=source,
            partners=some,
            models=np.concatenate([ours, theirs], axis=1),
            real=np.concatenate([ours >= 0, column < counts[some, None]], axis=1),
        )


def _values(fleet: FleetArrays, pairs: _Pairs) -> FloatArray:
    """The larger KVPR of the two GPUs by split and partner; ``inf`` where memory is exceeded.

    Bit j of a split says whether model j of the pair is on the worst GPU.
    """
    size = np.where(pairs.real, fleet.sizes[pairs.models], 0.0)
    load = np.where(pairs.real, fleet.pressures[pairs.models], 0.0)
    near_size, near_load = _subset_sums(size), _subset_sums(load)
    near_free = fleet.capacities[pairs.source] - near_size
    far_free = fleet.capacities[pairs.partners] - (size.sum(axis=1) - near_size)
    value = np.maximum(
        kvpr_of(near_load, near_free), kvpr_of(load.sum(axis=1) - near_load, far_free)
    )
    value[(near_free < 0) | (far_free < 0)] = np.inf
    return value


def _subset_sums(amounts: FloatArray) -> FloatArray:
    """Sums of all subsets: row s, column h adds amounts[h, j] for each bit j of s."""
    pairs, models = amounts.shape
    sums = np.zeros((1 << models, pairs))
    for model in range(models):
        done = 1 << model
        np.add(sums[:done], amounts[:, model], out=sums[done : 2 * done])
    return sums
