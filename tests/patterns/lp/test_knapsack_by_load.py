"""The knapsack table by load against every subset."""

from __future__ import annotations

import itertools
import random

import numpy as np

from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.knapsack_by_load import (
    best_loads,
    most_by_load,
    most_values,
    sets_of_loads,
)


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
        each, one = np.arange(len(sizes)), np.ones(len(sizes), dtype=np.int64)
        sets = sets_of_loads(taken, sizes, each, one, loads, len(sizes))
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
    sizes, values = np.array([4, 8, 3]), np.array([7, 14, 5])
    table = most_by_load(sizes, values, 15, Limits())
    assert table is not None
    owner, copies = np.array([0, 0, 1]), np.array([1, 2, 1])
    sets = sets_of_loads(table[1], sizes, owner, copies, np.array([4, 8, 15]), 2)
    assert sets.tolist() == [[1, 0], [2, 0], [3, 1]]


def test_blocks_of_a_long_table_meet() -> None:
    # Sizes below and above the length of a block, and loads on both sides of its ends.
    draw = random.Random(3)
    for _ in range(5):
        capacity = draw.randint(9_000, 21_000)
        sizes = np.array([draw.choice([1, 7, 4095, 4096, 4097, 6001, 8192]) for _ in range(10)])
        values = np.array([draw.randint(0, 1000) for _ in range(10)])
        best: dict[int, int] = {0: 0}
        for size, value in zip(sizes.tolist(), values.tolist(), strict=True):
            for load, worth in list(best.items()):
                if load + size <= capacity:
                    best[load + size] = max(best.get(load + size, 0), worth + value)
        table = most_by_load(sizes, values, capacity, Limits())
        assert table is not None
        assert {load: v for load, v in enumerate(table[0].tolist()) if v >= 0} == best
        one, loads = np.ones(10, dtype=np.int64), np.array(sorted(best))
        sets = sets_of_loads(table[1], sizes, np.arange(10), one, loads, 10)
        assert (sets @ sizes).tolist() == loads.tolist()
        assert (sets @ values).tolist() == [best[load] for load in loads.tolist()]


def test_the_best_loads_of_a_stretch() -> None:
    draw = random.Random(4)
    for _ in range(100):
        row = np.array([draw.randint(-5, 20) for _ in range(30)], dtype=np.int32)
        low, high, wanted = draw.randint(-3, 20), draw.randint(10, 29), draw.randint(-2, 15)
        found = best_loads(row, low, high, wanted, 4)
        values = sorted((int(v) for v in row[max(low, 0) : high + 1] if v > wanted), reverse=True)
        assert [int(row[load]) for load in found] == values[:4]
        assert len(set(found.tolist())) == len(found)


def test_it_gives_up_at_the_limits() -> None:
    limits = Limits()
    limits.interrupt()
    assert most_by_load(np.array([1]), np.array([1]), 5, limits) is None
