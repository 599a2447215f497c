"""The one function that puts bounds, heuristic and search together."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from typing import Any

from kvpr_opt import heuristics
from kvpr_opt.certificates.certificate import certify
from kvpr_opt.certificates.self_check import AFTER_LIMIT, NAMES_CHECKED, self_check, too_long
from kvpr_opt.environment import usable_cores, versions
from kvpr_opt.errors import InputError, check_known
from kvpr_opt.limits import Limits
from kvpr_opt.problem.exact import decimal_text, to_fraction, whole_number
from kvpr_opt.problem.instance import Instance, Number
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Grade, Result, Status, StopReason
from kvpr_opt.search.bounds import lower_bounds
from kvpr_opt.search.tracker import Progress, Tracker
from kvpr_opt.stages import OWN_METHODS, STAGES, SolveRun

#: The largest seed that every solver takes, and more threads than any of them uses well.
MAX_SEED, MAX_THREADS = 2**31 - 1, 1024

#: Seconds for which a proof that is too long to be checked may be shortened at the end, and how
#: many of them may be after the time limit.
SHORTENING, _SHORTENING_LATE = 0.2, 0.1

#: What the end of a run takes of a processor: seconds, and in another one so many names of models
#: and GPUs are written.
_END_SECONDS, _NAMES_WRITTEN = 0.03, 250_000

#: The most that is kept for the end of a run, as a share of the limit.
_END_SHARE = 0.2

#: The last stage of a run.
CHECKING = "check of the certificate"


def solve(
    instance: Instance,
    *,
    time_limit: float | None = None,
    gap: Number = 0,
    method: str = "auto",
    seed: int = 0,
    threads: int | None = None,
    warm_start: Placement | Mapping[str, str] | None = None,
    skip: Collection[str] = (),
    on_progress: Callable[[Progress], object] | None = None,
) -> Result:
    """Place a fleet so that its highest KVPR is as low as possible, and prove it.

    Bounds first, then the heuristic, then the pattern engine between the two (by
    ``method="auto"``) or a threshold search with a formulation, each placement of
    which is polished by the heuristic's local search. When the maximum is settled,
    the next-worst GPUs are lowered in turn, without a claim.

    Parameters
    ----------
    instance
        The fleet.
    time_limit
        Seconds, above 0; ``None`` for no limit.
    gap
        Relative gap between placement and bound at which to stop, 0 to prove
        optimality.
    method
        ``"auto"`` (the pattern engine, then the default formulation where that
        gives up), ``"heuristic"`` (no search), ``"branch_and_price"`` (the pattern
        engine alone), or the name of a formulation; where its model is written in
        PuLP, a solver may follow: ``"assignment_pulp:cbc"``.
    seed
        Random seed of the solver, 0 to 2**31 - 1.
    threads
        Cores to use, 1 to 1024; ``None`` for all. Solvers take as many as they can use,
        the pattern engine two. With 1, and where no limit cuts in, the
        same call gives the same placement; with more, the same status and value.
    warm_start
        A placement to start from.
    skip
        Names of stages to leave out, for ablations; see :data:`kvpr_opt.stages.STAGES`.
    on_progress
        Called with a :class:`~kvpr_opt.search.tracker.Progress` at every event; one call at a
        time, with several threads not always from the same one. If it returns ``False``, the
        run ends with its best answer; if it raises, the run ends and the exception is raised
        here.

    Returns
    -------
    Result
        Status, placement, bound and certificate. Ctrl-C and the time limit
        return what there is by then.

    Raises
    ------
    InputError
        For an unknown method or stage, or a number out of its range.
    InvalidPlacementError
        If `warm_start` is no placement of this fleet.
    SolverError
        If an answer contradicts itself: the checker goes over every certificate
        before it is returned. Where the time for that is not left, the message
        says ``not checked``, and the answer does not count as certified.
    """
    check_method(method)
    _check_constraints(method, instance)
    limits = Limits(time_limit)
    wanted, cores, left_out = _gap(gap), _threads(threads), check_stages(skip)
    seed = whole_number("seed", seed, 0, MAX_SEED)
    start = None if warm_start is None else _as_placement(instance, warm_start)
    tracker = Tracker(instance, limits, gap=wanted, on_progress=on_progress)
    run = SolveRun(tracker, method, seed=seed, threads=cores, skip=left_out)
    # Read once in a process, and so not when the time is up.
    versions()
    parameters = {
        "time_limit": None if time_limit is None else float(time_limit),
        "gap": decimal_text(wanted),
        "method": method,
        "seed": seed,
        "threads": cores,
        "skip": sorted(left_out),
    }
    with limits.heeding_signals():
        most = _END_SHARE * limits.remaining
        with limits.keeping(_time_for_the_end(instance, most), most):
            message = run.run(start)
            reason = _stop_reason(tracker, Status.of(tracker.incumbent, tracker.bound_value))
        result = _result(run, message, reason, parameters)
    if tracker.callback_error is not None:
        raise tracker.callback_error
    return result


def check_method(method: str, *, others: tuple[str, ...] = ()) -> None:
    """Refuse a method that :func:`solve` does not know.

    Parameters
    ----------
    method
        The name; behind a formulation in PuLP, that of a solver may follow.
    others
        Names that are allowed as well.

    Raises
    ------
    InputError
        With the nearest known name.
    """
    # The names alone; no formulation is imported.
    from formulations.registry import check_name

    check_name(method, others=(*OWN_METHODS, *others))


def _check_constraints(method: str, instance: Instance) -> None:
    from formulations.registry import check_constraints

    if method not in OWN_METHODS:
        check_constraints(method, instance)


def known_methods() -> tuple[str, ...]:
    """Every method of :func:`solve` by name, without names of solvers."""
    from formulations.registry import NAMES

    return (*OWN_METHODS, *NAMES)


def _gap(gap: Number) -> Fraction:
    try:
        wanted = to_fraction(gap, "gap")
    except InputError as error:
        raise error.within(place="gap") from None
    if not 0 <= wanted < 1:
        raise InputError(f"gap {gap} is not at least 0 and below 1", place="gap")
    return wanted


def _threads(threads: int | None) -> int:
    if threads is None:
        return usable_cores()
    return whole_number("threads", threads, 1, MAX_THREADS)


def check_stages(skip: Collection[str]) -> frozenset[str]:
    """The stages to leave out, every one of them known.

    Raises
    ------
    InputError
        For one that is not, with the nearest known name.
    """
    if not isinstance(skip, Collection):
        raise InputError(f"skip {skip!r} is not a collection of names of stages", place="skip")
    names = frozenset([skip] if isinstance(skip, str) else skip)
    for name in sorted(names, key=str):
        check_known("stage", name, STAGES, place="skip")
    return names


def _as_placement(instance: Instance, given: Placement | Mapping[str, str]) -> Placement:
    return Placement.of(instance, given.assignment if isinstance(given, Placement) else given)


def _stop_reason(tracker: Tracker, status: Status) -> StopReason:
    if status in (Status.OPTIMAL, Status.INFEASIBLE):
        return StopReason.PROVED
    if tracker.gap_reached:
        return StopReason.GAP
    if tracker.limits.interrupted:
        return StopReason.INTERRUPTED
    return StopReason.TIME_LIMIT if tracker.limits.stopped else StopReason.FINISHED


def _time_for_the_end(instance: Instance, most: float) -> float:
    """What certificate and check take of a processor; the former alone if both take too long."""
    names = len(instance.models) + len(instance.gpus)
    writing, checking = _END_SECONDS + names / _NAMES_WRITTEN, names / NAMES_CHECKED
    return writing + checking if writing + checking <= most + AFTER_LIMIT else writing


def _result(run: SolveRun, message: str, reason: StopReason, parameters: dict[str, Any]) -> Result:
    tracker = run.tracker
    status = Status.of(tracker.incumbent, tracker.bound_value)
    if reason is StopReason.TIME_LIMIT and too_long(tracker.instance, tracker.bounds):
        run.shorten(Limits(min(SHORTENING, tracker.limits.remaining + _SHORTENING_LATE)))
    certificate = certify(
        tracker.instance, status=status.value, incumbent=tracker.incumbent, bounds=tracker.bounds
    )
    tracker.enter(CHECKING)
    made = self_check(tracker.instance, certificate, tracker.bounds, tracker.limits)
    return Result(
        instance=tracker.instance,
        status=status,
        placement=tracker.incumbent,
        lower_bound=tracker.bound_value,
        grade=_grade(tracker, certified=made.certified),
        stop_reason=reason,
        message="; ".join(filter(None, [message, *run.remarks, made.remark])),
        certificate=certificate,
        seconds=tracker.limits.elapsed,
        parameters=parameters,
        versions=versions(),
        statistics={**run.statistics, "trajectory": _trajectory(tracker)},
    )


def _grade(tracker: Tracker, *, certified: bool) -> Grade | None:
    if tracker.bound is None:
        return None
    if certified:
        return Grade.CERTIFIED
    return Grade.NOT_CHECKED if tracker.bound.evidence.certified else Grade.SOLVER


def _trajectory(tracker: Tracker) -> list[dict[str, Any]]:
    return [
        {
            "seconds": round(event.seconds, 4),
            "stage": event.stage,
            "max_kvpr": _decimal(event.incumbent),
            "lower_bound": _decimal(event.lower_bound),
        }
        for event in tracker.events
    ]


def _decimal(value: Fraction | float | None) -> float | None:
    return None if value is None or value == math.inf else float(value)


def heuristic(instance: Instance, *, skip: Collection[str] = ()) -> Placement | None:
    """The placement of the heuristic alone, without bound or proof.

    Parameters
    ----------
    instance
        The fleet.
    skip
        Names of stages to leave out; see :data:`kvpr_opt.heuristics.STAGES`.

    Returns
    -------
    Placement or None
        ``None`` where it found none of finite KVPR; there may still be one.
    """
    return heuristics.run(instance, skip=frozenset(skip)).placement


def lower_bound(instance: Instance) -> Fraction | float:
    """The best bound that needs no search: no placement has a smaller maximum KVPR.

    ``math.inf`` if that proves that there is no placement of finite KVPR.
    """
    return max(bound.value for bound in lower_bounds(instance))
