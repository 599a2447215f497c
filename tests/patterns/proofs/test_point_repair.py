"""Points are lowered only where the bins lose more than the items."""

from __future__ import annotations

import numpy as np
import pytest

from kvpr_opt._types import Ints
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.lp.sampling import sample_patterns
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.patterns.proofs.pattern_sample import PatternSample
from kvpr_opt.patterns.proofs.point_repair import repaired
from kvpr_opt.search.bounds import volume_bound


@pytest.mark.parametrize(("family", "seed"), [("uniform", 0), ("uniform", 1), ("mixed", 2)])
def test_the_margin_grows_and_is_what_it_is_said_to_be(family: str, seed: int) -> None:
    scaled = random_instance(family, gpus=64, models=256, seed=seed).scaled
    volume = volume_bound(scaled).value
    question = PackingQuestion.of(scaled, scaled.at_most(volume))
    patterns = sample_patterns(question, each=10, seed=0, limits=Limits(None))
    counts, types = patterns.counts(len(question.counts)), patterns.types
    sample = PatternSample(len(question.multiplicities))
    sample.add(patterns)
    units = np.array([[20_000, 30_000, 31_001]])
    points = np.rint(question.sizes[:, None] * units / question.capacities.max()).astype(np.int64)

    def margins(points: Ints) -> Ints:
        worths = counts.astype(np.int64) @ points
        tops = np.array([worths[types == g].max(axis=0) for g in range(types.max() + 1)])
        margin: Ints = question.counts @ points - question.multiplicities @ tops
        return margin

    before = points.copy()
    better, excess = repaired(question, sample, points)
    assert (excess == margins(better)).all()
    assert (excess > margins(before)).all()
    assert (points == before).all()
    assert (better >= 0).all()
    assert (better <= before).all()
    assert (repaired(question, sample, better)[1] >= excess).all()


def test_nothing_is_lowered_where_that_gains_nothing() -> None:
    scaled = random_instance("uniform", gpus=4, models=8, seed=0).scaled
    question = PackingQuestion.of(scaled, scaled.finite())
    points = np.ones((len(question.counts), 1), dtype=np.int64)
    # Each model alone: all classes would have to be lowered at once.
    sample = PatternSample(1)
    sample.add(ItemLists.of(np.eye(len(points), dtype=np.int16), np.zeros(len(points))))
    same, excess = repaired(question, sample, points)
    assert (same == points).all()
    assert excess == question.counts.sum() - question.bins


def test_the_margin_is_what_it_is_said_to_be_where_types_share_classes() -> None:
    draw = np.random.default_rng(4)
    scaled = random_instance("mixed", gpus=8, models=16, seed=0).scaled
    question = PackingQuestion.of(scaled, scaled.finite())
    types, classes = len(question.multiplicities), len(question.counts)
    assert types > 1
    for _ in range(200):
        counts = (draw.random((12, classes)) < 0.2).astype(np.int16)
        of_type = draw.integers(0, types, 12)
        sample = PatternSample(types)
        sample.add(ItemLists.of(counts, of_type))
        better, excess = repaired(question, sample, draw.integers(0, 40, (classes, 3)))
        margin = question.counts @ better - question.multiplicities @ sample.tops(better)
        assert (excess == margin).all()
