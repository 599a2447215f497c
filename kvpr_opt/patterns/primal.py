"""The primal side: attempts to lower the incumbent, in the main thread and in a second one.

Bounds come from one long chain of questions, each of which needs the previous answer.
Placements need luck: another dive with other choices, another neighbourhood. So with
a second core, a separate thread with its own pattern LP looks for placements while
the main thread raises the bound. The LP and the kernels release the interpreter lock.
The run ends when bound and incumbent meet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import count

from kvpr_opt.errors import NumericalError
from kvpr_opt.patterns.continuous import suits_beam_search
from kvpr_opt.patterns.effort import Effort
from kvpr_opt.patterns.findings import Findings
from kvpr_opt.patterns.narrowing import Narrowing
from kvpr_opt.patterns.steps import EngineSteps
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.tracker import Tracker

#: Attempts of one kind below the incumbent in one round.
_TRIES = 3

#: First random seed of the second thread.
_OTHER_SEEDS = 1_000_000


def dive_low(steps: EngineSteps, effort: Effort) -> None:
    """Dive at the lowest threshold that may pass the LP."""
    low, high, passing = steps.low, steps.high, steps.findings.passing
    lowest = low if passing is None else max(passing, low)
    if lowest < high and not steps.tracker.done:
        steps.dive(steps.scaled.at_most(lowest), effort)


def lower(steps: EngineSteps, effort: Effort, attempt: Callable[[Threshold, Effort], bool]) -> None:
    """Try thresholds halfway between the last failed one (at first the bound) and the incumbent."""
    tried = steps.low
    for _ in range(_TRIES):
        if steps.tracker.done:
            return
        high = steps.high
        threshold = steps.scaled.below(high)
        if tried < threshold.value:
            half = steps.between(tried, high, Fraction(1, 2))
            threshold = min(half, threshold, key=lambda choice: choice.value)
        if not attempt(threshold, effort):
            if threshold.value <= tried:
                return
            tried = Fraction(threshold.value)


@contextmanager
def assisted(
    tracker: Tracker,
    skip: Collection[str],
    findings: Findings,
    narrowing: Narrowing | None = None,
) -> Iterator[None]:
    """Let a second thread lower the incumbent while the block works.

    On large fleets it takes part in the `narrowing`.

    No thread is started if every stage that could lower it is skipped. The thread ends
    with the block, as soon as the tools next check the limits. Its exceptions are
    re-raised here.
    """
    if {"dives", "neighbourhoods"} <= set(skip):
        yield
        return
    over = threading.Event()

    def worker(until: Callable[[], bool]) -> EngineSteps:
        return EngineSteps(tracker, skip, findings, seed=_OTHER_SEEDS, until=until)

    steps = worker(over.is_set)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            if narrowing is None:
                _descend(steps, over)
            else:
                _take_part(narrowing, steps, worker, over)
        except NumericalError:
            pass  # its LP failed; the main thread has its own and goes on
        except BaseException as error:
            raised.append(error)
            tracker.limits.interrupt()

    thread = threading.Thread(target=work, name="kvpr-opt descent")
    thread.start()
    try:
        yield
    except NumericalError:
        if not raised:
            raise
    finally:
        over.set()
        thread.join()
    if raised:
        raise raised[0]


def _descend(steps: EngineSteps, over: threading.Event) -> None:
    number = 0
    while not steps.over:
        # Start with the budgets of the second round: dives vary only from there on.
        effort = Effort.of_round(number + 1)
        lower(steps, effort, steps.repack)
        dive_low(steps, effort)
        lower(steps, effort, steps.dive)
        number += 1
        over.wait(0.01)  # if rounds end at once, leave the time to the other thread


def _take_part(
    narrowing: Narrowing,
    steps: EngineSteps,
    worker: Callable[[Callable[[], bool]], EngineSteps],
    over: threading.Event,
) -> None:
    """Ask and round while there is something to ask or to round, else lower the incumbent."""
    answers = 0
    idle = worker(lambda: over.is_set() or narrowing.answers > answers)
    idle.lp = steps.lp  # its patterns shorten proofs
    beam = suits_beam_search(idle.scaled)
    # A dive over hundreds of GPUs with an LP of its own would finish too late.
    place = idle.search_by_beam if beam else idle.fill_and_dive
    for number in count(1):
        # The main thread asks nothing before its own constructions have ended.
        if narrowing.answers > 0 or not beam:
            narrowing.join(steps)
        answers = narrowing.answers
        lower(idle, Effort.of_round(number), idle.repack)
        lower(idle, Effort.of_round(number), place)
        if steps.over:
            return
        over.wait(0.01)  # if rounds end at once, leave the time to the other thread
