"""The check at the end of a run: done where there is time, named where it was not."""

from __future__ import annotations

import functools
import importlib
import os
import random
import signal
import time
from collections.abc import Callable
from fractions import Fraction

import pytest

from kvpr_opt import GPU, LLM, Instance, Placement, Status, StopReason, solve
from kvpr_opt.certificates import certificate
from kvpr_opt.certificates.evidence import DualVector, LowerBound, Refuted
from kvpr_opt.certificates.self_check import AFTER_LIMIT, seconds_to_check, self_check, too_long
from kvpr_opt.errors import SolverError
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.patterns.proofs.case_proof import shorten_proof
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.tracker import Tracker
from kvpr_opt.verify import row_bytes


def long_numbers(models: int, gpus: int) -> Instance:
    """Models with request rates of 22 digits."""
    draw = random.Random(1)
    return Instance(
        [GPU(f"g{index}", memory=10 * models // gpus) for index in range(gpus)],
        [
            LLM(f"m{index}", draw.randint(2, 9), pressure=f"0.{draw.randrange(10**21, 10**22)}")
            for index in range(models)
        ],
    )


def dual_bound(instance: Instance, points: int) -> LowerBound:
    """Nine tenths of the volume bound of a fleet of equal GPUs, shown by points."""
    scaled = instance.scaled
    value = volume_bound(scaled).value
    assert isinstance(value, Fraction)
    bound = value * Fraction(9, 10)
    sizes, capacities, _ = scaled.packing(scaled.below(bound))
    worth = tuple(size * points // capacities[0] for size in sizes)
    return LowerBound(bound, DualVector(worth, (points,)))


def certified(instance: Instance, bound: LowerBound) -> certificate.Certificate:
    gpus = len(instance.gpus)
    placement = Placement(instance, [model % gpus for model in range(len(instance.models))])
    return certificate.certify(instance, status="feasible", incumbent=placement, bounds=[bound])


def passed() -> Limits:
    """Limits that are over."""
    limits = Limits(0.001)
    time.sleep(0.01)
    return limits


def test_a_short_proof_is_checked_when_the_time_is_up() -> None:
    instance = long_numbers(16, 4)
    bound = LowerBound(volume_bound(instance.scaled).value, volume_bound(instance.scaled).evidence)
    work = seconds_to_check(instance, [bound])
    assert work < 0.01
    assert self_check(instance, certified(instance, bound), [bound], passed()) == (True, "")


def interrupted() -> Limits:
    """Limits that a Ctrl-C has ended."""
    limits = Limits()
    limits.interrupt()
    return limits


@pytest.mark.parametrize("stop", [passed, interrupted])
def test_a_long_proof_is_not_checked_when_there_is_no_time_left(
    stop: Callable[[], Limits],
) -> None:
    instance = long_numbers(128, 16)
    bound = dual_bound(instance, 3_500_000)
    work = seconds_to_check(instance, [bound])
    assert work > 2
    start = time.process_time()
    made = self_check(instance, certified(instance, bound), [bound], stop())
    assert time.process_time() - start < 0.5
    assert not made.certified
    assert made.remark.startswith("not checked: that takes about ")


def test_a_check_that_takes_longer_than_it_should_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, say."""
    instance = long_numbers(16, 4)
    bound = LowerBound(volume_bound(instance.scaled).value, volume_bound(instance.scaled).evidence)

    def endless(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr("kvpr_opt.certificates.self_check.verify", endless)
    monkeypatch.setattr("kvpr_opt.certificates.self_check._SOON_DONE", 0)
    limits = Limits(0.1)
    made = self_check(instance, certified(instance, bound), [bound], limits)
    assert made == (False, "not checked: there was no time left for it")
    assert limits.elapsed < 0.1 + 2 * AFTER_LIMIT


def test_a_proof_too_long_to_be_checked_is_found_in_smaller_numbers() -> None:
    instance = long_numbers(64, 8)
    long = dual_bound(instance, 900_000)
    assert too_long(instance, [long])
    tracker = Tracker(instance, passed())
    tracker.raise_bound(long, "somebody")
    lp = PatternLP(instance.scaled)
    lp.decide(PackingQuestion.of(instance.scaled, instance.scaled.below(long.value)), Limits())
    over = Limits()
    over.interrupt()
    shorten_proof(tracker, lp, over)
    assert too_long(instance, tracker.bounds)
    shorten_proof(tracker, lp, Limits(5))
    short = tracker.bounds
    assert [bound.value for bound in short] == [long.value]
    assert not too_long(instance, short)
    assert self_check(instance, certified(instance, short[0]), short, passed()) == (True, "")
    # What was shortened is not shortened again.
    shorten_proof(tracker, lp, Limits(5))
    assert tracker.bounds[0].evidence is short[0].evidence


def test_a_proof_beyond_the_checkers_limits_is_no_false_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = long_numbers(20, 4)
    bound = dual_bound(instance, 5_000)
    claims = certified(instance, bound)
    assert self_check(instance, claims, [bound], Limits()) == (True, "")
    checker = importlib.import_module("kvpr_opt.verify")  # the package has a function of this name
    limits = checker.LIMITS._replace(row_bytes=0, table_bytes=1)
    monkeypatch.setattr(checker, "LIMITS", limits)
    few = functools.partial(checker.refute, steps=10)
    monkeypatch.setattr("kvpr_opt.certificates.certificate.refute", few)
    made = self_check(instance, claims, [bound], Limits())
    assert not made.certified
    assert made.remark == "not checked: it takes too many steps to find its sets: shorten it"


def test_what_was_ruled_out_in_the_run_is_not_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = random_instance("precise", gpus=8, models=32, seed=0)
    asked: list[int] = []

    def refuting(items: object, bins: object, cases: int) -> str:
        asked.append(cases)
        return "so it is"

    # The trial of the proof goes by another name.
    monkeypatch.setattr("kvpr_opt.certificates.certificate.refute", refuting)
    result = solve(instance, threads=1)
    assert result.certified
    assert result.certificate is not None
    assert [bound.proof["kind"] for bound in result.certificate.bounds] == ["tree"]
    assert asked == []
    # Anyone else has it done, and so has the run where the question is another one.
    assert "so it is" in str(certificate.verify(instance, result.certificate))
    other = Refuted(((1, 1),), ((1, 1, 1),), "as known")
    assert "so it is" in str(certificate.verify(instance, result.certificate, [other]))
    assert len(asked) == 2


def test_a_false_claim_is_an_error() -> None:
    instance = long_numbers(16, 4)
    bound = LowerBound(Fraction(10**6), volume_bound(instance.scaled).evidence)
    with pytest.raises(SolverError, match="the checker rejects the answer"):
        self_check(instance, certified(instance, bound), [bound], Limits())


def test_ctrl_c_during_the_check_does_not_cost_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def endless(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    monkeypatch.setattr("kvpr_opt.certificates.self_check.verify", endless)
    result = solve(long_numbers(6, 2), method="heuristic")
    assert result.status is Status.FEASIBLE
    assert result.stop_reason is StopReason.FINISHED
    assert result.message == "not checked: interrupted"
    assert not result.certified
    assert result.placement is not None


def test_of_equal_models_only_those_that_fit_beside_each_other_are_work() -> None:
    row = row_bytes(2, 9)
    assert DualVector((1,) * 10, (2,)).row_work([4] * 10, 9) == 2 * row
    assert DualVector((1,) * 10, (2,)).row_work([4] * 9 + [0], 9) == 2 * row
    # As many points, but another size, or as large, but other points.
    assert DualVector((1,) * 10, (2,)).row_work([4] * 9 + [10], 9) == 2 * row
    assert DualVector((1,) * 9 + (2,), (2,)).row_work([4] * 10, 9) == 3 * row
    # Of many, bundles of 1, 2, 4 and so on.
    assert DualVector((1,) * 100, (2,)).row_work([4] * 100, 400) == 7 * row_bytes(2, 400)
    # Above 40 million bytes, or 15 billion in all, the checker has no row.
    points = DualVector(tuple(range(376)), (7_991_998,))
    assert points.row_work([1] * 375 + [0], 10**12) == 1_000_000 * 40 * 375
    assert points.row_work([1] * 376, 10**12) is None
    assert points.row_work([1] * 5 + [0] * 371, 2**40 - 2) is not None
    assert points.row_work([1] * 5 + [0] * 371, 2**40 - 1) is None
