"""The whole, against brute force, against itself, and under limits."""

from __future__ import annotations

import math
import os
import random
import re
import signal
import threading
import time
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_fleets import TRAP, brute_force, fleet, fleets, random_fleet

from kvpr_opt import GPU, LLM, Instance, Result, Status, StopReason, solve, verify
from kvpr_opt.errors import InputError, InvalidPlacementError
from kvpr_opt.generate import prism_instances, random_instance
from kvpr_opt.search.tracker import Progress
from kvpr_opt.warm_up import warm_up


def exact(instance: Instance, **options: Any) -> Result:
    result = solve(instance, threads=1, **options)
    check_claims(result)
    return result


def check_claims(result: Result) -> None:
    """What must hold of every answer."""
    assert result.certificate is not None
    report = verify(result.instance, result.certificate)
    assert report.exit_code == (0 if result.certified else 3), str(report)
    if result.placement is not None:
        assert result.max_kvpr == result.placement.max_kvpr
        assert result.lower_bound is None or result.lower_bound <= result.max_kvpr  # type: ignore[operator]


def agrees_with_brute_force(instance: Instance) -> None:
    result, optimum = exact(instance), brute_force(instance)
    assert result.lower_bound == optimum
    if optimum == math.inf:
        assert result.status is Status.INFEASIBLE
        assert result.message
    else:
        assert result.status is Status.OPTIMAL
        assert result.max_kvpr == optimum


@pytest.mark.parametrize("block", range(6))
def test_it_equals_brute_force_on_random_small_fleets(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        agrees_with_brute_force(random_fleet(random.Random(seed), most_models=6, most_gpus=3))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_it_equals_brute_force_on_2000_fleets_of_up_to_8_models_and_4_gpus(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        agrees_with_brute_force(random_fleet(random.Random(f"large {seed}")))


#: Ways through the stages, each of which can settle a small fleet.
WAYS: list[tuple[str, tuple[str, ...]]] = [
    ("auto", ()),
    ("auto", ("heuristic", "compiled_search", "counting_bound")),
    ("auto", ("heuristic", "compiled_search", "lp_bound")),
    ("auto", ("compiled_search", "dives")),
    ("auto", ("lp_bound", "dives", "exhaustive_search")),
    ("auto", ("lp_bound", "dives", "neighbourhoods", "exhaustive_search")),
    ("branch_and_price", ("heuristic", "compiled_search", "dives", "lp_bound")),
    ("branch_and_price", ("heuristic", "counting_bound")),
    ("assignment_cpsat", ("heuristic", "counting_bound", "polish", "level")),
    ("assignment_cpsat", ("refill", "zero_moves", "moves", "swaps")),
]


def agrees_on_the_way(instance: Instance, method: str, skip: tuple[str, ...]) -> None:
    result = exact(instance, method=method, skip=skip, time_limit=60)
    assert result.lower_bound == brute_force(instance), (method, skip)


def test_every_way_through_the_stages_ends_at_the_optimum() -> None:
    for seed in range(36):
        instance = random_fleet(random.Random(f"way {seed}"), most_models=6, most_gpus=3)
        agrees_on_the_way(instance, *WAYS[seed % len(WAYS)])


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_every_way_through_the_stages_ends_at_the_optimum_on_10000_fleets(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        instance = random_fleet(random.Random(f"way {seed}"), most_models=6, most_gpus=3)
        agrees_on_the_way(instance, *WAYS[seed % len(WAYS)])


def test_a_small_fleet_placed_best_by_the_heuristic_is_proved_without_a_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def search(*_: object, **__: object) -> None:
        raise AssertionError("the LP had not been asked before")

    warm_up()
    monkeypatch.setattr("kvpr_opt.local_search.search", search)
    for instance in prism_instances()[:5]:
        assert solve(instance, time_limit=20).certified


def test_models_a_billion_times_smaller_than_others_do_not_lose_the_lp() -> None:
    instance = fleet([80, 81, 82], [(40, 5), (0, Fraction(1, 10**12))])
    result = exact(instance, skip=("heuristic", "compiled_search"), time_limit=30)
    assert result.max_kvpr == brute_force(instance)
    assert "pattern_engine" not in result.statistics


def test_values_many_orders_of_magnitude_apart_end_at_once() -> None:
    third, half, p = 2**60 // 3 + 1, 2**59, 2**61 - 1
    instance = fleet(
        [2**60 - 1, 2**60 - 2, 2**60 - 3],
        [
            (third, Fraction(495662560331754238, 97)),
            (half, Fraction(1096506284944923563, p)),
            (half // 2 + 1, Fraction(955233285561285910, 97)),
            (half - 2, Fraction(591595244844963245, 97)),
            (half - 1, Fraction(1085463464157162016, 999999937)),
            (half // 2 + 1, Fraction(732336558228363392, p)),
            (half // 2 + 1, Fraction(269014877174244331, 97)),
        ],
    )
    result = exact(instance, method="branch_and_price", time_limit=30)
    assert result.status is Status.OPTIMAL
    assert result.max_kvpr == brute_force(instance)


def test_the_trap_of_the_strict_question() -> None:
    assert exact(TRAP).max_kvpr == Fraction(1, 8)


def test_the_trap_without_heuristic_and_polish() -> None:
    assert exact(TRAP, skip=("heuristic", "polish", "level")).max_kvpr == Fraction(1, 8)


def test_the_public_benchmark_is_solved_to_its_known_mean() -> None:
    results = [solve(instance, threads=1) for instance in prism_instances()[:10]]
    assert all(result.status is Status.OPTIMAL for result in results)
    alone = [
        solve(instance, threads=1, skip=("heuristic", "polish")).max_kvpr
        for instance in prism_instances()[:10]
    ]
    assert [result.max_kvpr for result in results] == alone


@settings(max_examples=25)
@given(fleets(most_models=5), st.randoms(use_true_random=False))
def test_the_order_of_models_and_gpus_does_not_matter(
    instance: Instance, shuffle: random.Random
) -> None:
    gpus, models = list(instance.gpus), list(instance.models)
    shuffle.shuffle(gpus)
    shuffle.shuffle(models)
    assert exact(Instance(gpus, models)).lower_bound == exact(instance).lower_bound


@settings(max_examples=25)
@given(
    fleets(most_models=5),
    st.fractions(Fraction(1, 9), 9, max_denominator=9),
    st.fractions(Fraction(1, 9), 9, max_denominator=9),
)
def test_the_value_scales_with_memory_and_rates(
    instance: Instance, memory: Fraction, rate: Fraction
) -> None:
    scaled = Instance(
        [GPU(gpu.name, gpu.memory * memory) for gpu in instance.gpus],
        [LLM(m.name, m.size * memory, pressure=m.pressure * rate) for m in instance.models],
    )
    before, after = exact(instance).lower_bound, exact(scaled).lower_bound
    assert before is not None
    assert after == before * rate / memory


@settings(max_examples=25)
@given(fleets(most_models=5), st.integers(1, 12))
def test_another_gpu_never_hurts(instance: Instance, memory: int) -> None:
    larger = Instance([*instance.gpus, GPU("another", memory)], instance.models)
    before, after = exact(instance).lower_bound, exact(larger).lower_bound
    assert before is not None
    assert after is not None
    assert after <= before


@settings(max_examples=25)
@given(fleets(most_models=5))
def test_identical_models_can_be_exchanged(instance: Instance) -> None:
    twins = Instance(
        instance.gpus,
        [*instance.models, *(replace(m, name=f"{m.name}-twin") for m in instance.models[:2])],
    )
    exchanged = Instance(twins.gpus, twins.models[::-1])
    assert exact(twins).lower_bound == exact(exchanged).lower_bound


def test_the_same_call_gives_the_same_placement() -> None:
    instance = random_instance("uniform", gpus=6, models=12, seed=5)
    first, second = exact(instance, seed=1), exact(instance, seed=1)
    assert first.placement == second.placement
    assert first.lower_bound == second.lower_bound


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        (fleet([80, 60], [(81, 1)]), r"model 'm0' \(81\) is larger than the largest GPU \(80"),
        (fleet([80], [(80, 1)]), "fill all usable memory"),
        (
            fleet([80, 60, 60], [(81, 1), (2, 1), (90, 0)]),
            r"2 models: 'm0' \(81\), 'm2' \(90\) are larger than the largest GPU \(80 usable\)",
        ),
        (fleet([80, 60], [(80, 1)]), r"model 'm0' \(80\) is as large as the largest GPU"),
        (fleet([10, 10], [(8, 0), (8, 0), (8, 0)]), "the weights need 24 of memory in total"),
        (fleet([10, 10], [(6, 0), (6, 0), (6, 0)]), "the 3 models .* are more than the 2 GPUs"),
        (
            fleet([11, 11, 11], [(7, 0), (5, 0), (5, 0), (5, 0), (4, 0), (4, 0), (3, 0)]),
            "cannot be packed",
        ),
        (fleet([10, 10], [(7, 1), (6, 0), (3, 0), (3, 0)]), "only by filling a GPU"),
    ],
)
def test_an_infeasible_fleet_is_proved_so_and_its_cause_named(
    instance: Instance, message: str
) -> None:
    assert brute_force(instance) == math.inf
    result = exact(instance)
    assert result.status is Status.INFEASIBLE
    assert result.stop_reason is StopReason.PROVED
    assert result.placement is None
    assert result.gap is None
    assert re.search(message, result.message), result.message


def test_many_models_that_are_too_large_are_counted() -> None:
    result = exact(fleet([80] * 50, [(100 + index, 1) for index in range(30)]))
    assert result.status is Status.INFEASIBLE
    expected = r"30 models: 'm0' \(100\), .*'m19' \(119\) and 10 more are larger than"
    assert re.search(expected, result.message), result.message


def test_no_model_at_all_has_kvpr_zero() -> None:
    result = exact(fleet([80], []))
    assert result.status is Status.OPTIMAL
    assert result.max_kvpr == 0
    assert result.gap == 0


def test_a_gap_asked_for_is_enough() -> None:
    instance = random_instance("uniform", gpus=8, models=32, seed=0)
    result = exact(instance, gap="0.05", time_limit=30)
    assert result.status is Status.FEASIBLE
    assert result.stop_reason is StopReason.GAP
    assert result.gap is not None
    assert 0 < result.gap <= Fraction(1, 20)


def open_for_minutes(seed: int) -> Instance:
    """A fleet that stays unproved for a minute, so that no machine is too fast for a test."""
    return random_instance("real", gpus=64, models=256, seed=seed)


def test_the_time_limit_is_kept_and_the_answer_is_true() -> None:
    instance = open_for_minutes(0)
    start = time.monotonic()
    result = exact(instance, time_limit=2)
    assert time.monotonic() - start < 3
    assert result.status is Status.FEASIBLE
    assert result.stop_reason is StopReason.TIME_LIMIT


def test_a_limit_of_a_blink_still_gives_a_true_answer() -> None:
    result = exact(random_instance("uniform", gpus=8, models=32, seed=1), time_limit=1e-6)
    assert result.status is Status.FEASIBLE
    assert result.stop_reason is StopReason.TIME_LIMIT
    assert result.certified


def test_ctrl_c_returns_the_best_so_far() -> None:
    instance = open_for_minutes(1)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    result = exact(instance)
    assert time.monotonic() - start < 3
    assert result.status is Status.FEASIBLE
    assert result.stop_reason is StopReason.INTERRUPTED


def test_the_heuristic_alone_makes_no_claim_beyond_its_bound() -> None:
    result = exact(random_instance("uniform", gpus=8, models=24, seed=0), method="heuristic")
    assert result.status is Status.FEASIBLE
    assert result.stop_reason is StopReason.FINISHED
    assert result.certified


def test_a_warm_start_is_used() -> None:
    instance = random_instance("uniform", gpus=5, models=10, seed=3)
    best = exact(instance).placement
    assert best is not None
    events: list[Progress] = []
    everything = ("heuristic", "polish", "level")
    result = exact(instance, warm_start=best.assignment, skip=everything, on_progress=events.append)
    first = next(event for event in events if event.incumbent is not None)
    assert (first.stage, first.incumbent) == ("warm start", best.max_kvpr)
    assert result.max_kvpr == best.max_kvpr


def test_a_warm_start_of_another_fleet_is_refused() -> None:
    with pytest.raises(InvalidPlacementError, match="no model 'x'"):
        solve(TRAP, warm_start={"x": "g0"})


def test_levelling_lowers_the_next_worst_gpus_and_never_the_maximum() -> None:
    lowered = 0
    for seed in range(6):
        instance = random_instance("uniform", gpus=4, models=8, seed=seed)
        plain, levelled = exact(instance, skip=("level",)), exact(instance)
        assert levelled.max_kvpr == plain.max_kvpr
        assert profile(levelled) <= profile(plain)
        lowered += profile(levelled) < profile(plain)
    assert lowered


def profile(result: Result) -> list[Fraction | float]:
    """The KVPR of all GPUs, the worst first."""
    assert result.placement is not None
    return sorted(result.placement.kvpr.values(), reverse=True)


@pytest.mark.parametrize("method", ["auto", "assignment_cpsat"])
def test_rates_of_many_digits_are_no_obstacle_to_a_proof(method: str) -> None:
    # The common denominator of the pressures is far beyond 64 bits.
    for seed in range(3):
        draw = random.Random(seed)
        instance = Instance(
            [GPU(f"g{index}", 80, 2) for index in range(3)],
            [
                LLM(
                    f"m{index}",
                    f"{draw.uniform(2, 30):.1f}",
                    req_rate=f"{draw.uniform(1, 20):.1f}",
                    slo=f"{draw.uniform(0.2, 2):.3f}",
                )
                for index in range(7)
            ],
        )
        result = exact(instance, method=method, time_limit=20)
        assert result.status is Status.OPTIMAL
        assert result.max_kvpr == brute_force(instance)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "cplex"},
            "method 'cplex' is not known.*known: auto, heuristic, branch_",
        ),
        ({"method": "assignment_cpsa"}, "did you mean 'assignment_cpsat'"),
        ({"skip": ("refil",)}, "stage 'refil' is not known.*did you mean 'refill'"),
        ({"gap": -1}, "gap -1 is not at least 0"),
        ({"gap": 1}, "gap 1 is not at least 0 and below 1"),
        ({"gap": "x"}, "^gap: gap 'x'"),
        ({"method": None}, "^method: method None is not known"),
        ({"skip": None}, "^skip: skip None is not a collection"),
        ({"skip": [3]}, "^skip: stage 3 is not known"),
        ({"seed": -1}, "^seed: seed -1 is not a whole number from 0 to 2147483647"),
        ({"seed": 2**31}, "^seed: seed 2147483648 is not a whole number"),
        ({"seed": 1.5}, r"^seed: seed 1\.5 is not a whole number"),
        ({"seed": True}, "^seed: seed True is not a whole number"),
        ({"threads": 0}, "^threads: threads 0 is not a whole number from 1 to 1024"),
        ({"threads": 100_000}, "^threads: threads 100000 is not a whole number"),
        ({"threads": 2.5}, r"^threads: threads 2\.5 is not a whole number"),
        ({"threads": True}, "^threads: threads True is not a whole number"),
        ({"time_limit": 0}, "^time_limit: time limit 0 is not a number of seconds above 0, or Non"),
        ({"time_limit": "5"}, "^time_limit: time limit '5' is not a number of seconds"),
        ({"time_limit": math.inf}, "^time_limit: time limit inf is not a number of seconds"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        solve(TRAP, **options)


def test_progress_never_goes_backwards() -> None:
    events: list[Progress] = []
    exact(random_instance("uniform", gpus=6, models=12, seed=2), on_progress=events.append)
    incumbents = [event.incumbent for event in events if event.incumbent is not None]
    bounds = [event.lower_bound for event in events if event.lower_bound is not None]
    assert incumbents == sorted(incumbents, reverse=True)
    assert bounds == sorted(bounds)
    assert {event.stage for event in events} >= {"volume bound", "heuristic"}


@pytest.mark.parametrize("left", ["lp_bound", "dives", "neighbourhoods", "exhaustive_search"])
def test_an_engine_that_cannot_close_the_gap_alone_leaves_it_to_the_solver(left: str) -> None:
    """An infeasible fleet, one without pressure, and one with a gap; no limit ends the run."""
    others = {"lp_bound", "dives", "neighbourhoods", "exhaustive_search"} - {left}
    skip = ("heuristic", "compiled_search", "counting_bound", *others)
    fleets = [
        fleet([6, 10, 6], [(5, 9), (5, 9), (2, 1), (4, 9), (1, 9), (3, 9)]),
        fleet([5, 5], [(3, 0), (2, 0), (2, 0), (3, 0)]),
        fleet([10, 12], [(3, 4), (3, 3), (2, 5), (4, 1)]),
    ]
    for instance in fleets:
        result = exact(instance, skip=skip, time_limit=30)
        assert result.lower_bound == brute_force(instance)
