"""Heuristics that a study compares: baselines, the seed heuristic, its stages, the user's own.

A heuristic takes a fleet and returns a placement. This module measures its time, evaluates
its placement exactly and adds the best bound that needs no search, so that every entry of
a study means the same, whatever placed the fleet.

=================  ====================================================================
``greedy``         models in input order, each to the GPU with the smallest resulting KVPR
``lpt``            the same, by decreasing pressure
``best-fit``       by decreasing size, each to the GPU left with the least memory
``seed``           the seed heuristic of this project with all of its stages
``seed:STAGE``     one of :data:`kvpr_opt.heuristics.STAGES`: a construction alone, or all
                   constructions followed by one improving stage
``local-search``   the compiled local search from a plain start, at most 400 rounds
=================  ====================================================================
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from kvpr_opt import heuristics
from kvpr_opt.certificates.certificate import certify, verify
from kvpr_opt.environment import versions
from kvpr_opt.errors import SolverError
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Grade, Result, Status, StopReason
from kvpr_opt.search.bounds import lower_bounds
from kvpr_opt.study.baselines import best_fit, greedy, lpt
from kvpr_opt.study.runs import Method
from kvpr_opt.study.user_heuristics import load

#: Stages that go beyond the seed heuristic.
BEYOND_THE_SEED = ("best_fit", "repartition", "relief")

#: Rounds of the compiled local search, of 2 to 10 ms each; it ends even without a limit.
ROUNDS = 400

#: Seconds past the time limit after which an answer is late and the run counts as failed.
LATE = 1.0

_CONSTRUCTIONS = (
    "greedy",
    "best_fit",
    "parametric",
    "rebuild",
    "retune",
    "regret",
    "memory_packing",
)
_IMPROVEMENTS = (
    "moves",
    "swaps",
    "worst_pair_swaps",
    "zero_moves",
    "refill",
    "repartition",
    "relief",
)

# The stages that each of these stages depends on.
_NEEDS = {"rebuild": {"parametric"}, "retune": {"parametric"}, "relief": {"moves", "swaps"}}


class LateError(Exception):
    """A heuristic answered too late."""


@dataclass
class Call:
    """One call of a heuristic: its input, its limits, and the improvements it reports."""

    instance: Instance
    seed: int
    limits: Limits
    found: list[tuple[float, str, Fraction]] = field(default_factory=list)

    def offer(self, placement: Placement, stage: str) -> None:
        """Add an improved placement to the trajectory."""
        if isinstance(placement.max_kvpr, Fraction):
            self.found.append((self.limits.elapsed, stage, placement.max_kvpr))


def _seed_without(skip: frozenset[str]) -> Callable[[Call], Placement | None]:
    def place(call: Call) -> Placement | None:
        outcome = heuristics.run(
            call.instance, skip=skip, limits=call.limits, on_candidate=call.offer
        )
        return outcome.placement

    return place


def _all_but(stage: str) -> frozenset[str]:
    """The stages to skip in order to measure one stage."""
    wanted = {stage, *_NEEDS.get(stage, ())}
    if stage in _IMPROVEMENTS:
        wanted.update(_CONSTRUCTIONS)
    return frozenset({*_CONSTRUCTIONS, *_IMPROVEMENTS} - wanted)


def _local_search(call: Call) -> Placement | None:
    # Lazy import: the other heuristics need no compiled code.
    from kvpr_opt.local_search import search

    return search(
        call.instance,
        seed=call.seed,
        limits=call.limits,
        rounds=ROUNDS,
        on_improvement=lambda placement: call.offer(placement, "local-search"),
    )


#: Every heuristic of this package by its name in a study.
HEURISTICS: dict[str, Callable[[Call], Placement | None]] = {
    "greedy": lambda call: greedy(call.instance),
    "lpt": lambda call: lpt(call.instance),
    "best-fit": lambda call: best_fit(call.instance),
    "seed": _seed_without(frozenset(BEYOND_THE_SEED)),
    **{
        f"seed:{stage}": _seed_without(_all_but(stage))
        for stage in (*_CONSTRUCTIONS, *_IMPROVEMENTS)
    },
    "local-search": _local_search,
}


def is_heuristic(method: Method) -> bool:
    """Whether a method is a heuristic of this module, not a method of :func:`kvpr_opt.solve`."""
    return method.program is not None or method.name in HEURISTICS


def place(instance: Instance, method: Method) -> Result:
    """Call a heuristic and evaluate its answer exactly.

    Parameters
    ----------
    instance
        The fleet; a user's heuristic gets a copy.
    method
        The heuristic, its time limit and its seed.

    Returns
    -------
    Result
        As from :func:`kvpr_opt.solve`. Its seconds are those of the heuristic alone; its
        bound is the best one that needs no search. A placement with infinite KVPR
        counts as no placement.

    Raises
    ------
    InvalidPlacementError
        If the answer is not a placement of the fleet.
    LateError
        If the answer comes more than :data:`LATE` seconds after the time limit.
    """
    # Loaded and copied in advance: only the heuristic itself is timed.
    own = None if method.program is None else load(method.program)
    theirs = copy.deepcopy(instance)
    call = Call(theirs, method.seed, Limits(method.time_limit))
    started = time.perf_counter()
    answer = HEURISTICS[method.name](call) if own is None else own(theirs)
    spent = time.perf_counter() - started
    if method.time_limit is not None and spent > method.time_limit + LATE:
        raise LateError(f"it answered after {spent:.1f} s; its limit is {method.time_limit:g} s")
    if isinstance(answer, Placement):
        answer = answer.assignment
    placement = None if answer is None else Placement.of(instance, answer)
    return _judged(instance, method, placement, spent, call)


def _judged(
    instance: Instance, method: Method, placement: Placement | None, spent: float, call: Call
) -> Result:
    if placement is not None and not isinstance(placement.max_kvpr, Fraction):
        placement = None
    bounds = lower_bounds(instance)
    bound = max(bound.value for bound in bounds)
    status = Status.of(placement, bound)
    certificate = certify(instance, status=status.value, incumbent=placement, bounds=bounds)
    report = verify(instance, certificate)
    if report.readable and not report.proved:
        raise SolverError(f"the checker rejects the bound:\n{report}")
    proved = status in (Status.OPTIMAL, Status.INFEASIBLE)
    return Result(
        instance=instance,
        status=status,
        placement=placement,
        lower_bound=bound,
        grade=Grade.CERTIFIED if report.proved else Grade.NOT_CHECKED,
        stop_reason=StopReason.PROVED if proved else _why(call.limits),
        message="",
        certificate=certificate,
        seconds=spent,
        parameters={"time_limit": method.time_limit, "method": method.name, "seed": method.seed},
        versions=versions(),
        statistics={"trajectory": _trajectory(call, placement, spent, bound)},
    )


def _why(limits: Limits) -> StopReason:
    return StopReason.TIME_LIMIT if limits.stopped else StopReason.FINISHED


def _trajectory(
    call: Call, placement: Placement | None, spent: float, bound: Fraction | float
) -> list[dict[str, Any]]:
    points = list(call.found)
    if placement is not None and isinstance(placement.max_kvpr, Fraction):
        points.append((spent, "answer", placement.max_kvpr))
    low = float(bound) if isinstance(bound, Fraction) else None
    return [
        {
            "seconds": round(seconds, 4),
            "stage": stage,
            "max_kvpr": float(value),
            "lower_bound": low,
        }
        for seconds, stage, value in points
    ]
