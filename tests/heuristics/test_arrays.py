"""Exact sums in floats, whatever the numbers of the fleet are."""

from __future__ import annotations

import math

import numpy as np
from small_fleets import fleet

from kvpr_opt.heuristics.arrays import FleetArrays, kvpr_of


def test_small_fleets_keep_their_own_integers():
    arrays = FleetArrays.of(fleet([10, 20], [("2.5", 1), (5, "1/2")]))
    assert arrays.sizes.tolist() == [1, 2]
    assert arrays.capacities.tolist() == [4, 8]
    assert arrays.pressures.tolist() == [2, 1]


def test_a_gpu_filled_to_the_last_byte_in_tenths_is_exactly_full():
    arrays = FleetArrays.of(fleet(["0.3"], [("0.1", 0), ("0.2", 0)]))
    assert arrays.capacities[0] - arrays.sizes.sum() == 0


def test_long_numbers_are_rounded_to_the_safe_side():
    size, memory = "1.00000000000000000000000000001", "3.00000000000000000000000000002"
    tiny = "0.0000000000000000000000000000001"
    arrays = FleetArrays.of(fleet([memory, memory], [(size, 10**9), (size, tiny)]))
    scaled = arrays.instance.scaled
    assert arrays.capacities.sum() < 2**52
    for exact, grid in zip(scaled.sizes, arrays.sizes, strict=True):
        assert grid / arrays.capacities[0] >= exact / scaled.capacities[0]
    assert arrays.pressures[1] == 1, "a pressure above zero stays above zero"


def test_what_counts_as_no_pressure_is_in_the_unit_of_the_fleet(monkeypatch):
    instance = fleet([10], [(1, 0), (1, "0.0000000000005"), (1, "0.5"), (1, 100)])
    assert FleetArrays.of(instance).zero.tolist() == [True, True, False, False]
    for most, zero in ((0.5, [True, True, True, False]), (0.0, [True, False, False, False])):
        monkeypatch.setattr("kvpr_opt.heuristics.arrays.MAX_ZERO_PRESSURE", most)
        assert FleetArrays.of(instance).zero.tolist() == zero


def test_full_gpus_have_kvpr_zero_without_pressure_and_infinity_with_it():
    values = kvpr_of(np.array([0.0, 1.0, 6.0]), np.array([0.0, 0.0, 3.0]))
    assert values.tolist() == [0.0, math.inf, 2.0]
