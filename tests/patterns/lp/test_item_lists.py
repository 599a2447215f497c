"""Lists of items, against numpy's sums over tables of counts."""

from __future__ import annotations

import numpy as np

from kvpr_opt.generate import random_instance
from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.problem import PackingQuestion

CLASSES, PATTERNS = 40, 300


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    shape = PATTERNS, CLASSES
    counts = (random.integers(0, 8, shape) * (random.random(shape) < 0.2)).astype(np.int16)
    counts[[7, PATTERNS - 1]] = 0
    return counts, random.integers(0, 3, PATTERNS)


def test_lists_hold_what_the_counts_say() -> None:
    counts, types = drawn(0)
    lists = ItemLists.of(counts, types)
    assert lists.number == PATTERNS
    assert (lists.types == types).all()
    assert (lists.counts(CLASSES) == counts).all()
    for pattern in range(PATTERNS):
        assert (np.diff(lists.classes[lists.starts[pattern] : lists.starts[pattern + 1]]) > 0).all()


def test_sums_are_those_of_the_counts() -> None:
    counts, types = drawn(1)
    random = np.random.default_rng(1)
    lists = ItemLists.of(counts, types)
    sizes, values = random.integers(0, 2**40, CLASSES), random.random(CLASSES)
    assert (lists.sums(sizes) == counts.astype(np.int64) @ sizes).all()
    assert np.allclose(lists.sums(values), counts.astype(np.float64) @ values)
    assert ItemLists.none().sums(sizes).shape == (0,)


def test_parts_are_rows_and_columns() -> None:
    counts, types = drawn(2)
    lists = ItemLists.of(counts, types)
    some, wanted = np.array([5, 7, 5, 299, 0]), np.arange(CLASSES) % 3 > 0
    chosen = lists.chosen(some)
    assert (chosen.counts(CLASSES) == counts[some]).all()
    assert (chosen.types == types[some]).all()
    assert (lists.of_classes(wanted).counts(CLASSES) == np.where(wanted, counts, 0)).all()
    both = lists.chosen(some[:2]).with_more(lists.chosen(some[2:]))
    assert all((one == other).all() for one, other in zip(both, chosen, strict=True))
    assert ItemLists.none().with_more(lists).number == lists.chosen(some[:0]).number + PATTERNS


def test_usable_patterns_fit_and_take_what_there_is() -> None:
    scaled = random_instance("mixed", gpus=4, models=20, seed=1).scaled
    whole = PackingQuestion.of(scaled, scaled.finite())
    random = np.random.default_rng(2)
    classes, types = len(whole.counts), len(whole.multiplicities)
    counts = random.integers(0, 3, (200, classes)) * (random.random((200, classes)) < 0.2)
    lists = ItemLists.of(counts, random.integers(0, types, 200))
    left = np.where(random.random(classes) < 0.3, 0, np.minimum(whole.counts, 1))
    found = set()
    for question in (whole, whole.left(left, whole.multiplicities)):
        usable = lists.usable(question)
        for pattern, gpu_type, fits in zip(counts, lists.types, usable, strict=True):
            load = int(pattern @ question.sizes)
            present = question.counts > 0
            few = bool((pattern[present] <= question.counts[present]).all())
            assert fits == (load <= question.capacities[gpu_type] and few)
            found.add(bool(fits))
    assert found == {True, False}
