"""Executes the runs of a study on an existing Dask cluster.

Each thread of a Dask worker keeps one worker process of this package, as
:mod:`kvpr_opt.study.execution.local` does on one machine, and the same rules apply: a run
that crashes or hangs ends its own process, not the Dask worker, and is recorded as
failed. If a Dask worker itself is lost, the scheduler gives its runs to another one.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from concurrent.futures import CancelledError
from multiprocessing.connection import wait
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from kvpr_opt.environment import versions
from kvpr_opt.errors import InputError
from kvpr_opt.study.execution import worker
from kvpr_opt.study.execution.local import GRACE, Slot
from kvpr_opt.study.execution.runner import ExecutorLostError
from kvpr_opt.study.recorded_run import Failure, RecordedRun
from kvpr_opt.study.runs import Run
from kvpr_opt.text import error_text

if TYPE_CHECKING:
    from distributed import Client, Future
    from typing_extensions import Self

#: Seconds that the scheduler may take to answer, and its first worker to appear.
CONNECT_LIMIT = 20.0

# Runs submitted per thread of the cluster, so that no thread waits for its next one.
_AHEAD = 2

# Seconds between two counts of the threads of the cluster.
_COUNT_EVERY = 2.0

# Seconds between two checks of a worker whether its run is still wanted.
_TICK = 0.25

# Until Python 3.10 these were two.
_TIMEOUTS = (TimeoutError, asyncio.TimeoutError)

# Seconds that the cluster may take to hand over a result, and to disconnect.
_ANSWER_LIMIT = 5.0


class DaskExecutor:
    """Executes runs on the workers of a Dask cluster; a context manager.

    Parameters
    ----------
    address
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.
    perform, warm, grace
        As for :class:`~kvpr_opt.study.execution.local.LocalExecutor`.

    Raises
    ------
    InputError
        If Dask is not installed, nothing answers at the address, or the workers have a
        different version of this package, or none.
    """

    def __init__(
        self,
        address: str,
        *,
        perform: worker.Perform = worker.perform,
        warm: bool = True,
        grace: float = GRACE,
    ) -> None:
        self._how = perform, warm, grace
        self._lost = (
            f"the Dask scheduler at {address} is lost; the same command continues from here"
        )
        self._client = _connect(address)
        try:
            _check_workers(self._client, address)
        except BaseException:
            self._client.close(timeout=_ANSWER_LIMIT)
            raise
        self._runs: dict[str, tuple[Run, Future[Any]]] = {}
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._number = 0
        self._threads, self._counted = 1, -_COUNT_EVERY

    @property
    def running(self) -> tuple[Run, ...]:
        """The runs in progress, or waiting for a worker."""
        return tuple(run for run, _ in self._runs.values())

    def room(self) -> int:
        """How many more runs can be started now."""
        if self._client.status != "running":
            return 0
        if time.monotonic() - self._counted > _COUNT_EVERY:
            self._counted = time.monotonic()
            try:
                self._threads = sum(self._client.nthreads().values())
            except OSError:  # the scheduler is being lost; `ended` notices
                return 0
        return max(0, _AHEAD * self._threads - len(self._runs))

    def start(self, run: Run) -> None:
        """Start a run; requires :meth:`room`.

        Raises
        ------
        ExecutorLostError
            If the scheduler is lost.
        """
        self._number += 1
        # A name that no other study on the cluster uses, so that results are never shared.
        key = f"kvpr-opt-{run.key}-{self._client.id}-{self._number}"
        try:
            future = self._client.submit(work, run, key, *self._how, key=key, pure=False)
        except OSError:
            raise ExecutorLostError(self._lost) from None
        self._runs[key] = run, future
        future.add_done_callback(lambda _: self._ended.put(key))

    def ended(self, seconds: float) -> list[RecordedRun]:
        """Wait for a run to end, for at most `seconds`; return all that have ended.

        Raises
        ------
        ExecutorLostError
            If the scheduler is lost.
        """
        found = []
        key = ""
        try:
            key = self._ended.get(timeout=seconds)
            while True:
                recorded = self._recorded(key)
                if recorded is not None:
                    # Its own copy of the run, which the study holds already, is let go.
                    own = self._runs.pop(key)[0]
                    found.append(msgspec.structs.replace(recorded, run=own))
                key = self._ended.get_nowait()
        except queue.Empty:
            pass
        except ExecutorLostError:
            if not found:
                raise
            self._ended.put(key)  # first return what has arrived
        if not found and self._client.status == "closed":
            raise ExecutorLostError(self._lost)
        return found

    def _recorded(self, key: str) -> RecordedRun | None:
        """A run that has ended; ``None`` if its worker was lost and it is run again."""
        run, future = self._runs[key]
        if future.status == "error":
            # Not an error of the run, which would be a result: for example, the third Dask
            # worker in a row was lost with it.
            error = future.exception()
            failure = Failure(f"the cluster gave up: {error_text(error)}")
            return msgspec.structs.replace(worker.recorded(run, failure), machine={})
        try:
            recorded: RecordedRun = future.result(timeout=_ANSWER_LIMIT)
        except _TIMEOUTS:
            future.add_done_callback(lambda _: self._ended.put(key))
            return None
        except (CancelledError, OSError):
            raise ExecutorLostError(self._lost) from None
        return recorded

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client.status == "running":
            self._client.cancel([future for _, future in self._runs.values()])
            self._client.run(release, on_error="ignore")
        self._client.close(timeout=_ANSWER_LIMIT)


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "--engine dask requires the package distributed: pip install 'kvpr-opt[dask]'",
            place="engine",
        ) from None
    try:
        return Client(address, timeout=CONNECT_LIMIT, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"no Dask scheduler answers at {address!r}: {reason}", place="address"
        ) from None


def _check_workers(client: Client, address: str) -> None:
    """Refuse a cluster that cannot execute runs, before anything is run."""
    try:
        client.wait_for_workers(1, timeout=CONNECT_LIMIT)
    except _TIMEOUTS:
        raise InputError(f"the cluster at {address} has no workers", place="address") from None
    own = _own_version()
    for name, found in client.run(versions, on_error="return").items():
        if isinstance(found, Exception):
            raise InputError(f"worker {name} cannot run kvpr-opt: {found}", place="address")
        if found.get("kvpr-opt") != own:
            raise InputError(
                f"worker {name} has kvpr-opt {found.get('kvpr-opt')}, not {own} as here",
                place="address",
            )


def _own_version() -> str:
    return versions()["kvpr-opt"]


# -- on the workers of the cluster -------------------------------------------------------

# The slot of each thread, by thread id, with the settings that it was created for.
_slots: dict[int, tuple[tuple[Any, ...], Slot]] = {}


def work(run: Run, key: str, perform: worker.Perform, warm: bool, grace: float) -> RecordedRun:
    """Do one run in the worker process of this thread of the Dask worker.

    Parameters
    ----------
    run
        The run.
    key
        The name of the task; once the scheduler has dropped it, the run is ended.
    perform, warm, grace
        As for :class:`~kvpr_opt.study.execution.local.LocalExecutor`.

    Returns
    -------
    RecordedRun
        The run and its outcome.
    """
    slot = _slot((perform, warm, grace))
    slot.start(run)
    while (outcome := slot.poll()) is None:
        wait([slot.connection], timeout=max(0.0, min(_TICK, slot.deadline - time.monotonic())))
        if not _wanted(key):
            slot.end()
            raise _NotWantedError
    return worker.recorded(run, outcome)


class _NotWantedError(Exception):
    """The scheduler has dropped the run or considers it lost; nobody receives this error."""


def release() -> None:
    """End the worker processes of all threads that are idle."""
    for thread, (_, slot) in list(_slots.items()):
        if slot.run is None:
            del _slots[thread]
            slot.end()


def _slot(how: tuple[Any, ...]) -> Slot:
    thread = threading.get_ident()
    known = _slots.get(thread)
    if known is None or known[0] != how:
        if known is not None:
            known[1].end()
        known = _slots[thread] = how, Slot(*how)
    return known[1]


def _wanted(key: str) -> bool:
    """Whether the scheduler is still waiting for a task of this worker."""
    from distributed import get_worker

    task = get_worker().state.tasks.get(key)
    return task is not None and task.state == "executing"
