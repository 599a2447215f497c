"""The compiled local search on fleets with constraints: it keeps them, and improves."""

import itertools
import random

import numpy as np
import pytest
from constrained_fleets import KINDS, brute_force, legal, random_constrained

from kvpr_opt import heuristics
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.local_search import search, warm_up
from kvpr_opt.local_search.bins import empty_bins, fill_in
from kvpr_opt.local_search.descent import descend
from kvpr_opt.local_search.perturbation import best_fit, ruin_and_recreate
from kvpr_opt.local_search.rng import seeded
from kvpr_opt.local_search.rules import FREE, keeps_apart, rules_of
from kvpr_opt.local_search.workspace import new_workspace
from kvpr_opt.problem.instance import GPU, LLM, Instance


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    warm_up()


def feasible(count):
    """Small fleets with a placement, and that."""
    for seed in itertools.count():
        random_ = random.Random(f"local search {seed}")
        instance = random_constrained(random_, tuple(random_.sample(KINDS, 2)))
        start = heuristics.run(instance).placement
        if start is not None and instance.constraints:
            yield instance, start
            count -= 1
        if not count:
            return


def test_it_keeps_all_constraints_and_is_never_worse():
    reached = 0
    for instance, start in feasible(15):
        found = search(instance, start=start, limits=Limits(), rounds=30)
        assert found.max_kvpr <= start.max_kvpr
        assert legal(instance, tuple(instance.gpus[gpu] for gpu in found.gpu_of))
        optimum = brute_force(instance)
        assert found.max_kvpr >= optimum
        reached += found.max_kvpr == optimum
    assert reached >= 13


@pytest.mark.parametrize("family", ["constrained", "pinned"])
def test_it_improves_what_construction_finds(family):
    instance = random_instance(family, gpus=16, models=64, seed=1)
    start = heuristics.run(instance).placement
    assert start is not None
    found = search(instance, start=start, limits=Limits(), rounds=20)
    assert found is not None
    assert found.max_kvpr < start.max_kvpr


def test_without_a_start_it_finds_nothing_where_there_are_constraints():
    instance = random_instance("constrained", gpus=8, models=32, seed=0)
    assert search(instance, limits=Limits(), rounds=1) is None


def test_a_fleet_without_constraints_has_the_empty_rules():
    assert rules_of(random_instance("uniform", gpus=4, models=8, seed=0).scaled) is FREE


def test_no_kernel_ever_breaks_a_rule():
    instance = random_instance("constrained", gpus=8, models=32, seed=3)
    start = heuristics.run(instance).placement
    assert start is not None
    scaled = instance.scaled
    packing = scaled.below(start.max_kvpr)
    weights = np.array(
        [
            packing.denominator * n + packing.numerator * m
            for n, m in zip(scaled.pressures, scaled.sizes, strict=True)
        ]
    )
    capacities = packing.numerator * np.array(scaled.capacities)
    bins = empty_bins(weights, capacities, rules_of(scaled))
    fill_in(bins, np.array(start.gpu_of, dtype=np.int64))
    random_ = seeded(5)
    workspace = new_workspace(32)
    for turn in range(60):
        descend(bins, workspace, random_, 100_000, False)
        assert not instance.constraints.broken(bins.gpu_of.tolist())
        sums = np.bincount(bins.gpu_of, weights=weights, minlength=8)
        assert (bins.loads == sums).all()
        if not ruin_and_recreate(bins, random_, 2 + turn % 4):
            bins = empty_bins(weights, capacities, bins.rules)
            fill_in(bins, np.array(start.gpu_of, dtype=np.int64))
        assert not instance.constraints.broken(bins.gpu_of.tolist())


def test_models_that_rules_leave_no_gpu_are_not_placed():
    models = [LLM(f"m{n}", 1, pressure=1, apart="x") for n in range(3)]
    instance = Instance([GPU("a", 10), GPU("b", 10)], models)
    rules = rules_of(instance.scaled)
    bins = empty_bins(np.ones(3, np.int64), np.full(2, 9, np.int64), rules)
    assert not best_fit(bins, np.arange(3))
    assert sorted(bins.gpu_of) == [-1, 0, 1]


def test_a_subset_keeps_apart_unless_it_has_both_of_a_pair():
    clashes = np.zeros(23, np.int64)
    clashes[1], clashes[3], clashes[-1] = 1 << 3, 1 << 1, 1 << 1 | 1 << 3
    assert [s for s in range(16) if not keeps_apart(clashes, s)] == [10, 11, 14, 15]
