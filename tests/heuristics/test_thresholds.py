"""Lower bounds that start the search, and the search for the smallest threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from small_fleets import brute_force, fleet, fleets

from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.thresholds import lower_bound, search


@settings(max_examples=60)
@given(instance=fleets())
def test_the_bound_is_below_every_placement(instance):
    bound = lower_bound(FleetArrays.of(instance)) * float(instance.scaled.kvpr_unit)
    optimum = brute_force(instance)
    assert optimum == 0 or bound <= float(optimum) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("memories", "models", "at_least"),
    [
        ([10], [(4, 3)], 3 / 6),
        ([10, 10], [(6, 3), (4, 0), (5, 0)], 3 / 4),
        ([10, 10], [(4, 3), (4, 3), (4, 3)], 0.9 * 6 / 2),
        ([10, 10], [(2, 3)] * 5, 0.9 * 9 / 4),
    ],
    ids=["volume", "alone", "pairs that cannot share", "triples that cannot share"],
)
def test_each_argument_counts(memories, models, at_least):
    instance = fleet(memories, models)
    bound = lower_bound(FleetArrays.of(instance)) * float(instance.scaled.kvpr_unit)
    assert bound >= at_least * (1 - 1e-12)


def test_the_search_narrows_down_to_what_packs():
    arrays = FleetArrays.of(fleet([10, 10], [(4, 3), (4, 3), (4, 3)]))
    candidates, threshold = search(arrays, 0.1, math.inf, sections=8, rounds=3)
    optimum = 6 / 2 * 1 / float(arrays.instance.scaled.kvpr_unit)
    assert candidates.maximum().min() == pytest.approx(optimum)
    assert optimum <= threshold * (1 + 1e-9) <= 1.05 * optimum


def test_the_search_gives_up_where_nothing_packs():
    arrays = FleetArrays.of(fleet([10], [(6, 1), (6, 1)]))
    candidates, threshold = search(arrays, 0.1, math.inf, sections=2, rounds=2)
    assert len(candidates) == 0
    assert np.isinf(threshold)
