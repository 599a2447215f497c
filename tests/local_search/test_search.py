"""The compiled local search and construction."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.local_search import construct, search, warm_up
from kvpr_opt.local_search.bins import Bins, empty_bins, fill_in
from kvpr_opt.local_search.descent import descend
from kvpr_opt.local_search.group_repartition import split_group
from kvpr_opt.local_search.pair_repartition import split_two
from kvpr_opt.local_search.rebuild import rebuild
from kvpr_opt.local_search.rng import seeded
from kvpr_opt.local_search.weights import Weights
from kvpr_opt.local_search.workspace import new_workspace
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.bounds import lower_bounds


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warm_up()


def fleet(
    memories: list[int], models: list[tuple[int, int]], scale: Fraction | int = 1
) -> Instance:
    return Instance(
        [GPU(f"g{i}", memory * scale) for i, memory in enumerate(memories)],
        [LLM(f"m{i}", size * scale, pressure=n) for i, (size, n) in enumerate(models)],
    )


def brute_force(instance: Instance) -> Fraction | float:
    best: Fraction | float = math.inf
    for gpu_of in itertools.product(range(len(instance.gpus)), repeat=len(instance.models)):
        try:
            best = min(best, Placement(instance, gpu_of).max_kvpr)
        except InvalidPlacementError:
            continue
    return best


tiny = st.builds(
    fleet,
    st.lists(st.integers(1, 12), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 5)), max_size=6),
)


@settings(max_examples=150, deadline=None)
@given(tiny, st.integers(0, 10))
def test_equals_brute_force_on_tiny_fleets(instance: Instance, seed: int) -> None:
    found = search(instance, seed=seed, limits=Limits(), rounds=60)
    best = brute_force(instance)
    assert (math.inf if found is None else found.max_kvpr) == best


@settings(max_examples=60, deadline=None)
@given(tiny)
def test_fill_is_legal_on_tiny_fleets(instance: Instance) -> None:
    found = construct(instance, limits=Limits(), attempts=3)
    if found is not None:
        assert found.max_kvpr >= lower_bounds(instance)[-1].value
        assert found.max_kvpr < math.inf


def test_a_full_gpu_without_pressure_is_used() -> None:
    instance = fleet([10, 10], [(6, 0), (4, 0), (2, 1)])
    found = search(instance, limits=Limits(), rounds=20)
    assert found is not None
    assert found.max_kvpr == Fraction(1, 8)


def test_nothing_is_returned_where_pressure_would_meet_a_full_gpu() -> None:
    assert search(fleet([10], [(10, 1)]), limits=Limits(), rounds=5) is None
    assert search(fleet([10], [(11, 0)]), limits=Limits(), rounds=5) is None
    assert construct(fleet([10], [(10, 1)]), limits=Limits(), attempts=2) is None


def test_trivial_fleets() -> None:
    for instance in (fleet([5, 5], []), fleet([5, 5], [(5, 0), (4, 0), (1, 0)])):
        for found in (search(instance, limits=Limits()), construct(instance, limits=Limits())):
            assert found is not None
            assert found.max_kvpr == 0


@pytest.mark.parametrize(
    "family", ["uniform", "zero-heavy", "long-tail", "mixed", "tight", "precise"]
)
def test_families(family: str) -> None:
    instance = random_instance(family, gpus=16, models=64, seed=5)
    bound = lower_bounds(instance)[-1].value
    found = search(instance, limits=Limits(), rounds=60)
    assert found is not None
    assert found.max_kvpr <= bound * Fraction(1005, 1000)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["uniform", "mixed", "zero-heavy"]), st.data())
def test_never_worse_than_the_start(seed: int, family: str, data: st.DataObject) -> None:
    instance = random_instance(family, gpus=6, models=18, seed=seed)
    start = search(instance, seed=seed, limits=Limits(), rounds=data.draw(st.integers(0, 5)))
    if start is None:
        return
    for rounds in (0, 3):
        found = search(instance, start=start, seed=1, limits=Limits(), rounds=rounds)
        assert found is not None
        assert found.max_kvpr <= start.max_kvpr


def test_deterministic_for_a_seed() -> None:
    instance = random_instance("uniform", gpus=12, models=48, seed=3)
    for run in (
        lambda seed: search(instance, seed=seed, limits=Limits(), rounds=40),
        lambda seed: construct(instance, seed=seed, limits=Limits(), attempts=3),
    ):
        assert run(7) == run(7)


def test_units_change_nothing() -> None:
    plain = random_instance("uniform", gpus=8, models=24, seed=1)
    scaled = Instance(
        [GPU(gpu.name, gpu.memory * Fraction(3, 7)) for gpu in plain.gpus],
        [LLM(m.name, m.size * Fraction(3, 7), pressure=m.pressure * 5) for m in plain.models],
    )
    one = search(plain, limits=Limits(), rounds=20)
    other = search(scaled, limits=Limits(), rounds=20)
    assert one is not None
    assert other is not None
    assert one.gpu_of == other.gpu_of


def test_numbers_beyond_machine_integers() -> None:
    plain = random_instance("uniform", gpus=6, models=18, seed=2)
    huge = Instance(
        [GPU(g.name, g.memory + Fraction(1, 10**25 + i)) for i, g in enumerate(plain.gpus)],
        [
            LLM(m.name, m.size + Fraction(i, 10**24), pressure=m.pressure + Fraction(1, 10**23 + i))
            for i, m in enumerate(plain.models)
        ],
    )
    one = search(plain, limits=Limits(), rounds=40)
    other = search(huge, limits=Limits(), rounds=40)
    assert one is not None
    assert other is not None
    assert float(other.max_kvpr) == pytest.approx(float(one.max_kvpr), rel=2e-3)


def test_rounded_weights_are_safe() -> None:
    instance = fleet([10**30, 10**30 + 1], [(10**29 + i, 10**31 + i) for i in range(6)])
    weights = Weights(instance.scaled)
    threshold = instance.scaled.at_most(Fraction(10**3))
    sizes, capacities = weights.at(threshold)
    exact = instance.scaled.packing(threshold)
    for size, real in zip(sizes, exact.sizes, strict=True):
        for capacity, room in zip(capacities, exact.capacities, strict=True):
            assert Fraction(int(size), int(capacity)) >= Fraction(real, room)


def test_limits_and_reports() -> None:
    instance = random_instance("uniform", gpus=32, models=96, seed=4)
    seen: list[Placement] = []
    limits = Limits(0.3)
    found = search(instance, limits=limits, on_improvement=seen.append)
    assert limits.elapsed < 1
    assert found == seen[-1]
    values = [placement.max_kvpr for placement in seen]
    assert values == sorted(values, reverse=True)
    limits = Limits()
    limits.interrupt()
    assert search(instance, limits=limits) is not None


def test_large_fleet_is_filled_close_to_the_volume_bound() -> None:
    instance = random_instance("uniform", gpus=200, models=800, seed=0)
    found = construct(instance, limits=Limits(), attempts=2)
    assert found is not None
    assert found.max_kvpr <= lower_bounds(instance)[-1].value * Fraction(1001, 1000)


@pytest.mark.parametrize("move", ["pair", "group", "rebuild", "descend"])
def test_moves_keep_every_model_and_the_level(move: str) -> None:
    rng = np.random.default_rng(1)
    for trial in range(60):
        gpus, models = int(rng.integers(2, 14)), int(rng.integers(4, 50))
        bins = empty_bins(rng.integers(1, 60, models), rng.integers(80, 120, gpus))
        fill_in(bins, rng.integers(0, gpus, models))
        level = int((bins.loads - bins.capacities).max())
        workspace, random = new_workspace(models), seeded(trial)
        workspace.group[:gpus] = rng.permutation(gpus)
        worst = bins.loads[workspace.group[:gpus]] - bins.capacities[workspace.group[:gpus]]
        if move == "pair":
            moved = split_two(bins, workspace, random, int(worst[:2].max())) > 0
            limit = int(worst[:2].max()) - 1
            part = workspace.group[:2]
        elif move == "group":
            size = min(gpus, 5)
            moved, limit = split_group(bins, workspace, random, size, level - 1) > 0, level - 1
            part = workspace.group[:size]
        elif move == "rebuild":
            moved, limit = rebuild(bins, workspace, random, gpus, level - 1) > 0, level - 1
            part = workspace.group[:gpus].copy()
        else:
            descend(bins, workspace, random, 20_000, trial % 2 == 0)
            moved, limit, part = True, level, np.arange(gpus)
        check(bins)
        if moved:
            assert (bins.loads[part] - bins.capacities[part]).max() <= limit


def check(bins: Bins) -> None:
    """Lists, loads and the array of GPUs agree."""
    seen: list[int] = []
    for gpu in range(len(bins.loads)):
        model, load = int(bins.first[gpu]), 0
        while model >= 0:
            assert bins.gpu_of[model] == gpu
            load += int(bins.weights[model])
            seen.append(model)
            model = int(bins.after[model])
        assert load == bins.loads[gpu]
    assert sorted(seen) == list(range(len(bins.weights)))
