"""Construction and dive: most bins are filled one by one, the last ones by the pattern LP.

On nearly continuous data, almost any choice of models can fill a GPU to within a
millionth, and no two fleets of a few dozen models behave alike. So all GPUs but two
dozen are filled greedily, wasting less than their share; the capacity saved is left
to a dive over the rest, whose LP has a tenth of the classes.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Counts, Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.local_search.bins import empty_bins
from kvpr_opt.local_search.construction import POOL
from kvpr_opt.local_search.perturbation import choose_some
from kvpr_opt.local_search.rebuild import fill_gpus
from kvpr_opt.local_search.rng import seeded
from kvpr_opt.local_search.workspace import new_workspace
from kvpr_opt.patterns.dive import Dive, DivePlan
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.sampling import sample_patterns
from kvpr_opt.patterns.problem import Packing, PackingQuestion
from kvpr_opt.problem.scaled import ScaledInstance

#: GPUs filled between checks of the limits.
_AT_ONCE = 25

#: Patterns sampled for each class of the remainder.
_SAMPLES = 10


def fill_and_dive(
    scaled: ScaledInstance,
    question: PackingQuestion,
    limits: LimitsView,
    plan: DivePlan,
    *,
    last_bins: int,
    seed: int,
) -> Packing | None:
    """Return a packing, if one is found.

    Parameters
    ----------
    scaled, question
        The fleet, and the question to answer about it; without rules.
    limits
        When to give up.
    plan
        The plan of the dive.
    last_bins
        How many bins are left to the dive.
    seed
        Seed of the random choices.
    """
    filled = _fill(question, limits, last_bins, seed)
    if filled is None:
        return None
    used = np.bincount(filled.types, minlength=len(question.multiplicities))
    counts = question.counts - filled.counts.sum(axis=0, dtype=np.int64)
    rest = question.left(counts, question.multiplicities - used)
    if rest.slack < 0 or limits.stopped:
        return None
    lp = PatternLP(scaled)
    lp.pool.add(sample_patterns(rest, each=_SAMPLES, seed=seed, limits=limits))
    packed = Dive(lp, limits, plan, seed=seed).run(rest)
    return None if packed is None else filled.with_bins(packed)


def _fill(
    question: PackingQuestion, limits: LimitsView, last_bins: int, seed: int
) -> Packing | None:
    """Fill all bins but the last ones, each wasting at most half of its share of the slack."""
    random = seeded(seed)
    class_of = np.repeat(np.arange(len(question.counts)), question.counts)
    type_of = np.repeat(np.arange(len(question.multiplicities)), question.multiplicities)
    items, number = question.sizes[class_of], question.bins
    bins = empty_bins(items, question.capacities[type_of])
    workspace = new_workspace(len(items))
    order = choose_some(random, number, number)[: max(0, number - last_bins)]
    queue = choose_some(random, len(items), len(items))
    # Filling prefers some models to others: half of those for the last bins are set aside.
    queue = queue[len(queue) * (number - len(order)) // (2 * number) :]
    allowed = max(0, question.slack // (2 * number))
    for first in range(0, len(order), _AT_ONCE):
        if limits.stopped:
            return None
        fill_gpus(bins, workspace, random, order[first : first + _AT_ONCE], queue, POOL, allowed)
        queue = queue[bins.gpu_of[queue] < 0]
    return Packing(_counts(bins.gpu_of, class_of, question, order), type_of[order])


def _counts(gpu_of: Ints, class_of: Ints, question: PackingQuestion, order: Ints) -> Counts:
    """Counts by bin, in the given order, and class."""
    counts = np.zeros((question.bins, len(question.counts)), dtype=np.int16)
    placed = np.flatnonzero(gpu_of >= 0)
    np.add.at(counts, (gpu_of[placed], class_of[placed]), 1)
    return counts[order]
