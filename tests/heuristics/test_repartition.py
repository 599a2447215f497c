"""Exact repartition of the worst GPU with one other."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import fleet

from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.heuristics import repartition as module
from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.heuristics.improvement import descend
from kvpr_opt.heuristics.repartition import repartition
from kvpr_opt.limits import Limits
from kvpr_opt.problem.placement import Placement


def batch_of(*placements: Placement) -> Candidates:
    arrays = FleetArrays.of(placements[0].instance)
    return Candidates(arrays, np.array([p.gpu_of for p in placements], dtype=int))


def profile(placement: Placement) -> list:
    return sorted(placement.kvpr.values(), reverse=True)


def improvable(placement: Placement) -> bool:
    """Whether some split of the worst GPU and another leaves both below the worst."""
    values = list(placement.kvpr.values())
    worst = values.index(max(values))
    for other in range(len(values)):
        union = [i for i, gpu in enumerate(placement.gpu_of) if gpu in (worst, other)]
        if other == worst or len(union) > 11:
            continue
        for gpus in product((worst, other), repeat=len(union)):
            gpu_of = list(placement.gpu_of)
            for model, gpu in zip(union, gpus, strict=True):
                gpu_of[model] = gpu
            try:
                split = list(Placement(placement.instance, gpu_of).kvpr.values())
            except InvalidPlacementError:
                continue
            if max(split[worst], split[other]) < values[worst]:
                return True
    return False


@pytest.fixture
def stuck() -> Placement:
    """Pressures 6, 6, 10 and 10, 6, 3: no move and no swap helps, 6 + 6 for 10 does."""
    models = [(0, 6), (0, 6), (0, 10), (0, 10), (0, 6), (0, 3)]
    return Placement(fleet([10, 10], models), [0, 0, 0, 1, 1, 1])


def test_two_for_one_where_no_move_and_no_swap_helps(stuck):
    batch = batch_of(stuck)
    descend(batch)
    assert batch.assign[0].tolist() == list(stuck.gpu_of)
    assert repartition(batch) > 0
    assert profile(Placement(stuck.instance, batch.assign[0].tolist())) < profile(stuck)


@given(data=st.data())
def test_it_ends_where_no_split_improves(data, placements):
    start = data.draw(placements)
    if len(start.gpu_of) > 8:
        return
    batch = batch_of(start)
    repartition(batch)
    end = Placement(start.instance, batch.assign[0].tolist())
    assert not improvable(end)
    assert profile(end) <= profile(start)


@given(data=st.data())
def test_partners_may_come_in_many_batches(data, placements):
    start = data.draw(placements)
    batch = batch_of(start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WORK", 1)
        repartition(batch)
    end = Placement(start.instance, batch.assign[0].tolist())
    assert profile(end) <= profile(start)
    if len(start.gpu_of) <= 6:
        assert not improvable(end)


def test_pairs_of_too_many_models_are_passed_over():
    start = Placement(fleet([100, 100], [(1, 1)] * 12), [0] * 12)
    batch = batch_of(start)
    assert repartition(batch) == 0
    assert batch.assign[0].tolist() == [0] * 12


def test_only_the_rows_asked_for_change_and_no_more_steps_than_allowed(stuck):
    batch = batch_of(stuck, stuck)
    assert repartition(batch, np.array([1]), max_steps=1) == 1
    assert batch.assign[0].tolist() == list(stuck.gpu_of)
    assert batch.assign[1].tolist() != list(stuck.gpu_of)
    assert repartition(batch, max_steps=0) == 0


def test_stopped_at_once_nothing_changes(stuck):
    limits = Limits()
    limits.interrupt()
    assert repartition(batch_of(stuck), limits=limits) == 0
