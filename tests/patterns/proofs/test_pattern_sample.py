"""A sample judges points as a product of matrices would."""

from __future__ import annotations

import numpy as np

from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.proofs.pattern_sample import PatternSample


def test_worths_and_tops_are_those_of_the_matrix() -> None:
    draw = np.random.default_rng(0)
    counts = draw.integers(0, 3, (40, 9)).astype(np.int16)
    counts[7] = 0
    types = draw.integers(0, 3, 40)
    points = draw.integers(0, 100, (9, 5))
    sample = PatternSample(4)
    for part in (slice(0, 25), slice(25, 25), slice(25, 40)):
        sample.add(ItemLists.of(counts[part], types[part]))
    worths = counts @ points
    for vector in range(5):
        assert (sample.patterns.sums(points[:, vector]) == worths[:, vector]).all()
    for gpu_type in range(4):
        most = worths[types == gpu_type].max(axis=0, initial=0)
        assert (sample.tops(points)[gpu_type] == most).all()


def test_patterns_are_found_by_class() -> None:
    sample = PatternSample(1)
    sample.add(ItemLists.of(np.array([[2, 0, 1], [0, 0, 3], [1, 0, 0]]), np.zeros(3)))
    starts, patterns, copies = sample.by_class(3)
    assert starts.tolist() == [0, 2, 2, 4]
    assert patterns.tolist() == [0, 2, 0, 1]
    assert copies.tolist() == [2, 1, 1, 3]


def test_margins_of_scaled_shares_are_those_of_their_points() -> None:
    draw = np.random.default_rng(1)
    types = draw.integers(0, 2, 30)
    sample = PatternSample(2)
    sample.add(ItemLists.of(draw.integers(0, 3, (30, 6)), types))
    shares, scales = draw.random(6), draw.uniform(10, 5_000, 20)
    offsets = np.where(np.arange(20) % 2, 0.5, 0.0)
    counts, bins = draw.integers(0, 9, 6), np.array([5, 3])
    points = np.floor(np.outer(shares, scales) + offsets).astype(np.int64)
    expected = counts @ points - bins @ sample.tops(points)
    assert (sample.margins_of_shares(shares, scales, offsets, counts, bins) == expected).all()
    assert (sample.margins(points, counts, bins) == expected).all()
