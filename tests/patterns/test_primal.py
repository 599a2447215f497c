"""The second thread: it lowers the incumbent, ends with the first, and hides no error."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from kvpr_opt.errors import SolverError
from kvpr_opt.generate import random_instance
from kvpr_opt.heuristics import run as place
from kvpr_opt.limits import Limits
from kvpr_opt.patterns import primal, steps
from kvpr_opt.patterns.findings import Findings
from kvpr_opt.patterns.narrowing import Narrowing
from kvpr_opt.patterns.primal import assisted
from kvpr_opt.patterns.problem import Fractional, PackingQuestion
from kvpr_opt.patterns.steps import EngineSteps
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.tracker import Tracker


def started(time_limit: float | None = None) -> Tracker:
    instance = random_instance("uniform", gpus=12, models=48, seed=3)
    tracker = Tracker(instance, Limits(time_limit))
    tracker.raise_bound(volume_bound(instance.scaled), "volume bound")
    placed = place(instance, skip=("swaps", "repartition", "relief")).placement
    assert placed is not None
    tracker.offer(placed, "heuristic")
    return tracker


def assistants() -> int:
    """The second threads of runs, but for those in which HiGHS works."""
    return sum(thread.name == "kvpr-opt descent" for thread in threading.enumerate())


def test_it_lowers_the_incumbent_while_the_block_waits() -> None:
    tracker = started()
    before = tracker.incumbent_value
    assert before is not None
    with assisted(tracker, (), Findings()):
        assert assistants() == 1
        deadline = time.monotonic() + 20
        while tracker.incumbent_value == before and time.monotonic() < deadline:
            time.sleep(0.01)
    assert assistants() == 0
    assert tracker.incumbent_value is not None
    assert tracker.incumbent_value < before


def test_on_large_fleets_it_takes_part_in_the_narrowing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_LAST_BINS", 4)
    tracker = started()
    worker = EngineSteps(tracker, (), Findings())
    narrowing = Narrowing(worker)
    with assisted(tracker, (), worker.findings, narrowing):
        deadline = time.monotonic() + 60
        while not tracker.done and time.monotonic() < deadline:
            time.sleep(0.01)
    # It went all the way alone, with questions, roundings and other attempts.
    assert narrowing.answers > 0
    assert tracker.settled


def test_a_thread_adopts_the_patterns_of_another() -> None:
    tracker = started()
    first, second = (EngineSteps(tracker, (), Findings()) for _ in range(2))
    threshold = first.between(first.low, first.high, Fraction(1, 2))
    answer = first.relax_in_loads(threshold)
    assert isinstance(answer, Fractional)
    weights = second.lp.translated(answer.weights, first.lp)
    assert len(weights) == second.lp.pool.size < first.lp.pool.size
    for mine, theirs in ((second, weights), (first, answer.weights)):
        used = np.flatnonzero(theirs)
        packed = mine.lp.pool.counts(used).T @ theirs[used]
        assert (packed >= PackingQuestion.of(first.scaled, threshold).counts - 1e-6).all()


def test_it_ends_when_the_time_is_up() -> None:
    tracker = started(time_limit=0.5)
    with assisted(tracker, (), Findings()):
        while not tracker.done:
            time.sleep(0.01)
    assert tracker.limits.elapsed < 2


def test_what_it_raises_is_raised_in_the_block_that_it_assists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def contradict(*_: object) -> None:
        raise SolverError("contradiction")

    monkeypatch.setattr(primal, "lower", contradict)
    tracker = started()

    def wait() -> None:
        with assisted(tracker, (), Findings()):
            while not tracker.limits.stopped:
                time.sleep(0.01)

    with pytest.raises(SolverError, match="contradiction"):
        wait()
