"""Sampled patterns: they fit, and a class that can be packed tightly is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from small_fleets import fleet

from kvpr_opt._types import Counts, Ints
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.sampling import sample_patterns
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.search.bounds import volume_bound


def question_of(family: str, gpus: int, models: int, factor: Fraction) -> PackingQuestion:
    scaled = random_instance(family, gpus=gpus, models=models, seed=1).scaled
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    return PackingQuestion.of(scaled, scaled.at_most(volume * factor))


def sampled(question: PackingQuestion, *, each: int, seed: int) -> tuple[Counts, Ints]:
    patterns = sample_patterns(question, each=each, seed=seed, limits=Limits())
    return patterns.counts(len(question.counts)), patterns.types


def test_they_fit_and_cover_every_class() -> None:
    for family, gpus, models in (("uniform", 12, 48), ("mixed", 9, 36), ("zero-heavy", 6, 30)):
        question = question_of(family, gpus, models, Fraction(101, 100))
        counts, types = sampled(question, each=3, seed=4)
        assert (counts <= question.counts).all()
        assert (counts @ question.sizes <= question.capacities[types]).all()
        for gpu_type, capacity in enumerate(question.capacities):
            fits = (question.counts > 0) & (question.sizes <= capacity)
            assert (counts[types == gpu_type].any(axis=0) == fits).all()


def test_they_waste_little_and_differ() -> None:
    question = question_of("uniform", 64, 256, Fraction(10_002, 10_000))
    counts, types = sampled(question, each=5, seed=0)
    waste = question.capacities[types] - counts @ question.sizes
    assert (waste <= question.slack // question.bins // 2).mean() > 0.9
    assert len(np.unique(counts, axis=0)) > 0.8 * len(counts)


def test_the_seed_decides() -> None:
    question = question_of("uniform", 8, 32, Fraction(101, 100))
    one, same, other = (sampled(question, each=2, seed=s)[0] for s in (1, 1, 2))
    assert (one == same).all()
    assert not np.array_equal(one, other)


def test_few_items_and_bins_that_none_fits() -> None:
    # One model that fits the larger GPU alone, and one that fits neither.
    scaled = fleet([10, 30], [(20, 1), (40, 1), (1, 1)]).scaled
    question = PackingQuestion.of(scaled, scaled.at_most(Fraction(10)))
    counts, types = sampled(question, each=2, seed=0)
    assert (counts @ question.sizes <= question.capacities[types]).all()
    assert not counts[:, 1].any()
    assert counts[types == 1][:, 0].any()
    nothing = question.left(np.zeros_like(question.counts), question.multiplicities)
    assert len(sampled(nothing, each=2, seed=0)[0]) == 0
