"""HiGHS beside other programs: it prints nothing and leaves their own HiGHS alone.

HiGHS keeps one scheduler of worker threads for each thread that calls it, made at the
first run, for good. A later run on the same thread with another number of ``threads`` is
refused: HiGHS ends without an answer. So none of our runs takes place on a thread that
belongs to the caller, who may use HiGHS as well.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar, cast

import highspy

_T = TypeVar("_T")

#: Seconds between looks for signals, which on Windows do not end a wait.
_LOOK = 0.1


class QuietHighs(highspy.Highs):  # type: ignore[misc]
    """A HiGHS object that writes nothing to standard output."""

    def __init__(self) -> None:
        super().__init__()
        self.silent()

    def enableCallbacks(self) -> None:
        """Enable them as HiGHS does, silently: from 1.16 on it announces itself here."""
        self.silent()
        super().enableCallbacks()


class OwnThread:
    """A thread that does one piece of work after another, while the caller waits.

    It starts with the first piece and ends with this object. Handing over a piece of work
    and taking its result back costs some ten microseconds, which is why the pattern LP uses
    this rather than a pool of the standard library. What follows on another core is slower
    for a while, too: the larger the pieces, the better.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[_Piece | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], _T]) -> _T:
        """Do the work on the thread, in the caller's context; at once where this is the thread.

        Returns
        -------
        What `work` returns; its exceptions are raised here. Where the wait is interrupted,
        by Ctrl-C, the work is waited for all the same: what it uses is not free before.
        """
        if self._thread is threading.current_thread():
            return work()
        if self._thread is None:
            self._thread = threading.Thread(
                target=_serve, args=(self._work,), name="kvpr-opt HiGHS", daemon=True
            )
            self._thread.start()
            weakref.finalize(self, self._work.put, None)
        piece = _Piece(partial(copy_context().run, work))
        self._work.put(piece)
        try:
            while not piece.done.acquire(timeout=_LOOK):
                pass
        except BaseException:
            piece.done.acquire()
            raise
        if piece.error is not None:
            raise piece.error
        return cast(_T, piece.result)


class _Piece:
    """Work, the lock that is released once it is done, and what came of it."""

    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done = threading.Lock()
        self.done.acquire()
        self.result: Any = None
        self.error: BaseException | None = None


def _serve(pieces: SimpleQueue[_Piece | None]) -> None:
    """Do pieces of work until there is a ``None``; no reference to the owner is held."""
    while (piece := pieces.get()) is not None:
        try:
            piece.result = piece.work()
        except BaseException as error:  # raised in the thread that waits
            piece.error = error
        piece.done.release()
        del piece
