"""Enumeration of patterns and the tables made of them: in pieces, so that limits are kept."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from kvpr_opt import GPU, LLM, Instance, random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.cover import enumeration, exact_cover
from kvpr_opt.patterns.cover.bitpacking import BitPacking
from kvpr_opt.patterns.cover.enumeration import Patterns, WasteBudget, enumerate_patterns
from kvpr_opt.patterns.problem import OutOfBudget, PackingQuestion


class Looks(Limits):
    """Limits that stop at a given look at them, and time what lies between two looks."""

    def __init__(self, allowed: float = float("inf")) -> None:
        super().__init__()
        self.allowed, self.taken = allowed, 0
        self.longest = 0.0
        self._last = time.process_time()

    @property
    def stopped(self) -> bool:
        now = time.process_time()
        self.longest, self._last = max(self.longest, now - self._last), now
        self.taken += 1
        return self.taken > self.allowed


def question_of(instance: Instance, share: float) -> PackingQuestion:
    """A threshold a little above the volume bound: `share` of the capacity may be wasted."""
    scaled = instance.scaled
    free = scaled.total_capacity - scaled.total_size
    value = scaled.kvpr_unit * scaled.total_pressure / free
    return PackingQuestion.of(scaled, scaled.at_most(value * int(1000 * (1 + share)) / 1000))


def patterns_of(question: PackingQuestion, limits: Limits, most: int = 300_000) -> Patterns | None:
    sizes = WasteBudget.of(question, question.sizes, question.capacities)
    return enumerate_patterns(question, BitPacking.of(question.counts), [sizes], most, limits)


def long_numbers(seed: int) -> Instance:
    """A fleet whose exact numbers are far beyond 64 bits; few of its patterns waste much."""
    draw = random.Random(seed)
    return Instance(
        [GPU(f"g{index}", 40) for index in range(3)],
        [
            LLM(f"m{index}", draw.randint(4, 8), pressure=f"{draw.randint(1, 9)}/{10**25 + index}")
            for index in range(12)
        ],
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("halves", [True, False])
def test_pieces_of_any_size_give_the_same_patterns(
    seed: int, halves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = question_of(random_instance("mixed", gpus=4, models=14, seed=seed), 0.1)
    if not halves:
        monkeypatch.setattr(enumeration, "_by_halves", lambda *_: None)
    whole = patterns_of(question, Limits())
    monkeypatch.setattr(enumeration, "CHUNK", 3)
    monkeypatch.setattr(enumeration, "_NODES_AT_ONCE", 2)
    pieces = patterns_of(question, Limits())
    assert whole is not None
    assert pieces is not None
    assert len(whole.types) > 3
    for name in ("words", "waste", "types"):
        assert (getattr(whole, name) == getattr(pieces, name)).all()


@pytest.mark.parametrize("seed", range(3))
def test_patterns_of_long_numbers_are_those_that_fit_exactly(seed: int) -> None:
    question = question_of(long_numbers(seed), 0.2)
    assert question.exact is not None
    sizes, capacities = question.exact
    draw = random.Random(seed)
    counts = np.array([[draw.random() < 0.4 for _ in sizes] for _ in range(300)], dtype=np.int64)
    types = np.zeros(300, dtype=np.int64)
    waste = question.capacities[types] - counts @ question.sizes
    exact = [sum(s for s, n in zip(sizes, row, strict=True) if n) for row in counts]
    assert question.fit(counts, types, waste).tolist() == [
        bool(load <= capacities[0] or left >= row.sum())
        for load, left, row in zip(exact, waste, counts, strict=True)
    ]
    assert {load <= capacities[0] for load in exact} == {True, False}


@pytest.mark.parametrize("halves", [True, False])
def test_it_gives_up_at_any_look_at_the_limits(
    halves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = question_of(random_instance("uniform", gpus=4, models=14, seed=0), 0.1)
    if not halves:
        monkeypatch.setattr(enumeration, "_by_halves", lambda *_: None)
    for module in (enumeration, exact_cover):
        monkeypatch.setattr(module, "CHUNK", 10)
    monkeypatch.setattr(enumeration, "_NODES_AT_ONCE", 50)
    looks = Looks()
    exact_cover.cover(question, looks, most_patterns=10_000, work=10**6)
    assert looks.taken > 5
    for allowed in range(min(looks.taken, 40)):
        given_up = exact_cover.cover(question, Looks(allowed), most_patterns=10_000, work=10**6)
        assert isinstance(given_up, OutOfBudget)


def test_the_limits_are_looked_at_often() -> None:
    # Two million patterns, each to be judged in numbers of more than 64 bits.
    draw = random.Random(1)
    rates = [f"0.{draw.randrange(10**21, 10**22)}" for _ in range(48)]
    models = [LLM(f"m{i}", draw.randint(4, 8), pressure=rate) for i, rate in enumerate(rates)]
    fleet = Instance([GPU(f"g{index}", 60) for index in range(8)], models)
    looks = Looks()
    exact_cover.cover(question_of(fleet, 0.006), looks, most_patterns=2_000_000, work=5_000_000)
    assert looks.taken > 100
    assert looks.longest < 1
