"""The knapsack table by load against every subset."""

from __future__ import annotations

import itertools
import random

import numpy as np

from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.knapsack_by_load import most_by_load, most_values, sets_of_loads


def draw_items(draw: random.Random) -> tuple[np.ndarray, np.ndarray, int]:
    items, capacity = draw.randint(1, 9), draw.randint(0, 40)
    sizes = [draw.randint(1, 15 + capacity // 2) for _ in range(items)]
    values = [draw.randint(0, 10**8) for _ in range(items)]
    return np.array(sizes), np.array(values), capacity


def test_the_most_value_of_each_load_and_a_set_that_has_it() -> None:
    draw = random.Random(1)
    for _ in range(200):
        sizes, values, capacity = draw_items(draw)
        best: dict[int, int] = {}
        for chosen in itertools.product((0, 1), repeat=len(sizes)):
            load, value = int(np.dot(chosen, sizes)), int(np.dot(chosen, values))
            if load <= capacity:
                best[load] = max(best.get(load, 0), value)
        table = most_by_load(sizes, values, capacity, Limits())
        assert table is not None
        row, taken = table
        assert {load: value for load, value in enumerate(row.tolist()) if value >= 0} == best
        loads = np.array(sorted(best))
        sets = sets_of_loads(taken, sizes, np.arange(len(sizes)), loads, len(sizes))
        assert sets.max(initial=0) <= 1
        assert (sets @ sizes).tolist() == loads.tolist()
        assert (sets @ values).tolist() == [best[load] for load in loads.tolist()]


def test_the_most_value_within_each_capacity() -> None:
    draw = random.Random(2)
    for _ in range(100):
        sizes, values, capacity = draw_items(draw)
        capacities = [capacity, draw.randint(0, capacity)]
        found = most_values(sizes, values, np.array(capacities))
        for limit, most in zip(capacities, found.tolist(), strict=True):
            sets = itertools.product((0, 1), repeat=len(sizes))
            assert most == max(int(s @ values) for s in map(np.array, sets) if s @ sizes <= limit)


def test_copies_of_a_class_are_counted_together() -> None:
    sizes, values = np.array([4, 4, 3]), np.array([7, 7, 5])
    table = most_by_load(sizes, values, 11, Limits())
    assert table is not None
    sets = sets_of_loads(table[1], sizes, np.array([0, 0, 1]), np.array([8, 11]), 2)
    assert sets.tolist() == [[2, 0], [2, 1]]


def test_it_gives_up_at_the_limits() -> None:
    limits = Limits()
    limits.interrupt()
    assert most_by_load(np.array([1]), np.array([1]), 5, limits) is None
