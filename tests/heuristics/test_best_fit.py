"""Best fit decreasing: a first placement of fleets that are nearly full."""

from __future__ import annotations

import random
import time
from fractions import Fraction

import numpy as np
import pytest
from small_fleets import TRAP, brute_force, fleet, random_fleet

from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.best_fit import _pack, _Rooms, best_fit
from kvpr_opt.heuristics.construction import greedy
from kvpr_opt.heuristics.pipeline import run
from kvpr_opt.heuristics.thresholds import lower_bound
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.solve import solve


def plain(weights: list[float], rooms: list[float]) -> list[int] | None:
    """Best fit decreasing as it is defined, by a look at every bin."""
    left, bin_of = list(rooms), [0] * len(weights)
    for item in sorted(range(len(weights)), key=lambda i: -weights[i]):
        fits = [(room, place) for place, room in enumerate(left) if room >= weights[item]]
        if not fits:
            return None
        _, bin_of[item] = min(fits)
        left[bin_of[item]] -= weights[item]
    return bin_of


def test_it_is_best_fit_decreasing() -> None:
    random_, packed = random.Random(1), 0
    for _ in range(300):
        weights = [float(random_.randint(0, 9)) for _ in range(random_.randint(0, 30))]
        rooms = [float(random_.randint(0, 30)) for _ in range(random_.randint(1, 8))]
        found = _pack(weights, rooms)
        assert found == plain(weights, rooms)
        packed += found is not None
    assert 100 < packed < 250


def test_rooms_stay_sorted_when_blocks_are_split_and_emptied() -> None:
    random_ = random.Random(2)
    rooms = [float(random_.randint(0, 50)) for _ in range(2_000)]
    sorted_rooms = _Rooms(rooms)
    left = sorted((room, place) for place, room in enumerate(rooms))
    for step in range(6_000):
        least = float(random_.randint(0, 60))
        expected = next((entry for entry in left if entry[0] >= least), None)
        assert sorted_rooms.take(least) == expected
        if expected is not None:
            left.remove(expected)
        if step % 3 and step < 4_000:
            entry = (float(random_.randint(40, 60)), step + 10_000)
            sorted_rooms.put(*entry)
            left = sorted([*left, entry])
    assert [sorted_rooms.take(0.0) for _ in range(len(left) + 1)] == [*left, None]


def test_placements_are_legal_and_finite() -> None:
    random_, found = random.Random(3), 0
    for _ in range(400):
        instance = random_fleet(random_, 8, 4)
        if not instance.models:
            continue
        arrays = FleetArrays.of(instance)
        if not arrays.may_fit:
            continue
        for assign in best_fit(arrays, lower_bound(arrays) if arrays.pressures.any() else 1).assign:
            placement = Placement(instance, assign.tolist())
            assert isinstance(placement.max_kvpr, Fraction)
            found += 1
    assert found > 200


def test_a_gpu_may_be_filled_by_models_without_pressure_only() -> None:
    assert run(TRAP, skip={"greedy"}).placement is not None
    instance = fleet([10, 10], [(7, 1), (6, 0), (4, 0), (2, 0)])
    assert isinstance(brute_force(instance), Fraction)
    arrays = FleetArrays.of(instance)
    (assign,) = best_fit(arrays, 1e9).assign
    assert Placement(instance, assign.tolist()).max_kvpr == Fraction(1)
    # By memory alone 7 + 2 + ... would be full; one with pressure never is.
    assert not len(best_fit(FleetArrays.of(fleet([10], [(7, 1), (3, 0)])), 1.0))


def nearly_full(gpus: int, models: int, full: float, seed: int = 1) -> Instance:
    random_ = random.Random(seed)
    sizes = [random_.randint(10, 300) for _ in range(models)]
    memory = Fraction(int(sum(sizes) / gpus / full * 100), 100)
    return fleet([memory] * gpus, [(size, random_.randint(1, 10)) for size in sizes])


def test_a_tight_fleet_has_a_first_placement_though_the_time_is_up() -> None:
    instance = nearly_full(400, 2_000, 0.98)
    arrays = FleetArrays.of(instance)
    assert not len(greedy(arrays, lower_bound(arrays)))
    result = solve(instance, time_limit=1e-6, threads=1)
    assert result.placement is not None
    assert result.gap is not None
    assert result.gap <= Fraction(1, 2)
    within_limits = best_fit(arrays, lower_bound(arrays), limits=Limits())
    assert float(within_limits.maximum()[0]) < 1.1 * lower_bound(arrays)


@pytest.mark.slow
def test_a_first_placement_of_a_very_large_fleet_takes_no_longer_than_reading_it() -> None:
    start = time.process_time()
    instance = nearly_full(20_000, 100_000, 0.97)
    made = time.process_time()
    placement = run(instance, limits=Limits(1e-6)).placement
    assert placement is not None
    assert np.bincount(placement.gpu_of).min() >= 1
    assert time.process_time() - made < made - start
