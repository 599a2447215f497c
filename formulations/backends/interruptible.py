"""Run a solver in its own thread, so that limits can stop it at any time.

Python handles signals in its main thread, between two bytecode instructions, and so
never during a call into a solver.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from kvpr_opt.limits import LimitsView

# Seconds between two checks of the limits while the solver works.
_POLL_SECONDS = 0.05

_T = TypeVar("_T")


def run_interruptible(work: Callable[[], _T], limits: LimitsView, stop: Callable[[], object]) -> _T:
    """Do the work, and call `stop` repeatedly once the limits are reached.

    Parameters
    ----------
    work
        The solver's call.
    limits
        When to stop it.
    stop
        Makes `work` return soon. A call may come too early or too late to have an effect.

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
