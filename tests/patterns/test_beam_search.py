"""Beam search over bins, and the fillings that it chooses from."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from small_fleets import brute_force, random_fleet

from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.local_search.rng import seeded
from kvpr_opt.patterns import beam_search as module
from kvpr_opt.patterns import best_fillings, fillings
from kvpr_opt.patterns.beam_search import beam_search
from kvpr_opt.patterns.best_fillings import new_best, new_scratch
from kvpr_opt.patterns.fillings import find_fillings
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.patterns.proofs.evidence import placement_of
from kvpr_opt.problem.instance import GPU, Instance
from kvpr_opt.search.bounds import volume_bound


def question_above(instance: Instance, distance: Fraction) -> PackingQuestion:
    scaled = instance.scaled
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction)
    return PackingQuestion.of(scaled, scaled.at_most(volume * (1 + distance)))


def found_sets(
    sizes: list[int], capacity: int, bins: int, slack: int, *, most: int = 512
) -> dict[tuple[int, ...], int]:
    """The fillings that are found, with what each leaves free."""
    items = np.arange(len(sizes), dtype=np.int64)
    best = new_best(1, most)
    one = module.Best(best.scores[0], best.wastes[0], best.lengths[0], best.members[0])
    array = np.array(sizes, dtype=np.int64)
    squares = float(((array / capacity) ** 2).sum())
    find_fillings(
        one, new_scratch(), array, items, capacity, bins, slack, squares, float(capacity),
        0.0, seeded(1),
    )  # fmt: skip
    found = {}
    for place in np.flatnonzero(one.scores > -np.inf):
        members = tuple(one.members[place, : one.lengths[place]].tolist())
        assert members not in found
        found[members] = int(one.wastes[place])
    return found


def all_sets(sizes: list[int], capacity: int, slack: int, most: int) -> dict[tuple[int, ...], int]:
    """Every filling with the largest item that fits, by trying all sets of up to so many."""
    head = next(place for place, size in enumerate(sizes) if size <= capacity)
    others = range(head + 1, len(sizes))
    fitting = {}
    for number in range(most):
        for rest in itertools.combinations(others, number):
            left = capacity - sizes[head] - sum(sizes[place] for place in rest)
            if 0 <= left <= slack:
                fitting[(head, *rest)] = left
    return fitting


@pytest.mark.parametrize("halves", [True, False])
def test_all_fillings_are_found(halves: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without kernels, since a constant is part of the machine code.
    from kvpr_opt.kernels import interpreted

    if not halves:
        monkeypatch.setattr(fillings, "HALVED", 0)
    draw = random.Random(3)
    compared = 0
    with interpreted():
        for _ in range(40):
            number = draw.randint(3, 11)
            sizes = sorted((draw.randint(100_000, 450_000) for _ in range(number)), reverse=True)
            capacity, slack = draw.randint(400_000, 1_000_000), draw.randint(0, 60_000)
            expected = all_sets(sizes, capacity, slack, number if halves else 5)
            # With a third of the items a bin, none is drawn at random.
            found = found_sets(sizes, capacity, max(3, number // 3), slack)
            assert found.items() <= expected.items()
            narrow = min(slack, capacity // fillings._PART)
            assert {s for s, left in expected.items() if left <= narrow} <= found.keys()
            compared += len(found)
    assert compared > 20


def test_what_is_found_among_many_items_fits() -> None:
    draw = random.Random(4)
    for number, bins in ((400, 100), (300, 30), (60, 6), (120, 12)):
        mean = 1_000_000 * bins // number
        sizes = sorted(
            (draw.randint(mean // 2, 3 * mean // 2) for _ in range(number)), reverse=True
        )
        found = found_sets(sizes, 1_000_000, bins, 2_000)
        assert found
        for members, left in found.items():
            assert members[0] == 0
            assert len(set(members)) == len(members)
            assert left == 1_000_000 - sum(sizes[place] for place in members)
            assert 0 <= left <= 2_000


def test_fewer_and_larger_items_are_worth_more() -> None:
    assert best_fillings.worth(20, 5, 4.0, 1e-4) > best_fillings.worth(19, 5, 4.0, 1e-4)
    assert best_fillings.worth(20, 5, 4.0, 1e-4) > best_fillings.worth(20, 5, 4.5, 1e-4)
    assert best_fillings.worth(20, 5, 4.0, 1e-4) > best_fillings.worth(20, 5, 4.0, 0.9e-4)


@pytest.mark.parametrize("family", ["real", "mixed"])
def test_packings_of_continuous_fleets(family: str) -> None:
    packed = 0
    for seed in range(3):
        instance = random_instance(family, gpus=24, models=96, seed=seed)
        question = question_above(instance, Fraction(1, 2000))
        packing = beam_search(question, Limits(), work=3_000, seed=seed)
        if packing is not None:
            packed += 1
            assert (packing.counts.sum(axis=0) == question.counts).all()
            assert (packing.counts @ question.sizes <= question.capacities[packing.types]).all()
            used = np.bincount(packing.types, minlength=len(question.multiplicities))
            assert (used <= question.multiplicities).all()
            assert placement_of(instance, packing).max_kvpr <= question.threshold.value
    assert packed >= 2


def test_small_fleets_against_brute_force() -> None:
    draw, packed = random.Random(5), 0
    for seed in range(60):
        instance = random_fleet(draw, most_models=7, most_gpus=3)
        volume = volume_bound(instance.scaled).value
        if instance.scaled.total_pressure == 0 or not isinstance(volume, Fraction):
            continue
        best = brute_force(instance)
        for distance in (Fraction(0), Fraction(1, 10), Fraction(1)):
            question = question_above(instance, distance)
            packing = beam_search(question, Limits(), work=10**6, seed=seed)
            if packing is not None:
                packed += 1
                assert placement_of(instance, packing).max_kvpr <= question.threshold.value
                assert best <= question.threshold.value
    assert packed > 20


def test_the_same_seed_gives_the_same_packing() -> None:
    question = question_above(random_instance("real", gpus=16, models=64, seed=5), Fraction(1, 500))
    one, same, other = (beam_search(question, Limits(), work=2_000, seed=n) for n in (1, 1, 2))
    assert one is not None
    assert same is not None
    assert (one.counts == same.counts).all()
    assert other is None or (one.counts != other.counts).any()


def test_it_ends_at_once_when_stopped() -> None:
    stopped = Limits()
    stopped.interrupt()
    question = question_above(random_instance("real", gpus=16, models=64, seed=5), Fraction(1, 500))
    assert beam_search(question, stopped, work=2_000, seed=1) is None
    refused = question_above(random_instance("real", gpus=16, models=64, seed=5), Fraction(-1, 500))
    assert beam_search(refused, Limits(), work=2_000, seed=1) is None


def test_a_fleet_of_eight_models_a_gpu() -> None:
    instance = random_instance("precise", gpus=12, models=96, seed=1)
    question = question_above(instance, Fraction(1, 1000))
    packing = beam_search(question, Limits(), work=20_000, seed=1)
    assert packing is not None
    assert placement_of(instance, packing).max_kvpr <= question.threshold.value


def test_a_gpu_that_no_model_fits_stays_empty() -> None:
    plain = random_instance("real", gpus=12, models=48, seed=0)
    spare = [GPU("spare", 1), GPU("full", 1000, reserved=1000)]
    instance = Instance([*plain.gpus, *spare], plain.models)
    question = question_above(instance, Fraction(1, 1000))
    packing = beam_search(question, Limits(), work=100_000, seed=0)
    assert packing is not None
    placement = placement_of(instance, packing)
    assert not {"spare", "full"} & set(placement.assignment.values())
