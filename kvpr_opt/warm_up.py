"""Compiling the kernels ahead, by running the engine on small fleets."""

from __future__ import annotations

import random

import numpy as np

from kvpr_opt import kernels, local_search
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.cover.bitpacking import Fields
from kvpr_opt.patterns.cover.enumeration import WasteBudget, enumerate_patterns
from kvpr_opt.patterns.engine import PatternEngine
from kvpr_opt.patterns.lp.dual import Bundles
from kvpr_opt.patterns.lp.knapsack_by_value import best_of_all
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.tracker import Tracker


def warm_up() -> None:
    """Call every kernel once, so that its machine code is loaded, or compiled and kept.

    Compiling takes half a minute, once on a machine; loading a fraction of a second.
    """
    local_search.warm_up()
    for memories, models, grid in (((20, 20, 20), 12, 1), ((20, 26, 32), 10, 10**6)):
        draw = random.Random(models)
        fleet = Instance(
            [GPU(f"g{index}", memory) for index, memory in enumerate(memories)],
            [
                LLM(f"m{index}", draw.randint(2, 6), pressure=f"{draw.randint(1, 9 * grid)}/{grid}")
                for index in range(models)
            ],
        )
        tracker = Tracker(fleet, Limits())
        tracker.raise_bound(volume_bound(fleet.scaled), "volume bound")
        PatternEngine(tracker).run()
    _of_large_fleets(PackingQuestion.of(fleet.scaled, fleet.scaled.finite()))
    kernels.set_ready()


def _of_large_fleets(question: PackingQuestion) -> None:
    """Call what only fleets need that are too large for whole tables and for pairs of halves."""
    sizes = WasteBudget.of(question, question.sizes, question.capacities)
    enumerate_patterns(question, Fields.of(question.counts), [sizes], 1, Limits())
    items = Bundles.of(question, question.counts > 0)
    worth = np.ones_like(items.sizes)
    most = np.zeros_like(question.capacities)
    best_of_all(
        items.sizes, worth, items.owner, items.copies,
        question.counts, question.capacities, most, worth.size, 1,
    )  # fmt: skip
