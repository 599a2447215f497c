"""Pricing against every pattern: on each grid the best one is found, and proofs hold."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from small_fleets import fleet

from kvpr_opt import kernels
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.dual import refutes
from kvpr_opt.patterns.lp.knapsack_by_value import PAIRS, best_split
from kvpr_opt.patterns.lp.pricing import COARSE, Duals, Grid, Precision, grids, price
from kvpr_opt.patterns.problem import DualValues, Fractional, PackingQuestion, Undecided
from kvpr_opt.patterns.proofs.shortening import shorten_dual

GRIDS = [*COARSE, Grid(250_000), Grid(900_000), Grid(10**6, True), Grid(5 * 10**8, True)]


def draw_question(draw: random.Random) -> PackingQuestion:
    models = [(draw.randint(1, 6), draw.randint(0, 5)) for _ in range(draw.randint(2, 6))]
    models += draw.choices(models, k=2)
    memories = [draw.choice([10, 10, 13, 16]) for _ in range(draw.randint(1, 3))]
    scaled = fleet(memories, [*models, (1, 1)]).scaled
    return PackingQuestion.of(scaled, scaled.at_most(Fraction(draw.randint(1, 30), 10)))


def patterns_of(question: PackingQuestion) -> list[tuple[int, np.ndarray]]:
    choices = itertools.product(*(range(count + 1) for count in question.counts))
    return [
        (gpu_type, np.array(counts))
        for counts in choices
        for gpu_type, capacity in enumerate(question.capacities)
        if np.dot(counts, question.sizes) <= capacity
    ]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_the_best_patterns_and_no_false_proof(grid: Grid) -> None:
    draw, proofs = random.Random(4), 0
    for _ in range(60):
        question = draw_question(draw)
        by_class = np.array([draw.random() for _ in question.counts])
        duals = Duals(by_class, np.array([draw.random() + 0.3 for _ in question.multiplicities]))
        priced = price(question, duals, grid, Limits())
        assert priced is not None
        patterns = patterns_of(question)
        best = [max(c @ by_class for k, c in patterns if k == n) for n in range(len(duals.by_type))]
        if isinstance(priced, DualValues):
            proofs += 1
            values = np.array(priced.class_values)
            for gpu_type, counts in patterns:
                assert counts @ values <= priced.type_values[gpu_type]
            assert values @ question.counts > np.array(priced.type_values) @ question.multiplicities
            continue
        for gpu_type, most in enumerate(best):
            mine = priced.patterns.chosen(np.flatnonzero(priced.patterns.types == gpu_type))
            of_type = mine.counts(len(by_class))
            assert (of_type <= question.counts).all()
            assert (of_type @ question.sizes <= question.capacities[gpu_type]).all()
            if most > duals.by_type[gpu_type] + 0.01:
                assert max(of_type @ by_class) >= most - 0.02
    assert proofs > 5


def test_values_that_would_overflow_are_scaled_down() -> None:
    question = PackingQuestion.of((scaled := fleet([20], [(1, 1)] * 12).scaled), scaled.finite())
    # All models together are worth a thousand times what the GPU is said to be.
    duals = Duals(np.full(1, 1000.0), np.array([1.0]))
    priced = price(question, duals, Grid(5 * 10**8, by_load=True), Limits())
    assert priced is not None
    assert not isinstance(priced, DualValues)
    assert priced.patterns.copies.max() == 12


def test_tables_by_load_are_used_where_they_fit() -> None:
    small = random_instance("uniform", gpus=8, models=64, seed=0).scaled
    asked = PackingQuestion.of(small, small.at_most(Fraction(1, 8)))
    assert grids(asked, Precision.COARSE) == COARSE
    assert grids(asked, Precision.FINE)[-1].by_load
    precise = random_instance("precise", gpus=8, models=32, seed=0).scaled
    long = PackingQuestion.of(precise, precise.below(Fraction(1, 9)))
    assert not any(grid.by_load for grid in grids(long, Precision.FULL))
    assert len(grids(long, Precision.FINE)) < len(grids(long, Precision.FULL))


def test_a_relaxation_short_of_a_packing_by_a_millionth_is_refuted() -> None:
    """Eight models a GPU: duals of six digits leave this threshold open."""
    scaled = random_instance("uniform", gpus=8, models=64, seed=0).scaled
    question = PackingQuestion.of(scaled, scaled.at_most(Fraction(23641, 76) * scaled.kvpr_unit))
    coarse = PatternLP(scaled).decide(question, Limits(), precision=Precision.COARSE)
    assert isinstance(coarse, Undecided)
    lp = PatternLP(scaled)
    proof = lp.decide(question, Limits())
    assert isinstance(proof, DualValues)
    assert refutes(question, np.array(proof.class_values)) is not None
    short = shorten_dual(question, proof, lp.pool, Limits())
    assert max(short.type_values) < max(proof.type_values)
    assert refutes(question, np.array(short.class_values)) == short
    # The next value that a placement can have passes, and the optimum is there.
    above = scaled.at_most(scaled.next_value(question.threshold))
    assert isinstance(lp.decide(PackingQuestion.of(scaled, above), Limits()), Fractional)


@pytest.mark.parametrize("precision", [Precision.FINE, Precision.FULL])
def test_without_compiled_code_tables_take_no_longer(precision: Precision) -> None:
    """A long table by load would take half a minute then, and no limit is looked at inside."""
    scaled = random_instance("uniform", gpus=3, models=9, seed=0).scaled
    question = PackingQuestion.of(scaled, scaled.at_most(Fraction(1, 10)))
    factor = 3_000_000 // int(question.capacities.max())
    long = replace(question, capacities=question.capacities * factor, sizes=question.sizes * factor)
    assert any(grid.by_load for grid in grids(long, precision)), "the case is of that kind"
    with kernels.interpreted():
        assert not any(grid.by_load for grid in grids(long, precision))


@pytest.mark.parametrize("wanted", [-(10**9), 0, 40, 55, 60])
def test_the_best_split_of_values_is_found(wanted: int) -> None:
    draw = np.random.default_rng(3)
    for _ in range(200):
        top, room = int(draw.integers(0, 700)), int(draw.integers(0, 3000))
        rows = np.sort(draw.integers(0, 4000, (2, top + 1)), axis=1).astype(np.int32)
        before, after = (np.concatenate([[0], row[1:]]).astype(np.int32) for row in rows)
        pairs = [
            (u, int(np.searchsorted(after, room - before[u], side="right")) - 1)
            for u in range(top + 1)
            if before[u] <= room
        ]
        best = max(u + v for u, v in pairs)
        u, v = best_split(before, after, np.empty(PAIRS, dtype=np.int32), room, wanted)
        assert u + v == max(best, wanted)
        if best > wanted:
            assert before[u] + after[v] <= room
