"""Loads, worth and fit of patterns, against numpy's own sums."""

from __future__ import annotations

import numpy as np

from kvpr_opt.generate import random_instance
from kvpr_opt.patterns.lp.pool import PatternPool, loads, worths
from kvpr_opt.patterns.problem import PackingQuestion


def test_loads_and_worth_are_sums() -> None:
    random = np.random.default_rng(0)
    counts = (random.integers(0, 8, (300, 40)) * (random.random((300, 40)) < 0.2)).astype(np.int16)
    sizes, most = random.integers(0, 2**40, 40), random.integers(0, 4, 40)
    values = random.random(40)
    assert (loads(counts, sizes) == counts.astype(np.int64) @ sizes).all()
    assert (loads(counts, sizes, most) == np.minimum(counts, most).astype(np.int64) @ sizes).all()
    assert np.allclose(worths(counts, values), counts.astype(np.float64) @ values)
    assert loads(counts[:0], sizes).shape == worths(counts[:0], values).shape == (0,)


def test_usable_patterns_fit_and_take_what_there_is() -> None:
    scaled = random_instance("mixed", gpus=4, models=20, seed=1).scaled
    whole = PackingQuestion.of(scaled, scaled.finite())
    random = np.random.default_rng(2)
    classes, types = len(whole.counts), len(whole.multiplicities)
    pool = PatternPool(classes)
    drawn = random.integers(0, 3, (200, classes)) * (random.random((200, classes)) < 0.2)
    pool.add(drawn.astype(np.int16), random.integers(0, types, 200))
    left = np.where(random.random(classes) < 0.3, 0, np.minimum(whole.counts, 1))
    found = set()
    for question in (whole, whole.left(left, whole.multiplicities)):
        usable = pool.usable(question)
        for pattern, gpu_type, fits in zip(pool.counts, pool.types, usable, strict=True):
            load = int(pattern.astype(np.int64) @ question.sizes)
            present = question.counts > 0
            few = bool((pattern[present] <= question.counts[present]).all())
            assert fits == (load <= question.capacities[gpu_type] and few)
            found.add(bool(fits))
    assert found == {True, False}
