"""The seed's pass against a plain reading of it, and the refill."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import fleet

from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.heuristics.improvement import descend
from kvpr_opt.heuristics.zero_pressure import move_zeros, refill
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement


def batch_of(*placements: Placement) -> Candidates:
    fleet = FleetArrays.of(placements[0].instance)
    return Candidates(fleet, np.array([p.gpu_of for p in placements], dtype=int))


def kvpr(num, free):
    if free == 0:
        return math.inf if num else Fraction(0)
    return num / free


def seed_pass(placement: Placement, cap: int = 400) -> Placement:
    """The last pass of the seed heuristic, as its source has it, in exact fractions."""
    for _ in range(cap):
        move = seed_move(placement)
        if move is None:
            break
        model, target = move
        gpu_of = list(placement.gpu_of)
        gpu_of[model] = target
        placement = Placement(placement.instance, gpu_of)
    return placement


def seed_move(placement: Placement):
    """The best move of a zero-pressure model off the worst GPU, or None."""
    models, gpus = placement.instance.models, range(len(placement.instance.gpus))
    memory = [gpu.memory for gpu in placement.gpus]
    mem = [gpu.used for gpu in placement.gpus]
    num = [gpu.pressure for gpu in placement.gpus]
    vals = [kvpr(num[g], memory[g] - mem[g]) for g in gpus]
    worst = max(gpus, key=lambda g: vals[g])
    zeros = [i for i, gpu in enumerate(placement.gpu_of) if gpu == worst]
    zeros = [i for i in zeros if abs(models[i].pressure) <= 1e-12]
    zeros.sort(key=lambda i: models[i].size, reverse=True)
    best_move, best_new_max = None, max(vals)
    for i in zeros:
        ms = models[i].size
        for tgt in gpus:
            if tgt == worst or mem[tgt] + ms > memory[tgt]:
                continue
            new = dict(enumerate(vals))
            new[worst] = kvpr(num[worst], memory[worst] - (mem[worst] - ms))
            new[tgt] = kvpr(num[tgt], memory[tgt] - (mem[tgt] + ms))
            if max(new.values()) < best_new_max:
                best_new_max, best_move = max(new.values()), (i, tgt)
    return best_move


@given(data=st.data())
def test_the_pass_is_the_seeds(data, placements):
    start = data.draw(placements)
    cap = data.draw(st.sampled_from([0, 1, 2, 400]))
    batch = batch_of(start)
    changed = move_zeros(batch, cap=cap)
    expected = seed_pass(start, cap)
    assert batch.assign[0].tolist() == list(expected.gpu_of)
    assert changed[0] == (expected != start)


@pytest.mark.parametrize("seed", range(8))
def test_the_pass_is_the_seeds_on_a_batch_of_crowded_gpus(seed, random_fleet):
    instance = random_fleet(seed, gpus=6, each=5, zero_share=0.6, fill=0.6)
    starts = list(crowded(instance, seed, copies=12))
    batch = batch_of(*starts)
    changed = move_zeros(batch)
    assert batch.assign.tolist() == [list(seed_pass(start).gpu_of) for start in starts]
    assert changed.any()


def crowded(instance: Instance, seed: int, copies: int):
    """Random placements; each model on one of the GPUs with room for it."""
    random = np.random.RandomState(seed)
    for _ in range(copies):
        free = [gpu.usable for gpu in instance.gpus]
        gpu_of = []
        for model in instance.models:
            room = [gpu for gpu, left in enumerate(free) if left > model.size]
            gpu_of.append(int(random.choice(room)))
            free[gpu_of[-1]] -= model.size
        yield Placement(instance, gpu_of)


@given(data=st.data())
def test_the_pass_has_nothing_to_do_after_a_descent_by_moves(data, placements):
    batch = batch_of(data.draw(placements))
    descend(batch, swaps=False)
    assert not move_zeros(batch).any()


@given(data=st.data())
def test_the_refill_is_legal_and_never_worse(data, placements):
    start = data.draw(placements)
    batch = batch_of(start)
    changed = refill(batch)
    end = Placement(start.instance, batch.assign[0].tolist())
    assert (end.max_kvpr < start.max_kvpr) if changed[0] else (end == start)
    for model, before, after in zip(start.instance.models, start.gpu_of, end.gpu_of, strict=True):
        assert before == after or model.pressure == 0


@given(data=st.data())
def test_the_refill_finds_the_best_packing_of_a_single_zero(data, placements):
    start = data.draw(placements)
    zeros = [i for i, model in enumerate(start.instance.models) if model.pressure == 0]
    if len(zeros) != 1:
        return
    batch = batch_of(start)
    refill(batch)
    options = []
    for gpu in range(len(start.instance.gpus)):
        gpu_of = [gpu if i in zeros else g for i, g in enumerate(start.gpu_of)]
        used = sum(m.size for m, g in zip(start.instance.models, gpu_of, strict=True) if g == gpu)
        if used <= start.instance.gpus[gpu].usable:
            options.append(Placement(start.instance, gpu_of).max_kvpr)
    end = Placement(start.instance, batch.assign[0].tolist())
    assert float(end.max_kvpr) <= float(min(options)) * (1 + 1e-3)


def test_the_refill_does_what_single_moves_cannot():
    # The zeros 6 and 4 + 4 must change places: no single move fits.
    instance = fleet([10, 20], [(1, 1), (10, 4), (6, 0), (4, 0), (4, 0)])
    start = Placement(instance, [0, 1, 0, 1, 1])
    moved, refilled = batch_of(start), batch_of(start)
    move_zeros(moved)
    refill(refilled)
    assert refilled.maximum()[0] < moved.maximum()[0]


def test_the_refill_relieves_a_full_gpu_under_pressure():
    instance = fleet([10, 10], [(4, 1), (6, 0), (9, 0)])
    batch = batch_of(Placement(fleet([10, 20], [(4, 1), (6, 0), (9, 0)]), [0, 0, 1]))
    assert np.isinf(batch.maximum()[0])
    assert refill(batch).all()
    assert batch.assign.tolist() == [[0, 1, 1]]
    stuck = batch_of(Placement(instance, [0, 0, 1]))
    assert not refill(stuck).any()


def test_a_gpu_may_be_filled_exactly_by_models_without_pressure():
    instance = fleet([10, 10], [(6, 0), (4, 0), (2, 1)])
    batch = batch_of(Placement(instance, [0, 1, 1]))
    assert refill(batch).all()
    assert Placement(instance, batch.assign[0].tolist()).max_kvpr == Fraction(1, 8)


def test_a_fleet_without_zero_pressure_is_left_alone():
    batch = batch_of(Placement(fleet([10, 10], [(4, 1), (3, 1)]), [0, 0]))
    assert not move_zeros(batch).any()
    assert not refill(batch).any()


def test_a_fleet_of_zero_pressure_only_is_left_alone():
    batch = batch_of(Placement(fleet([10, 10], [(4, 0), (6, 0)]), [0, 0]))
    assert not move_zeros(batch).any()
    assert not refill(batch).any()


def test_models_that_count_as_without_pressure_are_moved_with_their_true_one(monkeypatch):
    monkeypatch.setattr("kvpr_opt.heuristics.arrays.MAX_ZERO_PRESSURE", 0.01)
    instance = fleet([10, 10], [(4, 1), (3, "0.001")])
    arrays = FleetArrays.of(instance)
    for apply in (move_zeros, refill):
        batch = Candidates(arrays, np.array([[0, 0]]))
        assert apply(batch).all()
        assert Placement(instance, batch.assign[0].tolist()).max_kvpr == Fraction(1, 6)


def test_only_the_rows_asked_for_change():
    start = Placement(fleet([10, 10], [(4, 1), (3, 0)]), [0, 0])
    for apply in (move_zeros, refill):
        batch = batch_of(start, start)
        assert apply(batch, np.array([1])).tolist() == [False, True]
        assert batch.assign.tolist() == [[0, 0], [0, 1]]


def test_stopped_at_once_nothing_changes():
    limits = Limits()
    limits.interrupt()
    batch = batch_of(Placement(fleet([10, 10], [(4, 1), (3, 0)]), [0, 0]))
    assert not move_zeros(batch, limits=limits).any()
    assert not refill(batch, limits=limits).any()
