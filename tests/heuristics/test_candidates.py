"""A batch of placements keeps its loads in step and drops its duplicates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import fleet

from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.candidates import Candidates


def same_loads(one: Candidates, other: Candidates) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("free", "pressure", "kvpr")
    )


@given(data=st.data())
def test_kvpr_is_that_of_the_placement(data, placements):
    placement = data.draw(placements)
    batch = Candidates(FleetArrays.of(placement.instance), np.array([placement.gpu_of], dtype=int))
    unit = float(placement.instance.scaled.kvpr_unit)
    expected = [float(value) for value in placement.kvpr.values()]
    assert (batch.kvpr[0] * unit).tolist() == pytest.approx(expected)


def test_moves_and_swaps_keep_the_loads_in_step():
    arrays = FleetArrays.of(fleet([20, 20, 30], [(1, 1), (2, 3), (4, 0), (8, 2)]))
    batch = Candidates(arrays, np.array([[0, 1, 2, 0], [2, 2, 2, 2], [0, 1, 1, 0]]))
    batch.move(np.array([0, 1]), np.array([3, 0]), np.array([2, 1]))
    batch.swap(np.array([2]), np.array([0]), np.array([2]))
    assert batch.assign.tolist() == [[0, 1, 2, 2], [1, 2, 2, 2], [1, 1, 0, 0]]
    assert same_loads(batch, Candidates(arrays, batch.assign))


def test_best_sorts_and_counts_renamed_gpus_once():
    arrays = FleetArrays.of(fleet([10, 10], [(1, 1), (2, 1), (3, 1)]))
    batch = Candidates(arrays, np.array([[0, 0, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]]))
    assert batch.best(9).assign.tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 0]]
    assert len(batch.best(2)) == 2


def test_best_of_no_candidates_is_none():
    arrays = FleetArrays.of(fleet([10], [(1, 1)]))
    assert len(Candidates.joined(arrays, []).best(5)) == 0


def test_infinite_candidates_come_last():
    arrays = FleetArrays.of(fleet([4, 10], [(4, 1)]))
    batch = Candidates(arrays, np.array([[0], [1]]))
    assert batch.best(9).assign.tolist() == [[1], [0]]
