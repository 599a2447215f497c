"""Set partitioning over waste-bounded patterns, by both solvers."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from small_fleets import brute_force, fleet, random_fleet

import kvpr_opt as kv
from formulations.pattern_columns import Columns, waste_bounded
from formulations.pattern_highs import choose
from formulations.registry import create
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.oracle import Feasible, Infeasible, Oracle, Unknown

NAMES = ("setpartition_highs", "setpartition_cpsat")
each = pytest.mark.parametrize("name", NAMES)


def oracle(name: str, instance: Instance, seed: int = 0) -> Oracle:
    made = create(name, instance, seed=seed)
    assert hasattr(made, "decide")
    return made  # type: ignore[return-value]


def plain_columns(instance: Instance, threshold: Threshold) -> Counter[tuple[int, ...]]:
    """Every waste-bounded pattern, by GPU type and counts, straight from the definition."""
    scaled, problem = instance.scaled, instance.scaled.packing(threshold)
    slack = sum(problem.capacities) - sum(problem.sizes)
    sizes = [problem.sizes[group.models[0]] for group in scaled.classes]
    ranges = [
        range(len(group.models) + 1) if size else range(1)
        for size, group in zip(sizes, scaled.classes, strict=True)
    ]
    found: Counter[tuple[int, ...]] = Counter()
    for k, kind in enumerate(scaled.types):
        capacity = problem.capacities[kind.gpus[0]]
        for counts in itertools.product(*ranges):
            load = sum(n * size for n, size in zip(counts, sizes, strict=True))
            if any(counts) and capacity - slack <= load <= capacity:
                found[(k, *counts)] += 1
    return found


@pytest.mark.parametrize("block", range(4))
def test_the_columns_are_the_patterns_that_waste_no_more_than_the_slack(block: int) -> None:
    seen = 0
    for seed in range(block * 25, block * 25 + 25):
        instance = random_fleet(random.Random(f"columns {seed}"), 7, 3)
        optimum = brute_force(instance)
        if not isinstance(optimum, Fraction):
            continue
        threshold = instance.scaled.at_most(optimum * Fraction(11, 10))
        columns = waste_bounded(instance, threshold, Limits(60), 10_000)
        if isinstance(columns, Columns):
            rows = zip(columns.types.tolist(), columns.counts.tolist(), strict=True)
            assert Counter((k, *counts) for k, counts in rows) == plain_columns(instance, threshold)
            seen += 1
    assert seen > 3


@each
@pytest.mark.parametrize(("gpus", "models"), [(8, 24), (16, 32)])
def test_it_agrees_with_the_engine_on_middle_fleets(name: str, gpus: int, models: int) -> None:
    instance = random_instance("uniform", gpus=gpus, models=models, seed=5)
    optimum = kv.solve(instance, threads=1).max_kvpr
    assert isinstance(optimum, Fraction)
    asked = oracle(name, instance)
    found = asked.decide(instance.scaled.at_most(optimum), Limits(60))
    assert isinstance(found, Feasible)
    assert found.placement.max_kvpr == optimum
    assert isinstance(asked.decide(instance.scaled.below(optimum), Limits(60)), Infeasible)


@each
def test_as_a_method_it_closes_the_gap(name: str) -> None:
    instance = random_instance("uniform", gpus=8, models=24, seed=1)
    result = kv.solve(instance, method=name, threads=1, time_limit=60)
    assert result.status is kv.Status.OPTIMAL
    assert result.max_kvpr == kv.solve(instance, threads=1).max_kvpr


@each
def test_identical_models_are_one_class_and_gpus_of_a_type_one_row(name: str) -> None:
    instance = fleet([10] * 6 + [14] * 2, [(2, 1)] * 20 + [(3, 2)] * 8)
    optimum = kv.solve(instance, threads=1).max_kvpr
    assert isinstance(optimum, Fraction)
    threshold = instance.scaled.at_most(optimum)
    columns = waste_bounded(instance, threshold, Limits(60), 10_000)
    assert isinstance(columns, Columns)
    assert columns.counts.shape[1] == 2
    assert isinstance(oracle(name, instance).decide(threshold, Limits(60)), Feasible)
    below = oracle(name, instance).decide(instance.scaled.below(optimum), Limits(60))
    assert isinstance(below, Infeasible)


@each
def test_too_many_patterns_are_said_and_final(name: str) -> None:
    instance = random_instance("uniform", gpus=16, models=96, seed=0)
    verdict = oracle(name, instance).decide(instance.scaled.finite(), Limits(60))
    assert isinstance(verdict, Unknown)
    assert verdict.final
    assert "patterns" in verdict.reason


@each
def test_a_model_that_no_pattern_holds_refutes_the_threshold(name: str) -> None:
    # Together the sizes fit, but the GPU that holds 7 wastes 3, and 2 is all there is to waste.
    instance = fleet([10, 10], [(7, 0), (11, 0)])
    assert isinstance(
        oracle(name, instance).decide(instance.scaled.finite(), Limits(60)), Infeasible
    )
    instance = fleet([10, 10], [(7, 0), (6, 0), (6, 0)])
    verdict = oracle(name, instance).decide(instance.scaled.finite(), Limits(60))
    assert isinstance(verdict, Infeasible)
    assert verdict.evidence.kind == "solver"


def test_every_pattern_is_taken_no_more_often_than_its_models_and_gpus_allow() -> None:
    counts = np.array([[2, 0], [1, 1], [0, 3]], dtype=np.int16)
    columns = Columns(counts, np.array([0, 0, 1]), np.array([5, 9]), np.array([4, 2]))
    assert columns.most.tolist() == [2, 4, 2]


def test_a_covering_row_may_be_exceeded_a_partitioning_row_not() -> None:
    columns = Columns(
        np.array([[1, 1], [0, 1]], dtype=np.int16),
        np.array([0, 0]), np.array([2, 1]), np.array([2]),
    )  # fmt: skip
    assert choose(columns, Limits(60), {})[0].infeasible
    two = Columns(
        np.array([[1, 1]], dtype=np.int16), np.array([0]), np.array([1, 0]), np.array([1])
    )
    assert choose(two, Limits(60), {}, covering=True)[0].infeasible


@pytest.mark.parametrize("stop", ["limit", "interrupt"])
@each
def test_it_stops_in_time_while_the_solver_works(name: str, stop: str) -> None:
    instance = random_instance("uniform", gpus=12, models=48, seed=0)
    bound = volume_bound(instance.scaled).value
    assert isinstance(bound, Fraction)
    threshold = instance.scaled.at_most(bound * Fraction(4001, 4000))
    limits = Limits(0.8 if stop == "limit" else None)
    if stop == "interrupt":
        threading.Timer(0.8, limits.interrupt).start()
    start = time.monotonic()
    verdict = oracle(name, instance).decide(threshold, limits)
    assert time.monotonic() - start < 1.8
    assert isinstance(verdict, Unknown)
    assert not verdict.final


@pytest.fixture(scope="module")
def many_copies() -> Instance:
    return fleet([10**6, 10**6], [(1, 1)] * 40_000)


@pytest.mark.parametrize("name", [*NAMES, "pattern_lp"])
def test_more_copies_than_can_be_counted_are_left_alone(name: str, many_copies: Instance) -> None:
    instance = many_copies
    threshold = instance.scaled.at_most(Fraction(1))
    verdict = oracle(name, instance).decide(threshold, Limits(60))
    assert isinstance(verdict, Unknown)
    assert verdict.final
    assert "40000 identical models" in verdict.reason
