"""How long a run may take, and how it is stopped early: one object, shared by every stage."""

from __future__ import annotations

import math
import numbers
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from kvpr_opt._alarm import call_within
from kvpr_opt._interrupt import STOP_SIGNALS, StopSignal, note_and_raise, noted
from kvpr_opt.errors import InputError

_T = TypeVar("_T")


class LimitsView(ABC):
    """Limits as the work under them sees them: read-only."""

    @property
    @abstractmethod
    def elapsed(self) -> float:
        """Seconds since the start."""

    @property
    @abstractmethod
    def remaining(self) -> float:
        """Seconds until the deadline, at least 0; ``math.inf`` without one."""

    @property
    @abstractmethod
    def interrupted(self) -> bool:
        """Whether a signal or a caller asked to stop."""

    @property
    def stopped(self) -> bool:
        """Whether to stop now, for whatever reason."""
        return self.interrupted or self.remaining == 0

    def allowance(self) -> float:
        """Seconds for a solver that watches the clock by itself; when they are over, so is the run.

        :attr:`remaining` may still grow: less time is kept for the end once the machine is
        faster. A solver that ended by then would have stopped for no limit of the run.
        """
        return self.remaining

    def until(self, over: Callable[[], bool]) -> LimitsView:
        """The same limits, for work that also stops as soon as `over` returns true."""
        return _Until(self, over)


class _Until(LimitsView):
    """Limits with one more reason to stop."""

    def __init__(self, whole: LimitsView, over: Callable[[], bool]) -> None:
        self._whole = whole
        self._over = over

    @property
    def elapsed(self) -> float:
        return self._whole.elapsed

    @property
    def remaining(self) -> float:
        return self._whole.remaining

    def allowance(self) -> float:
        return self._whole.allowance()

    @property
    def interrupted(self) -> bool:
        return self._whole.interrupted

    @property
    def stopped(self) -> bool:
        return self._whole.stopped or self._over()


class Limits(LimitsView):
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
        self._processor = time.process_time()
        self._deadline = self._start + seconds
        # Seconds kept for the end, whether the run is over because of them, and the latest
        # end that it may have since a solver was told so.
        self._kept, self._most_kept, self._early = 0.0, math.inf, False
        self._told = math.inf
        self._interrupted = threading.Event()
        self._at_once = False
        self._signalled: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, at least 0; ``math.inf`` without one."""
        if self._early:
            return 0.0
        left = self._deadline - time.monotonic()
        if self._kept and left < math.inf:
            left -= min(self._kept * self.slowdown, self._most_kept)
            left = min(left, self._told - time.monotonic())
            # What is over stays over, however fast the machine becomes.
            self._early = left <= 0
        return max(0.0, left)

    def allowance(self) -> float:
        """See :meth:`LimitsView.allowance`."""
        left = self.remaining
        self._told = min(self._told, time.monotonic() + left)
        return left

    @property
    def slowdown(self) -> float:
        """Seconds of the clock for each of a processor, so far; 1 at least.

        All threads of the process count together, so that of two busy ones on a busy
        machine it is too low.
        """
        elapsed = self.elapsed
        if elapsed < _TOO_SHORT_TO_TELL:
            return 1.0
        return max(1.0, elapsed / max(time.process_time() - self._processor, _TICK))

    @property
    def interrupted(self) -> bool:
        """Whether a signal or a caller asked to stop."""
        return self._interrupted.is_set()

    def interrupt(self) -> None:
        """Ask everything that shares these limits to stop. Safe from any thread."""
        self._interrupted.set()

    @contextmanager
    def keeping(self, seconds: float, most: float = math.inf) -> Iterator[None]:
        """Stop earlier inside, so that the caller has some time left for what follows.

        Parameters
        ----------
        seconds
            What that takes of a processor. Where other programs keep this one waiting, it
            takes more, in the proportion in which the run has waited so far.
        most
            Seconds of the clock that are kept at most.
        """
        self._kept, self._most_kept, self._early = seconds, most, False
        self._told = math.inf
        try:
            yield
        finally:
            self._kept, self._early = 0.0, False

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """Let the first stop signal set the stop flag; a second one acts as usual.

        This covers Ctrl-C and, where they raise ``KeyboardInterrupt`` like it (in the
        command they do), for SIGTERM and SIGHUP. Blocks may be nested: a signal stops the
        limits of all of them, and a block that is entered after it starts stopped. Outside
        the main thread, or where the program has its own handler for a signal, nothing is
        changed.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        if noted or any(outer.interrupted for outer in _heeding):
            self.interrupt()
        taken = [number for number in STOP_SIGNALS if signal.getsignal(number) in _RAISING]
        usual = {number: signal.getsignal(number) for number in taken}
        _heeding.append(self)
        try:
            for number in taken:
                signal.signal(number, _stop_all)
            yield
        finally:
            for number in taken:
                if signal.getsignal(number) is _stop_all:
                    signal.signal(number, usual[number])
            _heeding.remove(self)

    def call_interruptibly(self, work: Callable[[], _T], *, seconds: float = math.inf) -> _T | None:
        """Call what looks at neither flag nor clock, and give it up where it has to end.

        Parameters
        ----------
        work
            Plain Python; the first stop signal leaves it at once, and sets the stop flag.
        seconds
            After which it is left as well (:func:`kvpr_opt._alarm.call_within`).

        Returns
        -------
        What `work` returns, ``None`` where it was given up.
        """
        try:
            try:
                self._at_once = True
                return work() if seconds == math.inf else call_within(seconds, work)
            finally:
                self._at_once = False
        except KeyboardInterrupt:  # also one that comes as the call ends
            self.interrupt()
            return None

    def _signal(self) -> bool:
        """Note a signal; return whether it is a second request to stop."""
        now = time.monotonic()
        if self._signalled is None:
            self._signalled = now
        self.interrupt()
        return now - self._signalled > _ONE_REQUEST


#: The limits that a stop signal interrupts: of the blocks that the main thread is in.
_heeding: list[Limits] = []

# What handles a signal by raising ``KeyboardInterrupt``.
_RAISING = (signal.default_int_handler, note_and_raise)

# Schedulers and terminals send SIGTERM and SIGHUP twice; two within so few seconds count as one.
_ONE_REQUEST = 1.0

# Seconds from which the speed of a run is known, and the shortest ones of a processor's clock.
_TOO_SHORT_TO_TELL, _TICK = 0.1, 0.001


def _stop_all(number: int, _frame: FrameType | None) -> None:
    if number == signal.SIGINT:
        signal.signal(number, signal.default_int_handler)
    again = [limits._signal() for limits in _heeding]
    if again[-1] or any(limits._at_once for limits in _heeding):
        raise StopSignal


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
