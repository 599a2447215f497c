"""How long a run may take, and how it is stopped early: one object, shared by every stage."""

from __future__ import annotations

import math
import numbers
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from types import FrameType

from kvpr_opt.errors import InputError


class Limits:
    """One deadline and one stop flag.

    Parameters
    ----------
    time_limit
        Seconds from now, or ``None`` for no limit.

    Raises
    ------
    InputError
        If the limit is not a finite number above 0.

    Notes
    -----
    Only these limits look at the clock. Budgets inside the algorithms count
    work (iterations, a solver's deterministic time), so that a run which no
    limit cuts short is reproducible.
    """

    def __init__(self, time_limit: float | None = None) -> None:
        seconds = math.inf if time_limit is None else _seconds(time_limit)
        self._start = time.monotonic()
        self._deadline = self._start + seconds
        self._interrupted = threading.Event()
        self._at_once = False
        self._over: Callable[[], bool] = lambda: False

    @property
    def elapsed(self) -> float:
        """Seconds since the start, those that do not count left out."""
        return time.monotonic() - self._start

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, at least 0; ``math.inf`` without one."""
        return max(0.0, self._deadline - time.monotonic())

    @property
    def interrupted(self) -> bool:
        """Whether someone asked to stop."""
        return self._interrupted.is_set()

    @property
    def stopped(self) -> bool:
        """Whether to stop now, for whatever reason."""
        return self.interrupted or self.remaining == 0 or self._over()

    def until(self, over: Callable[[], bool]) -> Limits:
        """The same limits, for work that is to stop as well once `over` says so.

        A copy that shares the stop flag. What stops the clock, or leaves a block at
        once, has to be asked of the original.
        """
        limits = copy(self)  # which shares the stop flag
        limits._over = lambda: self._over() or over()
        return limits

    def interrupt(self) -> None:
        """Ask everything that shares these limits to stop. Safe from any thread."""
        self._interrupted.set()

    @contextmanager
    def not_counting(self) -> Iterator[None]:
        """Stop the clock inside: for work that is done once on a machine."""
        start = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - start
            self._start += spent
            self._deadline += spent

    @contextmanager
    def keeping(self, seconds: float) -> Iterator[None]:
        """Bring the deadline forward inside, so that so much time is left for what follows."""
        self._deadline -= seconds
        try:
            yield
        finally:
            self._deadline += seconds

    @contextmanager
    def heeding_ctrl_c(self) -> Iterator[None]:
        """Let the first Ctrl-C set the stop flag; a second one acts as usual.

        Outside the main thread, or where the program has its own handler for
        the signal, nothing is changed.
        """
        default = signal.default_int_handler
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread or signal.getsignal(signal.SIGINT) is not default:
            yield
            return

        def first_time(_signal: int, _frame: FrameType | None) -> None:
            signal.signal(signal.SIGINT, default)
            self.interrupt()
            if self._at_once:
                raise KeyboardInterrupt

        signal.signal(signal.SIGINT, first_time)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, default)

    @contextmanager
    def interruptible_at_once(self) -> Iterator[None]:
        """Leave the block at the first Ctrl-C, for work that never looks at the flag.

        Whatever the block was doing is given up; the stop flag is set.
        """
        try:
            try:
                self._at_once = True
                yield
            finally:
                self._at_once = False
        except KeyboardInterrupt:  # also one that comes as the block is left
            self.interrupt()


def _seconds(limit: object) -> float:
    if isinstance(limit, numbers.Real) and not isinstance(limit, bool):
        try:
            seconds = float(limit)
        except OverflowError:
            seconds = math.inf
        if 0 < seconds < math.inf:
            return seconds
    shown = limit if isinstance(limit, float) else repr(limit)
    raise InputError(
        f"time limit {shown} is not a number of seconds above 0, or None for no limit",
        place="time_limit",
    )
