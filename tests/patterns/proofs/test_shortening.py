"""Dual vectors of smaller numbers: they refute the same question, and few are checked."""

from __future__ import annotations

import itertools
import random
import tracemalloc
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from small_fleets import brute_force, fleet, random_fleet

from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.dual import refutes
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.problem import DualValues, PackingQuestion
from kvpr_opt.patterns.proofs import shortening
from kvpr_opt.patterns.proofs.shortening import shorten_dual


def long(vector: DualValues, factor: int = 10**6) -> DualValues:
    """The same proof in longer numbers."""
    return DualValues(
        tuple(value * factor for value in vector.class_values),
        tuple(value * factor for value in vector.type_values),
    )


def refuted(seed: int) -> Iterator[tuple[PackingQuestion, DualValues, PatternPool]]:
    """Questions of small fleets, mixed memories among them, that the LP refutes."""
    draw = random.Random(seed)
    for _ in range(40):
        instance = random_fleet(draw, 7, 3)
        optimum = brute_force(instance)
        if not isinstance(optimum, Fraction) or optimum == 0:
            continue
        question = PackingQuestion.of(instance.scaled, instance.scaled.below(optimum))
        lp = PatternLP(instance.scaled)
        vector = lp.decide(question, Limits())
        if isinstance(vector, DualValues):
            yield question, vector, lp.pool


def proves(question: PackingQuestion, vector: DualValues) -> bool:
    """By trying every set of models."""
    values, most = np.array(vector.class_values), np.array(vector.type_values)
    if values @ question.counts <= most @ question.multiplicities:
        return False
    sets = np.array([*itertools.product(*(range(n + 1) for n in question.counts))])
    loads, worth = sets @ question.sizes, sets @ values
    types = zip(question.capacities, vector.type_values, strict=True)
    return all((worth[loads <= capacity] <= limit).all() for capacity, limit in types)


@pytest.mark.parametrize("known", [True, False])
def test_smaller_numbers_prove_the_same(known: bool) -> None:
    smaller = seen = 0
    for question, vector, pool in refuted(seed=3):
        patterns = pool if known else PatternPool(len(question.sizes))
        short = shorten_dual(question, long(vector), patterns, Limits())
        assert proves(question, short)
        assert max(short.type_values) <= max(long(vector).type_values)
        seen += 1
        smaller += max(short.type_values) < 1000
    assert seen > 10
    assert smaller > 0.8 * seen


def test_one_check_is_mostly_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = 0

    def counted(question: PackingQuestion, values: np.ndarray) -> DualValues | None:
        nonlocal checks
        checks += 1
        return refutes(question, values)

    monkeypatch.setattr(shortening, "refutes", counted)
    made = shorter = 0
    for seed in range(6):
        scaled = random_instance("uniform", gpus=6, models=30, seed=seed).scaled
        lp = PatternLP(scaled)
        for share in (Fraction(9, 10), Fraction(99, 100)):
            value = Fraction(scaled.total_pressure, 2 * scaled.total_capacity) * share
            question = PackingQuestion.of(scaled, scaled.at_most(value * scaled.kvpr_unit))
            vector = lp.decide(question, Limits())
            if isinstance(vector, DualValues):
                made += 1
                short = shorten_dual(question, long(vector, 1000), lp.pool, Limits())
                assert refutes(question, np.array(short.class_values)) == short
                shorter += max(short.type_values) <= max(vector.type_values)
    assert made > 6
    assert shorter == made
    assert checks <= 2 * made


def test_nothing_is_tried_when_the_time_is_up() -> None:
    question, vector, pool = next(refuted(seed=3))
    limits = Limits()
    limits.interrupt()
    assert shorten_dual(question, long(vector), pool, limits) == long(vector)


def test_thousands_of_copies_take_no_more_memory() -> None:
    instance = fleet([10_000] * 3, [(1, 1)] * 25_000)
    scaled = instance.scaled
    lp = PatternLP(scaled)
    question = PackingQuestion.of(scaled, scaled.at_most(Fraction(9, 10)))
    vector = lp.decide(question, Limits())
    assert isinstance(vector, DualValues)
    tracemalloc.start()
    short = shorten_dual(question, long(vector), lp.pool, Limits())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200_000_000
    assert refutes(question, np.array(short.class_values)) == short
