"""Published P||Cmax instances, as fleets whose optimum is known."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from small_fleets import fleet

from kvpr_opt import Status, solve, verify
from kvpr_opt.instance import Instance

INSTANCES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "pcmax-small.jsonl").read_text().splitlines()
]


def by_pressure(instance: dict[str, Any]) -> tuple[Instance, Fraction]:
    """Weightless models: machines of any memory C, optimum Cmax / C."""
    memory = 100
    models = [(0, item) for item in instance["items"]]
    return fleet([memory] * instance["machines"], models), Fraction(instance["optimum"], memory)


def by_both(instance: dict[str, Any]) -> tuple[Instance, Fraction]:
    """Size p and pressure r p: N / (C - M) grows with M, so the optimum is r Cmax / (C - Cmax)."""
    rate, optimum = Fraction(3, 7), instance["optimum"]
    memory = optimum + max(instance["items"])
    models = [(item, rate * item) for item in instance["items"]]
    return fleet([memory] * instance["machines"], models), rate * optimum / (memory - optimum)


@pytest.mark.parametrize("embedding", [by_pressure, by_both])
@pytest.mark.parametrize("instance", INSTANCES, ids=lambda instance: instance["name"])
def test_the_published_optimum_is_found_and_proved(instance: Any, embedding: Any) -> None:
    embedded, optimum = embedding(instance)
    result = solve(embedded, threads=1, time_limit=30)
    assert result.lower_bound is not None
    assert result.max_kvpr is not None
    assert result.lower_bound <= optimum <= result.max_kvpr
    assert result.status is Status.OPTIMAL
    assert result.certificate is not None
    assert verify(embedded, result.certificate).exit_code in (0, 3)
