"""Entries of made-up records, for the tests of what is written about them."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

from kvpr_opt.result import Status, StopReason
from kvpr_opt.study.recorded_run import Answer, Failure, RecordedRun, TrajectoryPoint
from kvpr_opt.study.runs import Method, Run
from kvpr_opt.suites.cells import Cell, FixedFleet

CELL = Cell("uniform", 8, 32)
AUTO = Method("auto", time_limit=60, threads=2)
OTHER = Method("direct_pulp", time_limit=60, threads=2)

#: Seconds, incumbent and bound of an event.
Step = tuple[float, float | None, float | None]


def entry(
    seed: int,
    cell: Cell | FixedFleet = CELL,
    method: Method = AUTO,
    error: str | None = None,
    machine: dict[str, str | int] | None = None,
    **outcome: Any,
) -> RecordedRun:
    """A recorded run with an error, or with the given keys of its answer."""
    run = Run(cell, seed, method)
    return RecordedRun(
        run=run,
        outcome=answer(run, **outcome) if error is None else Failure(error),
        machine={"cpu": "A", "cores": 2} if machine is None else machine,
        versions={"kvpr-opt": "1.0"},
        ended="2026-01-02T03:04:05+00:00",
    )


def answer(run: Run, **outcome: Any) -> Answer:
    """An answer with the given keys, exact values as text."""
    for name in ("max_kvpr", "lower_bound"):
        text = outcome.get(name)
        outcome[name] = None if text is None else Fraction(text)
    text = f"{run.cell} {run.seed}"
    fleet = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return Answer(
        **{
            "fleet_sha256": fleet,
            "certified": True,
            **outcome,
            "status": Status(outcome["status"]),
            "stop_reason": StopReason(outcome.get("stop_reason", "finished")),
        }
    )


def ran(
    seed: int,
    seconds: float,
    incumbent: str | None,
    bound: str | None,
    *steps: Step,
    stop_reason: str = "",
    **where: Any,
) -> RecordedRun:
    """A run that ended by itself or, with a gap left, at its limit."""
    proved = incumbent is not None and bound is not None and Fraction(incumbent) == Fraction(bound)
    status = "optimal" if proved else "feasible" if incumbent else "unknown"
    return entry(
        seed,
        **where,
        status=status,
        stop_reason=stop_reason or ("proved" if proved else "time limit"),
        max_kvpr=incumbent,
        lower_bound=bound,
        seconds=seconds,
        trajectory=tuple(TrajectoryPoint(time, value, low) for time, value, low in steps),
    )


def infeasible(seed: int, seconds: float, **where: Any) -> RecordedRun:
    """A run that proved that its fleet has no placement."""
    return entry(seed, **where, status="infeasible", stop_reason="proved", seconds=seconds)
