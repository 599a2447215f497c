"""Polishing and levelling a given placement: never worse, and better where they should be."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import fleet

from kvpr_opt import heuristics
from kvpr_opt.errors import InputError
from kvpr_opt.generate import random_instance
from kvpr_opt.heuristics import STAGES, level, polish
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.placement import Placement


def profile(placement: Placement) -> list:
    return sorted(placement.kvpr.values(), reverse=True)


@given(data=st.data())
def test_polishing_gives_a_lower_maximum_or_the_same_placement(data, placements):
    start = data.draw(placements)
    end = polish(start)
    assert end is start or end.max_kvpr < start.max_kvpr


@given(data=st.data())
def test_levelling_never_raises_the_profile(data, placements):
    start = data.draw(placements)
    assert profile(level(start)) <= profile(start)


def test_polishing_leaves_infinity():
    start = Placement(fleet([4, 10], [(2, 1), (2, 1)]), [0, 0])
    assert start.max_kvpr == math.inf
    assert polish(start).max_kvpr == Fraction(1, 3)


def test_polishing_packs_zeros_anew_unless_told_not_to():
    instance = fleet([10, 20], [(1, 1), (10, 4), (6, 0), (4, 0), (4, 0)])
    start = Placement(instance, [0, 1, 0, 1, 1])
    quiet = set(STAGES) - {"refill", "refill:construction", "refill:between", "refill:end"}
    assert polish(start, skip=quiet).max_kvpr < start.max_kvpr
    assert polish(start, skip=quiet | {"refill"}) is start


def test_levelling_lowers_the_second_worst():
    start = Placement(fleet([10] * 3, [(5, 9), (2, 2), (2, 2)]), [0, 1, 1])
    end = level(start)
    assert end.max_kvpr == start.max_kvpr
    assert profile(end) == [Fraction(9, 5), Fraction(1, 4), Fraction(1, 4)]


def test_numbers_beyond_the_range_of_floats_are_never_made_worse():
    # On the coarse grid the first GPU looks overfull; exactly it just fits.
    size = "3.333333333333333333333333333333333"
    memory = "9.999999999999999999999999999999999"
    start = Placement(fleet([memory, memory], [(size, 0)] * 3 + [(1, 1)]), [0, 0, 0, 1])
    assert polish(start).max_kvpr <= start.max_kvpr
    assert profile(level(start)) <= profile(start)


def test_a_fleet_without_models_is_left_alone():
    start = Placement(fleet([10, 10], []), [])
    assert polish(start) is start
    assert level(start) == start


def test_stopped_at_once_the_placement_is_kept():
    limits = Limits()
    limits.interrupt()
    start = Placement(fleet([10] * 2, [(2, 4)] * 2), [0, 0])
    assert polish(start, limits=limits) is start
    assert level(start, limits=limits) == start


def test_an_unknown_stage_is_refused():
    with pytest.raises(InputError, match="stage 'zeros' is not known"):
        polish(Placement(fleet([10], [(1, 1)]), [0]), skip={"zeros"})


@pytest.mark.parametrize("family", ["constrained", "pinned"])
def test_levelling_keeps_constraints(family):
    instance = random_instance(family, gpus=8, models=32, seed=1)
    start = heuristics.run(instance).placement
    end = level(start)
    assert profile(end) <= profile(start)
    assert not instance.constraints.broken(end.gpu_of)


def test_levelling_lowers_the_second_worst_as_far_as_constraints_allow():
    gpus = [GPU(name, 10) for name in "abcd"]
    models = [
        LLM("worst", 5, pressure=9, pin="a"),
        *(LLM(f"m{n}", 1, pressure=1, never="d") for n in range(4)),
        LLM("other", 1, pressure=1, apart="x", pin="c"),
        LLM("twin", 1, pressure=1, apart="x"),
    ]
    instance = Instance(gpus, models)
    start = Placement(instance, [0, 1, 1, 1, 1, 2, 1])
    end = level(start)
    assert profile(start)[:2] == [Fraction(9, 5), Fraction(5, 5)]
    assert profile(end) == [Fraction(9, 5), Fraction(3, 7), Fraction(2, 8), Fraction(1, 9)]
