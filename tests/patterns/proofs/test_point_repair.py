"""Points are lowered only where the bins lose more than the items."""

from __future__ import annotations

import numpy as np
import pytest

from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.pool import loads
from kvpr_opt.patterns.lp.sampling import sample_patterns
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.patterns.proofs.point_repair import repaired
from kvpr_opt.search.bounds import volume_bound


@pytest.mark.parametrize(("family", "seed"), [("uniform", 0), ("uniform", 1), ("mixed", 2)])
def test_the_margin_grows_and_is_what_it_is_said_to_be(family: str, seed: int) -> None:
    scaled = random_instance(family, gpus=64, models=256, seed=seed).scaled
    volume = volume_bound(scaled).value
    question = PackingQuestion.of(scaled, scaled.at_most(volume))
    counts, types = sample_patterns(question, each=10, seed=0, limits=Limits(None))
    patterns = [counts[types == g] for g in range(len(question.multiplicities))]
    exact = question.sizes * 20_000 / question.capacities.max()
    points = np.rint(exact).astype(np.int64)

    def margin(points: np.ndarray) -> int:
        tops = [int(loads(held, points).max(initial=0)) for held in patterns]
        return int(question.counts @ points) - int(question.multiplicities @ np.array(tops))

    before = points.copy()
    better, excess = repaired(question, patterns, points)
    assert excess == margin(better) > margin(before)
    assert (points == before).all()
    assert (better >= 0).all()
    assert (better <= before).all()
    assert repaired(question, patterns, better)[1] >= excess


def test_nothing_is_lowered_where_that_gains_nothing() -> None:
    scaled = random_instance("uniform", gpus=4, models=8, seed=0).scaled
    question = PackingQuestion.of(scaled, scaled.finite())
    points = np.ones(len(question.counts), dtype=np.int64)
    # Each model alone: all classes would have to be lowered at once.
    alone = np.eye(len(points), dtype=np.int16)
    same, excess = repaired(question, [alone], points)
    assert (same == points).all()
    assert excess == question.counts.sum() - question.bins
