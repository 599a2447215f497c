"""Compile all kernels before their first use."""

from __future__ import annotations

import numpy as np

from kvpr_opt.local_search.bins import empty_bins, fill_in, reweigh, take
from kvpr_opt.local_search.descent import descend
from kvpr_opt.local_search.perturbation import best_fit, choose_some, ruin_and_recreate, worst_fit
from kvpr_opt.local_search.rebuild import fill_gpus
from kvpr_opt.local_search.rng import seeded
from kvpr_opt.local_search.workspace import new_workspace


def warm_up() -> None:
    """Compile every kernel, or load it if it was compiled before.

    Takes ten to twenty seconds the first time on a machine, a fraction of a second
    after that.
    """
    random = seeded(0)
    weights, capacities = np.array([3, 2, 2, 1], np.int64), np.array([4, 4], np.int64)
    bins, workspace = empty_bins(weights, capacities), new_workspace(4)
    order = choose_some(random, 4, 4)
    worst_fit(bins, order)
    descend(bins, workspace, random, 1, False)
    ruin_and_recreate(bins, random, 2)
    reweigh(bins, weights, capacities)
    for model in order:
        take(bins, model)
    best_fit(bins, order)
    bins = empty_bins(weights, capacities)
    fill_in(bins, np.array([0, 1, 1, 0], np.int64))
    bins = empty_bins(weights, capacities)
    fill_gpus(bins, workspace, random, np.arange(2), order, 4, 0)
