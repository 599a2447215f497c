"""A pool keeps each pattern once, in the order of its arrival."""

from __future__ import annotations

import numpy as np

from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.instance import GPU, LLM, Instance


def test_each_pattern_is_kept_once() -> None:
    random = np.random.default_rng(0)
    pool, known = PatternPool(6), list[tuple[int, ...]]()
    for size in (0, 3, 400, 1, 900):
        counts, types = random.integers(0, 3, (size, 6)), random.integers(0, 2, size)
        places = pool.add(ItemLists.of(counts, types))
        for row, place in zip(np.column_stack([types, counts]).tolist(), places, strict=True):
            if tuple(row) not in known:
                known.append(tuple(row))
            assert known.index(tuple(row)) == place
        assert pool.size == len(known)
    kept = np.array(known)
    assert (pool.patterns.types == kept[:, 0]).all()
    assert (pool.counts(np.arange(pool.size)) == kept[:, 1:]).all()
    assert (pool.patterns.alone == (kept[:, 1:].sum(axis=1) == 1)).all()
    assert (pool.since(700).counts(6) == kept[700:, 1:]).all()


def test_what_another_thread_holds_stays_as_it_is() -> None:
    pool = PatternPool(3)
    pool.add(ItemLists.of(np.eye(3, dtype=np.int64), np.zeros(3)))
    before = pool.patterns
    pool.add(ItemLists.of(np.arange(6_000).reshape(2_000, 3), np.ones(2_000)))
    assert (before.counts(3) == np.eye(3)).all()
    assert pool.size == 2_003


def test_patterns_that_break_a_rule_are_not_accepted() -> None:
    models = [LLM(f"m{n}", 2, pressure=1 + n, apart="x") for n in range(2)]
    scaled = Instance([GPU("a", 9), GPU("b", 9)], models).scaled
    assert isinstance(scaled, ConstrainedInstance)
    pool = PatternPool(2, scaled.rules)
    places = pool.add(ItemLists.of(np.array([[1, 0], [1, 1], [0, 1]]), np.zeros(3)))
    assert places.tolist() == [0, 1]
    assert pool.counts(places).tolist() == [[1, 0], [0, 1]]
