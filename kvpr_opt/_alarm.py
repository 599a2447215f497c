"""An end by the clock for Python code that never looks at it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class OutOfTime(BaseException):
    """Raised inside a call whose time is over; no handler of errors is meant to catch it."""


def call_within(seconds: float, work: Callable[[], _T]) -> _T | None:
    """Call `work`, and give it up once so much wall time has passed: that is ``None``.

    Python looks for the end between two operations of its own; one that takes long, such as a
    product of numbers of millions of digits or compiled code, is finished first. Any thread
    may use it, but not within another such call.
    """
    # No block of a `with`: its machinery is Python code, and may itself be where the time ends.
    alarm = _Alarm(seconds)
    try:
        try:
            alarm.set()
            return work()
        finally:
            alarm.cancel()
    except BaseException as raised:
        alarm.cancel()  # again: a stop signal may have come just before
        if isinstance(raised, OutOfTime):
            return None
        raise


class _Alarm:
    """A thread that raises :class:`OutOfTime` in the one that made it, once at most."""

    def __init__(self, seconds: float) -> None:
        self._sleeper = threading.get_ident()
        self._lock = threading.RLock()
        self._over = False
        self._rung = False
        self._timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._ring)
        self._timer.daemon = True

    def set(self) -> None:
        """Start to count."""
        # What rings meanwhile waits: the timer's own locks are no place to raise an exception.
        with self._lock:
            self._timer.start()

    def cancel(self) -> None:
        """Raise nothing any more, not even what is on its way."""
        with self._lock:
            self._over = True
        if self._rung:
            self._take()
            self._rung = False
        self._timer.cancel()

    def _ring(self) -> None:
        with self._lock:
            if not self._over:
                self._rung = True
                _raise_out_of_time(self._sleeper)

    def _take(self) -> None:
        """Raise what is on its way, or has come already, and catch it."""
        # To withdraw it instead leaves Python looking for it for ever: slow, and with a tracer
        # (a debugger, coverage) some versions then hang in the next call of a function.
        try:
            _raise_out_of_time(self._sleeper)
            while True:
                pass
        except OutOfTime:
            return


def _raise_out_of_time(thread: int) -> None:
    """Let a thread raise :class:`OutOfTime` as soon as it runs Python code; twice is once."""
    import ctypes  # needed by long runs only

    wish = ctypes.py_object(OutOfTime)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), wish)
