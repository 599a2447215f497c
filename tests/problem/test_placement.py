"""Placements: legality and exact KVPR."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from small_fleets import fleet

from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.problem.placement import Placement


def test_kvpr_is_pressure_over_free_memory() -> None:
    instance = fleet([80, 60], [(16, 2), (20, "1/3"), (10, 1)])
    placement = Placement(instance, (0, 1, 0))
    assert placement.kvpr == {"g0": Fraction(3, 54), "g1": Fraction(1, 120)}
    assert placement.max_kvpr == Fraction(1, 18)
    assert placement.assignment == {"m0": "g0", "m1": "g1", "m2": "g0"}
    assert placement.gpus[0].models == ("m0", "m2")
    assert placement.gpus[0].used == 26
    assert placement.gpus[0].pressure == 3


def test_a_full_gpu_without_pressure_has_kvpr_zero() -> None:
    placement = Placement(fleet([10, 10], [(6, 0), (4, 0), (2, 1)]), (0, 0, 1))
    assert placement.kvpr["g0"] == 0
    assert placement.max_kvpr == Fraction(1, 8)


def test_a_full_gpu_under_pressure_has_infinite_kvpr() -> None:
    placement = Placement(fleet([10], [(10, 1)]), (0,))
    assert placement.max_kvpr == math.inf


def test_no_model_at_all_is_kvpr_zero() -> None:
    assert Placement(fleet([10], []), ()).max_kvpr == 0


@pytest.mark.parametrize(
    ("gpu_of", "reason"),
    [
        ((0,), "1 models placed, the fleet has 2"),
        ((0, 2), "model 'm1' is on GPU number 2, the fleet has 0 to 1"),
        ((0, -1), "GPU number -1"),
        ((0, 0.9), r"0\.9 is not the number of a GPU"),
        (("g0", "g1"), "'g0' is not the number of a GPU; Placement.of takes names"),
        ((0, 0), "GPU 'g0' holds 12 of weights, more than its 10"),
    ],
)
def test_what_is_no_placement_is_refused(gpu_of: tuple[Any, ...], reason: str) -> None:
    with pytest.raises(InvalidPlacementError, match=reason):
        Placement(fleet([10, 10], [(6, 1), (6, 1)]), gpu_of)


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [
        ({"m0": "g0"}, "model 'm1' is not placed"),
        ({"m0": "g0", "m1": "gg1"}, r"GPU 'gg1', which the fleet does not have \(did you mean"),
        ({"m0": "g0", "m1": "g1", "m2": "g0"}, "no model 'm2'"),
        ({"m0": "g0", "m1": 1}, "model 'm1' is on GPU 1, which the fleet does not have"),
    ],
)
def test_names_must_be_those_of_the_fleet(assignment: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidPlacementError, match=reason):
        Placement.of(fleet([10, 10], [(6, 1), (6, 1)]), assignment)


def test_integers_of_numpy_are_indices() -> None:
    placement = Placement(fleet([10, 10], [(6, 1), (6, 1)]), list(np.array([1, 0])))
    assert placement.gpu_of == (1, 0)
    assert {type(gpu) for gpu in placement.gpu_of} == {int}


def test_names_and_indices_say_the_same() -> None:
    instance = fleet([10, 10], [(6, 1), (6, 1)])
    assert Placement.of(instance, {"m1": "g0", "m0": "g1"}) == Placement(instance, (1, 0))
