"""Running a solver in a thread of its own, so that limits can stop it at any moment.

Python handles signals in its main thread, between two instructions; inside a
solver's call there are none.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from kvpr_opt.limits import LimitsView

# Seconds between two looks at the limits while the solver works.
_POLL_SECONDS = 0.05

_T = TypeVar("_T")


def run_interruptible(work: Callable[[], _T], limits: LimitsView, stop: Callable[[], object]) -> _T:
    """Do the work, and call `stop` again and again once the limits are reached.

    Parameters
    ----------
    work
        The solver's call.
    limits
        When to stop it.
    stop
        Makes `work` return soon. It may come too early or too late to do so.

    Returns
    -------
    What `work` returns; its exceptions are raised here.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="solver") as pool:
        done = pool.submit(work)
        try:
            while not wait([done], timeout=_POLL_SECONDS).done:
                if limits.stopped:
                    stop()
        finally:  # a second Ctrl-C ends the wait, not the solver
            stop()
        return done.result()
