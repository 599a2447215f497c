"""Regret insertion and memory packing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from small_fleets import fleet, fleets

from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.insertion import MEMORY_WAYS, memory_packing, regret_insertion
from kvpr_opt.limits import Limits
from kvpr_opt.problem.placement import Placement


@given(instance=fleets())
def test_both_give_legal_placements(instance):
    arrays = FleetArrays.of(instance)
    for batch in (regret_insertion(arrays, 0.5), memory_packing(arrays)[0]):
        for assign in batch.assign:
            Placement(instance, assign.tolist())


def test_a_model_with_a_single_gpu_left_goes_first():
    # By item size the first model would go to the large GPU, where it has more room.
    arrays = FleetArrays.of(fleet([10, 20], [(6, 20), (14, 1)]))
    assert regret_insertion(arrays, 1.0).assign.tolist() == [[0, 1]]


def test_regret_finds_nothing_where_a_model_has_no_room():
    assert len(regret_insertion(FleetArrays.of(fleet([4], [(3, 1), (3, 1)])), 1.0)) == 0


def test_regret_works_with_one_gpu():
    arrays = FleetArrays.of(fleet([10], [(3, 1), (2, 0)]))
    assert regret_insertion(arrays, 1.0).assign.tolist() == [[0, 0]]


def test_the_four_ways_of_memory_packing():
    arrays = FleetArrays.of(fleet([12, 8, 20], [(6, 1), (5, 1), (3, 1), (2, 1)]))
    batch, ways = memory_packing(arrays)
    placed = dict(zip(ways, batch.assign.tolist(), strict=True))
    assert ways == MEMORY_WAYS
    assert placed["best_fit"] == [1, 0, 0, 0]
    assert placed["first_fit"] == [0, 0, 1, 1]
    assert placed["most_free"] == [2, 2, 0, 0]
    assert placed["mixed"] == [2, 2, 1, 1]


def test_memory_packing_fills_a_gpu_under_pressure_only_as_a_last_resort():
    batch, ways = memory_packing(FleetArrays.of(fleet([4, 20], [(4, 1)])))
    assert dict(zip(ways, batch.assign.tolist(), strict=True))["best_fit"] == [1]
    batch, _ = memory_packing(FleetArrays.of(fleet([4], [(4, 1)])))
    assert np.isinf(batch.maximum()).all()


def test_stopped_at_once_they_build_nothing():
    limits = Limits()
    limits.interrupt()
    arrays = FleetArrays.of(fleet([10], [(2, 2)]))
    assert len(regret_insertion(arrays, 1.0, limits=limits)) == 0
    assert memory_packing(arrays, limits=limits)[1] == ()
