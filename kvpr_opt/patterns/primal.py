"""The primal side: attempts to lower the incumbent, in the main thread and in a second one.

Bounds come from one long chain of questions, each of which needs the previous answer.
Placements need luck: another dive with other choices, another neighbourhood. So with
a second core, a separate thread with its own pattern LP looks for placements while
the main thread raises the bound. The LP and the kernels release the interpreter lock.
The run ends when bound and incumbent meet.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from fractions import Fraction

from kvpr_opt.errors import NumericalError
from kvpr_opt.patterns.bracket import constructs
from kvpr_opt.patterns.effort import Effort
from kvpr_opt.patterns.steps import EngineSteps, Findings, Passed
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
    tracker: Tracker, skip: Collection[str], findings: Findings, *, large: bool = False
) -> Iterator[deque[Passed] | None]:
    """Let a second thread lower the incumbent while the block works.

    On `large` fleets it rounds the last of what the block puts into the queue that this yields.

    No thread is started if every stage that could lower it is skipped. The thread ends
    with the block, as soon as the tools next check the limits. Its exceptions are
    re-raised here.
    """
    if {"dives", "neighbourhoods"} <= set(skip):
        yield None
        return
    jobs: deque[Passed] | None = deque(maxlen=1) if large else None
    over = threading.Event()

    def worker(until: Callable[[], bool]) -> EngineSteps:
        return EngineSteps(tracker, skip, findings, seed=_OTHER_SEEDS, until=until)

    steps = worker(over.is_set)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            if jobs is None:
                _descend(steps, over)
            else:
                _descend_large(steps, worker(lambda: over.is_set() or bool(jobs)), over, jobs)
        except NumericalError:
            pass  # its LP failed; the main thread has its own and goes on
        except BaseException as error:
            raised.append(error)
            tracker.limits.interrupt()

    thread = threading.Thread(target=work, name="kvpr-opt descent")
    thread.start()
    try:
        yield jobs
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


def _descend_large(
    steps: EngineSteps, idle: EngineSteps, over: threading.Event, jobs: deque[Passed]
) -> None:
    """As :func:`_descend`; `idle` stops as soon as something is to be rounded."""
    number = 0
    # A dive over hundreds of GPUs with an LP of its own would finish too late.
    place = idle.search_by_beam if constructs(idle.scaled) else idle.fill_and_dive
    while not steps.over:
        if jobs:
            passed = jobs.pop()
            if passed.threshold.value < steps.high:
                steps.round_passed(passed, 0)
            continue
        effort = Effort.of_round(number + 1)
        lower(idle, effort, idle.repack)
        if not jobs:
            lower(idle, effort, place)
        number += 1
        over.wait(0.01)
