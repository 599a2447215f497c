"""GPUs as bins in compiled code: which models each holds, and how full it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.rules import FREE, RuleTables, are_apart, may_run


class Bins(NamedTuple):
    """A packing in progress. The models on a GPU form a doubly linked list; -1 ends it.

    Attributes
    ----------
    weights, capacities
        The packing problem, by model and by GPU.
    loads
        Sum of the weights on each GPU.
    first
        The first model on each GPU.
    after, before
        The next and the previous model on the same GPU.
    gpu_of
        The GPU of each model; -1 while it is unplaced.
    rules
        Where models may run. A pinned model counts towards the load of its GPU but is in no list.
    """

    weights: Ints
    capacities: Ints
    loads: Ints
    first: Ints
    after: Ints
    before: Ints
    gpu_of: Ints
    rules: RuleTables


def empty_bins(weights: Ints, capacities: Ints, rules: RuleTables = FREE) -> Bins:
    """Return bins that hold nothing yet."""
    models, gpus = len(weights), len(capacities)
    return Bins(
        weights,
        capacities,
        np.zeros(gpus, np.int64),
        np.full(gpus, -1, np.int64),
        np.full(models, -1, np.int64),
        np.full(models, -1, np.int64),
        np.full(models, -1, np.int64),
        rules,
    )


@compiled
def put(bins: Bins, model: int, gpu: int) -> None:
    """Put an unplaced model on a GPU."""
    head = bins.first[gpu]
    bins.after[model] = head
    bins.before[model] = -1
    if head >= 0:
        bins.before[head] = model
    bins.first[gpu] = model
    bins.gpu_of[model] = gpu
    bins.loads[gpu] += bins.weights[model]


@compiled
def take(bins: Bins, model: int) -> None:
    """Take a model off its GPU."""
    gpu = bins.gpu_of[model]
    before, after = bins.before[model], bins.after[model]
    if before >= 0:
        bins.after[before] = after
    else:
        bins.first[gpu] = after
    if after >= 0:
        bins.before[after] = before
    bins.gpu_of[model] = -1
    bins.loads[gpu] -= bins.weights[model]


@compiled
def fill_in(bins: Bins, gpu_of: Ints) -> None:
    """Put every model on the GPU given for it in `gpu_of`."""
    for model in range(len(gpu_of)):
        if len(bins.rules.pinned) and bins.rules.pinned[model]:
            bins.gpu_of[model] = gpu_of[model]
            bins.loads[gpu_of[model]] += bins.weights[model]
        else:
            put(bins, model, gpu_of[model])


@compiled
def may_join(bins: Bins, model: int, gpu: int) -> bool:
    """Whether the rules let a model join those already on a GPU."""
    if len(bins.rules.pinned) == 0:
        return True
    if not may_run(bins.rules, model, gpu):
        return False
    other = bins.first[gpu]
    while other >= 0:
        if are_apart(bins.rules, model, other):
            return False
        other = bins.after[other]
    return True


@compiled
def reweigh(bins: Bins, weights: Ints, capacities: Ints) -> None:
    """Keep the packing, but switch to the weights and capacities of another threshold."""
    bins.loads[:] = 0
    bins.capacities[:] = capacities
    bins.weights[:] = weights
    for model in range(len(weights)):
        bins.loads[bins.gpu_of[model]] += weights[model]


@compiled
def most_over(bins: Bins) -> int:
    """The GPU with the largest load minus capacity."""
    worst = 0
    most = bins.loads[0] - bins.capacities[0]
    for gpu in range(1, len(bins.loads)):
        over = bins.loads[gpu] - bins.capacities[gpu]
        if over > most:
            worst, most = gpu, over
    return worst
