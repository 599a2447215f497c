"""Compilation of all kernels ahead of their first use."""

from __future__ import annotations

import numpy as np

from kvpr_opt.heuristics.compiled.bins import empty_bins, fill_in, reweigh, take
from kvpr_opt.heuristics.compiled.desk import new_desk
from kvpr_opt.heuristics.compiled.random import seeded
from kvpr_opt.heuristics.compiled.rebuild import fill_gpus
from kvpr_opt.heuristics.compiled.start import choose_some, scatter, spread, squeeze
from kvpr_opt.heuristics.compiled.walk import walk


def warm_up() -> None:
    """Compile every kernel, or load it where that was done before.

    Some ten to twenty seconds the first time on a machine, a fraction of a
    second from then on.
    """
    random = seeded(0)
    weights, capacities = np.array([3, 2, 2, 1], np.int64), np.array([4, 4], np.int64)
    bins, desk = empty_bins(weights, capacities), new_desk(4)
    order = choose_some(random, 4, 4)
    spread(bins, order)
    walk(bins, desk, random, 1, False)
    scatter(bins, random, 2)
    reweigh(bins, weights, capacities)
    for model in order:
        take(bins, model)
    squeeze(bins, order)
    bins = empty_bins(weights, capacities)
    fill_in(bins, np.array([0, 1, 1, 0], np.int64))
    bins = empty_bins(weights, capacities)
    fill_gpus(bins, desk, random, np.arange(2), order, 4, 0)
