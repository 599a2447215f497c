"""Moves and swaps: they end where none is left, and never make anything worse."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import fleet

from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.heuristics.improvement import descend, level_off, swap_worst_pair
from kvpr_opt.limits import Limits
from kvpr_opt.problem.placement import Placement


def batch_of(placement: Placement, copies: int = 1) -> Candidates:
    assign = np.array([placement.gpu_of] * copies, dtype=int)
    return Candidates(FleetArrays.of(placement.instance), assign)


def placements_of(batch: Candidates) -> list[Placement]:
    return [Placement(batch.fleet.instance, row.tolist()) for row in batch.assign]


def kvprs(placement: Placement) -> list:
    return list(placement.kvpr.values())


def profile(placement: Placement) -> list:
    return sorted(placement.kvpr.values(), reverse=True)


def neighbours(placement: Placement, *, swaps: bool):
    """Legal placements one move, or one swap, away, with the two GPUs that changed."""
    gpu_of, gpus = placement.gpu_of, len(placement.instance.gpus)
    changes = []
    for i, source in enumerate(gpu_of):
        if swaps:
            changes += [
                ({i: target, j: source}, source, target)
                for j, target in enumerate(gpu_of)
                if target != source
            ]
        else:
            changes += [({i: target}, source, target) for target in range(gpus) if target != source]
    for change, source, target in changes:
        new = [change.get(model, gpu) for model, gpu in enumerate(gpu_of)]
        used = [0] * gpus
        for model, gpu in enumerate(new):
            used[gpu] += placement.instance.models[model].size
        if all(u <= g.usable for u, g in zip(used, placement.instance.gpus, strict=True)):
            yield Placement(placement.instance, new), source, target


def improvable(placement: Placement, *, swaps: bool) -> bool:
    values = kvprs(placement)
    worst = values.index(max(values))
    return any(
        max(kvprs(new)[source], kvprs(new)[target]) < values[worst]
        for new, source, target in neighbours(placement, swaps=swaps)
        if worst in ((source, target) if swaps else (source,))
    )


@given(data=st.data())
def test_a_descent_ends_where_no_move_and_no_swap_improves(data, placements):
    start = data.draw(placements)
    batch = batch_of(start)
    if start.gpu_of:
        descend(batch)
    (end,) = placements_of(batch)
    assert not improvable(end, swaps=False)
    assert not improvable(end, swaps=True)
    assert profile(end) <= profile(start)


@given(data=st.data())
def test_a_descent_by_moves_alone_leaves_no_move(data, placements):
    batch = batch_of(data.draw(placements))
    descend(batch, swaps=False)
    assert not improvable(placements_of(batch)[0], swaps=False)


@given(data=st.data())
def test_candidates_do_not_influence_each_other(data, placements):
    start = data.draw(placements)
    alone, together = batch_of(start), batch_of(start, 3)
    other = data.draw(st.sampled_from(range(len(start.instance.gpus))))
    free = [gpu.usable for gpu in start.instance.gpus]
    if sum(model.size for model in start.instance.models) <= free[other]:
        together = Candidates(
            alone.fleet, np.array([start.gpu_of, [other] * len(start.gpu_of), start.gpu_of])
        )
    descend(alone)
    descend(together)
    assert together.assign[0].tolist() == together.assign[2].tolist() == alone.assign[0].tolist()


@given(data=st.data())
def test_levelling_lowers_the_profile_and_never_the_other_way(data, placements):
    start = data.draw(placements)
    batch = batch_of(start)
    level_off(batch)
    assert profile(placements_of(batch)[0]) <= profile(start)


@given(data=st.data())
def test_swaps_of_the_worst_pair_never_raise_the_profile(data, placements):
    start = data.draw(placements)
    batch = batch_of(start)
    swap_worst_pair(batch)
    assert profile(placements_of(batch)[0]) <= profile(start)


def test_the_best_move_is_taken():
    # Moving the second model leaves 1/5 and 2/7; moving the first 2/9 and 1/8.
    start = Placement(fleet([10, 10], [(1, 2), (2, 1)]), [0, 0])
    batch = batch_of(start)
    descend(batch, swaps=False, max_steps=1)
    assert batch.assign.tolist() == [[1, 0]]


def test_two_gpus_equally_bad_do_not_stop_the_descent():
    start = Placement(fleet([10] * 4, [(2, 4)] * 4), [0, 0, 1, 1])
    batch = batch_of(start)
    descend(batch)
    assert sorted(batch.assign[0].tolist()) == [0, 1, 2, 3]


def test_a_full_gpu_under_pressure_is_relieved():
    start = Placement(fleet([4, 10], [(2, 1), (2, 1)]), [0, 0])
    assert start.max_kvpr == math.inf
    batch = batch_of(start)
    descend(batch)
    assert placements_of(batch)[0].max_kvpr < 1


def test_worst_pair_swaps_touch_the_two_worst_only():
    # (5, 8) and (5, 6) on GPU 0, (1, 4) on GPU 1, the helpful (1, 0) on GPU 2.
    start = Placement(fleet([20] * 3, [(5, 8), (5, 6), (1, 4), (1, 0)]), [0, 0, 1, 2])
    batch = batch_of(start)
    swap_worst_pair(batch, rounds=1)
    assert batch.assign[0, 3] == 2
    assert batch.maximum()[0] < batch_of(start).maximum()[0]


def test_no_more_swaps_than_allowed_and_none_with_one_gpu():
    start = Placement(fleet([20] * 3, [(5, 8), (5, 6), (1, 4), (1, 0)]), [0, 0, 1, 2])
    batch = batch_of(start)
    swap_worst_pair(batch, rounds=0)
    assert batch.assign[0].tolist() == list(start.gpu_of)
    single = batch_of(Placement(fleet([20], [(5, 8)]), [0]))
    swap_worst_pair(single)
    assert single.assign.tolist() == [[0]]


def test_levelling_relieves_the_second_worst_gpu():
    # GPU 0 holds one model and cannot improve; GPU 1 can give one to GPU 2.
    start = Placement(fleet([10] * 3, [(5, 9), (2, 2), (2, 2)]), [0, 1, 1])
    batch = batch_of(start)
    assert descend(batch, max_steps=9) <= 1
    level_off(batch)
    assert batch.assign.tolist() == [[0, 2, 1]]


def test_only_the_rows_asked_for_change():
    start = Placement(fleet([10] * 2, [(2, 4)] * 2), [0, 0])
    batch = batch_of(start, 2)
    descend(batch, np.array([1]))
    assert batch.assign[0].tolist() == [0, 0]
    assert batch.assign[1].tolist() == [1, 0]


def test_stopped_at_once_nothing_changes():
    limits = Limits()
    limits.interrupt()
    batch = batch_of(Placement(fleet([10] * 2, [(2, 4)] * 2), [0, 0]))
    descend(batch, limits=limits)
    level_off(batch, limits=limits)
    swap_worst_pair(batch, limits=limits)
    assert batch.assign.tolist() == [[0, 0]]
