"""Entries of made-up records, for the tests of what is written about them."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

from kvpr_opt.study.runs import Method, Run
from kvpr_opt.suites.cells import Cell, FixedFleet

CELL = Cell("uniform", 8, 32)
AUTO = Method("auto", time_limit=60, threads=2)
OTHER = Method("direct_pulp", time_limit=60, threads=2)

#: Seconds, incumbent and bound of an event.
Step = tuple[float, float | None, float | None]


def entry(
    seed: int, cell: Cell | FixedFleet = CELL, method: Method = AUTO, **outcome: Any
) -> dict[str, Any]:
    """An entry with the given outcome, of the schema that the record has."""
    run = Run(cell, seed, method)
    return {
        "schema": "kvpr-opt/run/1",
        "key": run.key,
        "run": run.identity,
        "machine": {"cpu": "A", "cores": 2},
        "versions": {"kvpr-opt": "1.0"},
        "ended": "2026-01-02T03:04:05+00:00",
        **outcome,
    }


def ran(
    seed: int,
    seconds: float,
    incumbent: str | None,
    bound: str | None,
    *steps: Step,
    certified: bool = True,
    stop_reason: str = "",
    **where: Any,
) -> dict[str, Any]:
    """A run that ended by itself or, with a gap left, at its limit."""
    proved = incumbent is not None and bound is not None and Fraction(incumbent) == Fraction(bound)
    status = "optimal" if proved else "feasible" if incumbent else "unknown"
    run = Run(where.get("cell", CELL), seed, AUTO)
    return entry(
        seed,
        **where,
        fleet_sha256=hashlib.sha256(f"{run.cell} {seed}".encode()).hexdigest(),
        status=status,
        stop_reason=stop_reason or ("proved" if proved else "time limit"),
        max_kvpr=incumbent,
        lower_bound=bound,
        certified=certified,
        seconds=seconds,
        trajectory=[
            {"seconds": time, "stage": "", "max_kvpr": value, "lower_bound": low}
            for time, value, low in steps
        ],
    )


def infeasible(seed: int, seconds: float, **where: Any) -> dict[str, Any]:
    """A run that proved that its fleet has no placement."""
    found = ran(seed, seconds, None, None, **where)
    return {**found, "status": "infeasible", "stop_reason": "proved"}
