"""Fleets whose pressures have no short unit: rounded, solved, proved, lifted to the exact value."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest
from small_fleets import brute_force, fleet, random_fleet

from kvpr_opt.certificates.certificate import verify
from kvpr_opt.certificates.evidence import LowerBound, Rounded, SolverClaim, Volume
from kvpr_opt.certificates.explain import explain
from kvpr_opt.certificates.lifting import lift
from kvpr_opt.limits import Limits
from kvpr_opt.problem import scaled as scaled_module
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Status
from kvpr_opt.search.bounds import lower_bounds
from kvpr_opt.solve import solve


@pytest.fixture
def always_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fleet is rounded, and coarsely: 12 bits of the total."""
    monkeypatch.setattr(scaled_module, "MAX_EXACT_BITS", 0)
    monkeypatch.setattr(scaled_module, "ROUNDED_BITS", 12)


def agrees(instance: Instance, optimum: Fraction | float) -> Status:
    """Solve; whatever is claimed is true, checked, and near the optimum."""
    result = solve(instance, threads=1, time_limit=20)
    assert result.certificate is not None
    report = verify(instance, result.certificate)
    assert report.exit_code in (0, 3), str(report)
    assert result.lower_bound is None or result.lower_bound <= optimum
    if result.placement is not None:
        exact = Placement(instance, result.placement.gpu_of)
        assert result.max_kvpr == exact.max_kvpr
        assert result.max_kvpr is not None
        assert result.max_kvpr >= optimum
    if result.status is Status.OPTIMAL:
        assert result.max_kvpr == optimum
    if result.status is Status.INFEASIBLE:
        assert optimum == float("inf")
    return result.status


@pytest.mark.usefixtures("always_rounded")
def test_small_fleets_against_brute_force_with_coarse_rounding() -> None:
    random_, seen = random.Random(10), dict.fromkeys(Status, 0)
    for _ in range(60):
        instance = random_fleet(random_, 6, 3)
        seen[agrees(instance, brute_force(instance))] += 1
    assert seen[Status.OPTIMAL] > 30, seen
    assert seen[Status.INFEASIBLE] > 0, seen


@pytest.mark.slow
@pytest.mark.usefixtures("always_rounded")
@pytest.mark.parametrize("seed", range(100, 104))
def test_many_more_small_fleets_with_coarse_rounding(seed: int) -> None:
    random_ = random.Random(seed)
    for _ in range(500):
        instance = random_fleet(random_, 6, 3)
        agrees(instance, brute_force(instance))


def long_decimals(models: int, gpus: int, seed: int = 1) -> Instance:
    """Rates over objectives of nine random decimals: the common denominator is endless."""
    random_ = random.Random(seed)
    pairs = [
        (random_.randint(1, 30), Fraction(random_.randint(1, 100), random_.randint(1, 10**10)))
        for _ in range(models)
    ]
    memory = sum(size for size, _ in pairs) * 13 // (10 * gpus)
    return fleet([memory] * gpus, pairs)


def test_an_optimum_of_long_decimals_is_proved_to_the_last_digit() -> None:
    instance = long_decimals(600, 120)
    assert instance.scaled.rounding is not None
    assert instance.scaled.total_pressure.bit_length() <= scaled_module.ROUNDED_BITS + 1
    result = solve(instance, threads=1, time_limit=20)
    assert result.status is Status.OPTIMAL
    assert result.certified
    assert result.certificate is not None
    assert [bound.proof["kind"] for bound in result.certificate.bounds] == ["rounded"]
    assert verify(instance, result.certificate).exit_code == 0
    text = explain(instance, result.certificate)
    assert "Round every pressure down" in text
    assert "none is better" in text


def test_a_bound_is_lifted_only_where_its_argument_holds() -> None:
    instance = long_decimals(600, 120)
    result = solve(instance, threads=1, time_limit=20)
    assert result.placement is not None
    bounds = lower_bounds(instance)
    best = max(bounds, key=lambda bound: bound.value)
    assert best.value < result.placement.max_kvpr
    lifted = lift(result.placement, best, Limits())
    assert lifted is not None
    assert lifted.value == result.placement.max_kvpr
    assert isinstance(lifted.evidence, Rounded)
    # A worse placement is no bound.
    worst = max(
        (Placement(instance, moved) for moved in _moves(result.placement)),
        key=lambda placement: placement.max_kvpr,
    )
    assert worst.max_kvpr > result.placement.max_kvpr
    assert lift(worst, best, Limits()) is None
    assert lift(result.placement, LowerBound(best.value, Volume()), Limits()) is None
    word = SolverClaim("s", "1", Fraction(0))
    assert lift(result.placement, LowerBound(best.value, word), Limits()) is None


def _moves(placement: Placement) -> list[list[int]]:
    """Some placements with one model elsewhere, of finite value."""
    found = []
    free = [load.memory - load.used for load in placement.gpus]
    for model, gpu in itertools.product(range(20), range(5)):
        if placement.instance.models[model].size < free[gpu]:
            moved = list(placement.gpu_of)
            moved[model] = gpu
            found.append(moved)
    return found
