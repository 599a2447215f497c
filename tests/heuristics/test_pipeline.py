"""The whole heuristic: legal, deterministic, good, and each of its stages optional."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_fleets import brute_force, fleet, fleets

from kvpr_opt.errors import InputError
from kvpr_opt.generate import random_instance
from kvpr_opt.heuristics import STAGES, level, run
from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.heuristics.neighbourhood import make_best_move, make_best_swap
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.placement import Placement


def value(instance: Instance, **options: object) -> Fraction | float:
    placement = run(instance, **options).placement
    return math.inf if placement is None else placement.max_kvpr


@settings(max_examples=60)
@given(instance=fleets())
def test_it_is_between_the_optimum_and_nothing(instance):
    optimum = brute_force(instance)
    found = run(instance).placement
    assert found is None or optimum <= found.max_kvpr < math.inf
    if optimum == math.inf:
        assert found is None


@given(
    instance=fleets(), factor=st.sampled_from([Fraction(1, 1024), Fraction(3, 7), Fraction(1000)])
)
def test_scaling_memory_or_pressure_scales_the_value(instance, factor):
    memory = Instance(
        [GPU(gpu.name, gpu.memory * factor) for gpu in instance.gpus],
        [LLM(m.name, m.size * factor, pressure=m.pressure) for m in instance.models],
    )
    pressure = Instance(
        instance.gpus,
        [LLM(m.name, m.size, pressure=m.pressure * factor) for m in instance.models],
    )
    assert value(memory) == value(instance) / factor
    assert value(pressure) == value(instance) * factor


@given(instance=fleets())
def test_gpus_of_equal_memory_are_interchangeable(instance):
    by_memory: dict[Fraction, list[GPU]] = {}
    for gpu in instance.gpus:
        by_memory.setdefault(gpu.usable, []).append(gpu)
    renamed = [by_memory[gpu.usable].pop() for gpu in instance.gpus]
    assert value(Instance(renamed, instance.models)) == value(instance)


def test_the_public_benchmark(prism):
    values = [value(instance) for instance in prism]
    assert 50 / sum(values) >= 25.23


@pytest.mark.parametrize("each", [2, 3, 4])
def test_it_is_deterministic(each, random_fleet):
    instance = random_fleet(1, gpus=8, each=each, zero_share=0.3)
    again = Instance(instance.gpus, instance.models)
    assert run(instance).placement == run(again).placement


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_can_be_left_out(stage, random_fleet):
    instance = random_fleet(2, gpus=5, each=4, zero_share=0.3)
    outcome = run(instance, skip={stage})
    assert outcome.placement is not None
    assert stage not in outcome.stages_run
    assert outcome.stages_left_out[stage] == "skipped on request"


def test_every_stage_is_either_run_or_accounted_for(random_fleet):
    outcome = run(random_fleet(2, gpus=5, each=4, zero_share=0.3), skip={"swaps"})
    plain = {"zero_moves", "refill"}
    assert {*outcome.stages_run, *outcome.stages_left_out} >= set(STAGES) - plain
    assert not set(outcome.stages_run) & set(outcome.stages_left_out)


def test_with_everything_left_out_nothing_is_found(random_fleet):
    outcome = run(random_fleet(2, gpus=5, each=4), skip=STAGES)
    assert outcome.placement is None
    assert outcome.stages_run == ()


def test_each_construction_suffices_alone(random_fleet):
    makers = ("greedy", "parametric", "rebuild", "retune", "regret", "memory_packing")
    instance = random_fleet(3, gpus=5, each=3)
    for maker in makers:
        skip = set(makers) - {maker}
        assert run(instance, skip=skip).placement is not None


def test_a_stage_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="stage 'polish' is not known"):
        run(fleet([10], [(1, 1)]), skip={"polish"})


def test_a_fleet_without_models_has_kvpr_zero():
    assert value(fleet([10, 20], [])) == 0


def test_one_gpu():
    assert value(fleet([10], [(2, 1), (3, 1), (1, 0)])) == Fraction(2, 4)


def test_a_model_larger_than_every_gpu_cannot_be_placed():
    assert run(fleet([10, 12], [(13, 1), (1, 1)])).placement is None


def test_a_gpu_filled_exactly_without_pressure_is_legal():
    assert value(fleet([10, 10], [(6, 0), (4, 0), (2, 1)])) == Fraction(1, 8)


def test_a_full_gpu_under_pressure_is_never_returned():
    assert run(fleet([10], [(6, 0), (4, 1)])).placement is None


def test_a_fleet_without_pressure_that_packs_exactly():
    assert value(fleet([10, 10], [(6, 0), (5, 0), (5, 0), (4, 0)])) == 0


def test_mixed_memory_uses_the_large_gpu_for_the_large_model():
    placement = run(fleet([10, 40], [(30, 1), (4, 1)])).placement
    assert placement is not None
    assert placement.gpu_of == (1, 0)


def test_numbers_beyond_the_range_of_floats():
    big = 10**40
    instance = fleet([80 * big + 1] * 2, [(big * k + 3, f"{k}.{'1' * 30}") for k in range(1, 7)])
    placement = run(instance).placement
    assert placement is not None
    assert placement.max_kvpr < math.inf


def test_candidates_improve_and_the_last_is_the_answer(random_fleet):
    seen = []
    outcome = run(
        random_fleet(4, gpus=6, each=4, zero_share=0.4),
        on_candidate=lambda placement, stage: seen.append((placement, stage)),
    )
    values = [placement.max_kvpr for placement, _ in seen]
    assert values == sorted(set(values), reverse=True)
    assert seen[0][1] == "greedy"
    assert seen[-1][0] is outcome.placement
    assert {stage for _, stage in seen} <= set(STAGES)


def test_stopped_at_once_there_is_still_a_first_answer(random_fleet):
    limits = Limits()
    limits.interrupt()
    outcome = run(random_fleet(4, gpus=6, each=4), limits=limits)
    assert outcome.placement is not None
    assert outcome.stages_run == ("greedy",)
    assert outcome.stages_left_out["swaps"] == "stopped by a limit"


def test_stopping_on_the_way_keeps_what_was_found(random_fleet):
    limits = Limits()
    seen = []

    def stop_at_second(placement, stage):
        seen.append(placement)
        if len(seen) == 2:
            limits.interrupt()

    outcome = run(random_fleet(4, gpus=16, each=4), limits=limits, on_candidate=stop_at_second)
    assert outcome.placement is seen[-1]
    assert len(seen) >= 2


def test_a_hundred_gpus(random_fleet):
    instance = random_fleet(5, gpus=100, each=4)
    scaled = instance.scaled
    free = scaled.total_capacity - scaled.total_size
    volume = Fraction(scaled.total_pressure, free) * scaled.kvpr_unit
    found = value(instance, skip={"rebuild", "retune", "regret"})
    assert volume <= found <= volume * Fraction(101, 100)


@pytest.mark.parametrize("family", ["uniform", "zero-heavy", "mixed"])
def test_blocks_of_any_size_give_the_same_placements(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = random_instance(family, gpus=5, models=20, seed=4)

    def found() -> list[Placement]:
        placements: list[Placement] = []
        run(instance, on_candidate=lambda placement, _: placements.append(placement))
        assert placements
        return [*placements, level(placements[0])]

    whole = found()
    monkeypatch.setattr("kvpr_opt.heuristics.neighbourhood._BLOCK", 45)
    assert found() == whole


def test_a_neighbourhood_that_is_stopped_on_the_way_makes_no_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = random_instance("uniform", gpus=3, models=12, seed=0)
    batch = Candidates(FleetArrays.of(instance), np.arange(12)[None] % 3)
    every, worst = np.arange(1), batch.kvpr.argmax(axis=1)
    monkeypatch.setattr("kvpr_opt.heuristics.neighbourhood._BLOCK", 1)
    limits = Limits()
    limits.interrupt()
    before = batch.assign.copy()
    assert not make_best_swap(batch, every, worst, limits=limits).any()
    assert not make_best_move(batch, every, worst, limits).any()
    assert (batch.assign == before).all()
    assert make_best_swap(batch, every, worst).any()
