"""Stopped at any moment, by a limit or by Ctrl-C, a run returns soon and tells the truth."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from fractions import Fraction

import pytest

from kvpr_opt import (
    GPU,
    LLM,
    Instance,
    Result,
    StopReason,
    heuristic,
    random_instance,
    solve,
    verify,
)
from kvpr_opt.warm_up import warm_up

#: Seconds that a run may go on; one is promised, the other is for what else the machine does.
GRACE = 2.0


def triplets(gpus: int) -> Instance:
    """Three models a GPU that leave 1 % of it: one placement, as hidden as in bin packing."""
    draw = random.Random(0)
    sizes = []
    for _ in range(gpus):
        first = draw.randint(260, 490)
        second = draw.randint(260, 990 - 260 - first) if first < 470 else 260
        sizes += [first, second, 990 - first - second]
    draw.shuffle(sizes)
    return Instance(
        [GPU(f"g{index}", 1000) for index in range(gpus)],
        [LLM(f"m{i}", size, pressure=draw.randint(1, 9)) for i, size in enumerate(sizes)],
    )


FLEETS = {
    "uniform-16x64": lambda: random_instance("uniform", gpus=16, models=64, seed=0),
    "uniform-64x256": lambda: random_instance("uniform", gpus=64, models=256, seed=0),
    "mixed-16x48": lambda: random_instance("mixed", gpus=16, models=48, seed=0),
    "tight-16x64": lambda: random_instance("tight", gpus=16, models=64, seed=0),
    "triplets-20x60": lambda: triplets(20),
}


#: Fleets of the size for which a part of the engine may run for seconds.
LARGE_FLEETS = {
    "uniform-256x1024": lambda: random_instance("uniform", gpus=256, models=1024, seed=0),
    "uniform-1000x4000": lambda: random_instance("uniform", gpus=1000, models=4000, seed=0),
    "mixed-256x1024": lambda: random_instance("mixed", gpus=256, models=1024, seed=0),
    "real-64x256": lambda: random_instance("real", gpus=64, models=256, seed=0),
    "constrained-64x256": lambda: random_instance("constrained", gpus=64, models=256, seed=0),
    "fine-16x64": lambda: random_instance("fine@2", gpus=16, models=64, seed=0),
}


class Claims:
    """All bounds and placements found for one fleet, which must not contradict each other."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.highest_bound = Fraction(0)
        self.lowest_value: Fraction | float = float("inf")

    def check(self, result: Result) -> None:
        assert result.certificate is not None
        report = verify(self.instance, result.certificate)
        if result.certified or "not checked" not in result.message:
            assert report.exit_code == (0 if result.certified else 3), str(report)
        else:
            assert report.exit_code in (0, 3), str(report)
        if result.placement is not None:
            assert set(result.placement.assignment) == {m.name for m in self.instance.models}
            self.lowest_value = min(self.lowest_value, result.placement.max_kvpr)
        if result.lower_bound is not None:
            assert isinstance(result.lower_bound, Fraction), "these fleets have a placement"
            self.highest_bound = max(self.highest_bound, result.lower_bound)
        assert self.highest_bound <= self.lowest_value


def interrupted(instance: Instance, delay: float) -> tuple[Result | None, float]:
    """The result of a run that gets a Ctrl-C, and how late it came; none where it was faster."""
    timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    start = time.monotonic()
    try:
        timer.start()
        result = solve(instance, threads=1)
        late = time.monotonic() - start - delay
        timer.cancel()
        timer.join()
    except KeyboardInterrupt:  # before the run began, or as it ended
        return None, 0.0
    return result, late


def limited(instance: Instance, seconds: float) -> tuple[Result, float]:
    """The result of a run with a time limit, and how late it came."""
    start = time.monotonic()
    result = solve(instance, time_limit=seconds, threads=1)
    return result, time.monotonic() - start - seconds


def stop_at(instance: Instance, moments: Iterator[float]) -> list[float]:
    """Stop a run at each of some moments, by limit and by Ctrl-C in turn; how late each was."""
    claims = Claims(instance)
    lateness = []
    for number, moment in enumerate(moments):
        by_hand = number % 2 == 1
        result, late = (interrupted if by_hand else limited)(instance, moment)
        lateness.append(late)
        assert late < GRACE, f"{late:.2f} s after {'Ctrl-C' if by_hand else 'the limit'}"
        if result is None:
            continue
        claims.check(result)
        if late > 0:
            wanted = StopReason.INTERRUPTED if by_hand else StopReason.TIME_LIMIT
            assert result.stop_reason in (wanted, StopReason.PROVED)
    return lateness


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warm_up()


@pytest.mark.parametrize("name", FLEETS)
def test_a_run_can_be_stopped_at_any_moment(name: str) -> None:
    draw = random.Random(name)
    stop_at(FLEETS[name](), (10 ** draw.uniform(-3, 0) for _ in range(6)))


@pytest.mark.slow
@pytest.mark.parametrize("name", FLEETS)
def test_a_run_can_be_stopped_at_sixty_moments(name: str) -> None:
    draw = random.Random(name)
    late = stop_at(FLEETS[name](), (10 ** draw.uniform(-3, 0.5) for _ in range(60)))
    late.sort()
    print(f"{name}: late by {late[30]:.3f} s at the median, {late[-3:]} at most")


def test_one_of_the_fleets_has_no_placement_to_start_with() -> None:
    assert heuristic(triplets(20)) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE_FLEETS)
def test_a_large_run_can_be_stopped_at_any_moment(name: str) -> None:
    draw = random.Random(name)
    late = stop_at(LARGE_FLEETS[name](), (10 ** draw.uniform(-2, 1) for _ in range(24)))
    late.sort()
    print(f"{name}: late by {late[12]:.3f} s at the median, {late[-3:]} at most")
