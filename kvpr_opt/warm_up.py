"""Compiling the kernels ahead, by running the engine on small fleets."""

from __future__ import annotations

import random

import numpy as np

from kvpr_opt import kernels, local_search
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.cover.bitpacking import Fields
from kvpr_opt.patterns.cover.enumeration import WasteBudget, enumerate_patterns
from kvpr_opt.patterns.engine import PatternEngine
from kvpr_opt.patterns.lp.dual import Items
from kvpr_opt.patterns.lp.knapsack_by_value import best_of_all
from kvpr_opt.patterns.lp.knapsack_of_groups import best_by_value
from kvpr_opt.patterns.lp.pricing_with_rules import best_sets, most_with_rules
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
    _with_rules()
    kernels.set_ready()


def _with_rules() -> None:
    """Call what only fleets with constraints need."""
    fleet = Instance(
        [GPU("a", 9), GPU("b", 9)],
        [*(LLM(f"m{n}", 2, pressure=1 + n, apart="x") for n in range(2)), LLM("n", 1, pressure=1)],
    )
    question = PackingQuestion.of(fleet.scaled, fleet.scaled.finite())
    values, wanted = question.sizes, np.zeros_like(question.capacities)
    for by_load in (False, True):
        best_sets(question, values, wanted, Limits(), by_load=by_load)
    most_with_rules(question, values)
    one = np.ones(1, dtype=np.int64)
    stage, member = np.array([0, 1], dtype=np.int64), np.zeros((1, 1), dtype=np.int64)
    best_by_value(one, one, 0 * one, one, stage, one, 0 * one, one, member, one, 0 * one, 1, 1)


def _of_large_fleets(question: PackingQuestion) -> None:
    """Call what only fleets need that are too large for whole tables and for pairs of halves."""
    sizes = WasteBudget.of(question, question.sizes, question.capacities)
    enumerate_patterns(question, Fields.of(question.counts), [sizes], 1, Limits())
    items = Items.of(question, question.counts > 0)
    worth = np.ones_like(items.sizes)
    most = np.zeros_like(question.capacities)
    best_of_all(
        items.sizes, worth, items.owner, question.counts, question.capacities, most, worth.size, 1
    )
