"""Stage names, and what a fleet of a given size gets."""

from __future__ import annotations

import pytest
from small_fleets import fleet

from kvpr_opt.errors import InputError
from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.plan import STAGES, StagePlan


def test_a_small_fleet_with_zeros_gets_every_stage():
    plan = StagePlan.of(FleetArrays.of(fleet([10], [(1, 0), (1, 1)])))
    assert not plan.left_out
    assert all(plan.runs(stage) for stage in STAGES)


def test_a_large_fleet_leaves_stages_out_and_says_why():
    plan = StagePlan.of(FleetArrays.of(fleet([10] * 1000, [(1, 1)] * 4000)))
    assert "4000 models on 1000 GPUs" in plan.left_out["regret"]
    assert plan.runs("greedy")
    assert plan.runs("swaps")


def test_without_zero_pressure_its_passes_are_left_out():
    plan = StagePlan.of(FleetArrays.of(fleet([10], [(1, 1)])))
    assert plan.left_out["refill:end"] == "no model of zero pressure"


def test_a_plain_name_skips_all_positions():
    plan = StagePlan.of(FleetArrays.of(fleet([10], [(1, 0)])), ["zero_moves", "refill:end"])
    assert not plan.runs("zero_moves:construction")
    assert plan.runs("refill:between")
    assert not plan.runs("refill:end")


def test_an_unknown_stage_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"'swap'.*did you mean 'swaps'"):
        StagePlan.of(FleetArrays.of(fleet([10], [(1, 0)])), ["swap"])
