"""Parametric packing: legal, within its threshold, in its orders and policies."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import fleet, fleets

from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.construction import ORDERS, POLICIES, RECIPES, Rows, greedy, pack
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import GPU, Instance
from kvpr_opt.problem.placement import Placement


def one(order: str, policy: str, threshold: float) -> Rows:
    return Rows(
        np.array([ORDERS.index(order)]),
        np.array([POLICIES.index(policy)]),
        np.array([threshold]),
        np.array([False]),
    )


@given(instance=fleets(), threshold=st.floats(0.01, 20))
def test_every_row_is_legal_and_a_packed_row_keeps_within_its_threshold(instance, threshold):
    arrays = FleetArrays.of(instance)
    rows = Rows.of(np.array([threshold, 2 * threshold]))
    built = pack(arrays, rows)
    limit = Fraction(1 + 1e-9) * instance.scaled.kvpr_unit
    for index, row in enumerate(built.row):
        placement = Placement(instance, built.candidates.assign[index].tolist())
        if built.packed[row]:
            assert placement.max_kvpr <= Fraction(rows.threshold[row]) * limit


@given(instance=fleets())
def test_retuned_rows_are_legal(instance):
    built = pack(FleetArrays.of(instance), Rows.of(np.array([0.5]), retune=True))
    for assign in built.candidates.assign:
        Placement(instance, assign.tolist())


@given(instance=fleets())
def test_greedy_is_legal_and_finite(instance):
    for assign in greedy(FleetArrays.of(instance), 0.3).assign:
        assert Placement(instance, assign.tolist()).max_kvpr < float("inf")


def test_all_nine_recipes_are_built_at_each_threshold():
    rows = Rows.of(np.array([1.0, 2.0]))
    assert len(set(RECIPES)) == 9
    assert list(zip(rows.order, rows.policy, strict=True))[::2] == list(RECIPES)
    assert rows.threshold.tolist() == [1.0, 2.0] * 9


def test_orders_decide_who_is_placed_first():
    # w(1): 8, 7, 5; alone: 1/3, 3/6, 3/8; density: 1/7, 3/4, 3/2. On equal GPUs
    # the levelling policy gives the models to GPUs 0, 1, 2 in their order.
    arrays = FleetArrays.of(fleet([10] * 3, [(7, 1), (4, 3), (2, 3)]))
    placed = {
        order: pack(arrays, one(order, "levelling", 1.0)).candidates.assign[0].tolist()
        for order in ORDERS
    }
    assert placed == {"item_size": [0, 1, 2], "alone": [2, 0, 1], "density": [2, 1, 0]}


def test_policies_decide_where_a_model_goes():
    arrays = FleetArrays.of(fleet([10, 20], [(2, 2)]))
    assert pack(arrays, one("item_size", "best_fit", 1.0)).candidates.assign.tolist() == [[0]]
    assert pack(arrays, one("item_size", "levelling", 1.0)).candidates.assign.tolist() == [[1]]


def test_a_row_that_cannot_keep_within_its_threshold_still_places_every_model():
    arrays = FleetArrays.of(fleet([10], [(2, 2), (3, 4)]))
    built = pack(arrays, one("item_size", "best_fit", 0.1))
    assert built.candidates.assign.tolist() == [[0, 0]]
    assert not built.packed.any()


def test_a_row_without_room_is_dropped():
    arrays = FleetArrays.of(fleet([10], [(6, 1), (6, 1)]))
    built = pack(arrays, Rows.of(np.array([1.0])))
    assert len(built.candidates) == len(built.row) == 0


def test_ties_go_to_the_first_model_and_the_first_gpu():
    arrays = FleetArrays.of(fleet([10, 10, 10], [(2, 1)] * 3))
    for policy in POLICIES[1:]:
        built = pack(arrays, one("item_size", policy, 1.0))
        assert built.candidates.assign.tolist() == [[0, 1, 2]]


def test_greedy_looks_past_gpus_that_a_model_would_fill():
    arrays = FleetArrays.of(fleet([4, 10], [(4, 1)]))
    assert greedy(arrays, 1.0).assign.tolist() == [[1]]


def test_greedy_may_fill_a_gpu_without_pressure():
    arrays = FleetArrays.of(fleet([4], [(4, 0)]))
    assert greedy(arrays, 1.0).assign.tolist() == [[0]]


def test_stopped_packing_builds_nothing():
    limits = Limits()
    limits.interrupt()
    arrays = FleetArrays.of(fleet([10], [(2, 2)]))
    built = pack(arrays, Rows.of(np.array([1.0])), limits=limits)
    assert len(built.candidates) == 0
    assert not built.packed.any()


def test_a_gpu_without_usable_memory_is_left_empty():
    usual = fleet([10], [(2, 2)])
    instance = Instance([GPU("none", 5, reserved=5), *usual.gpus], usual.models)
    built = pack(FleetArrays.of(instance), Rows.of(np.array([1.0])))
    assert set(built.candidates.assign.ravel().tolist()) == {1}
