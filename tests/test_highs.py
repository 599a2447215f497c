"""HiGHS beside other programs: the caller's own HiGHS works before, between and after ours."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from contextvars import ContextVar

import pytest

from kvpr_opt.highs import OwnThread, QuietHighs

#: A program that uses HiGHS on its main thread with so many threads, and ours in between.
HOST = """
import os, sys
import highspy
import kvpr_opt as kv

def own(threads):
    highs = highspy.Highs()
    highs.silent()
    highs.setOptionValue("threads", threads)
    highs.setOptionValue("parallel", "on")
    x = highs.addVariable(lb=0, ub=10)
    highs.addConstr(2 * x >= 3)
    highs.minimize(x)
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal, highs.getModelStatus()

def ours(method):
    fleet = kv.random_instance("uniform", gpus=3, models=9, seed=1)
    result = kv.solve(fleet, method=method, threads=2, time_limit=20)
    assert result.statistics.get("pattern_engine") is None, result.statistics["pattern_engine"]
    return result.status.value, result.max_kvpr, result.lower_bound

threads, methods = int(sys.argv[1]), sys.argv[2:]
if threads > 0:
    own(threads)
answers = []
for method in methods:
    answers.append(ours(method))
    own(abs(threads))
print(answers)
"""


def run_host(threads: int, *methods: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HOST, str(threads), *methods],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # The announcement of HiGHS is the host's own, when it makes its first object.
    return done.stdout.splitlines()[-1]


def test_a_host_that_runs_highs_gets_the_same_answers_and_its_own() -> None:
    methods = ("auto", "assignment_pulp", "setpartition_highs")
    before = run_host(2, *methods)
    after = run_host(-3, *methods)
    assert before == after
    assert before.count("optimal") == len(methods)


def test_the_engine_prints_nothing() -> None:
    code = (
        "import kvpr_opt as kv\n"
        "fleet = kv.random_instance('uniform', gpus=4, models=9, seed=1)\n"
        "kv.solve(fleet, time_limit=20, skip=('heuristic', 'compiled_search'))\n"
        "kv.solve(fleet, time_limit=20, method='assignment_pulp', skip=('heuristic',))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == ""


def test_an_object_of_ours_is_silent_from_the_start(capfd: pytest.CaptureFixture[str]) -> None:
    highs = QuietHighs()
    highs.addVar(0.0, 1.0)
    thread = OwnThread()
    thread.run(highs.run)
    assert capfd.readouterr().out == ""


def test_work_is_done_on_one_other_thread_and_its_errors_come_back() -> None:
    thread = OwnThread()
    first = thread.run(threading.get_ident)
    assert first != threading.get_ident()
    assert thread.run(threading.get_ident) == first
    with pytest.raises(ZeroDivisionError):
        thread.run(lambda: 1 // 0)
    assert thread.run(lambda: "on") == "on"


def test_work_within_work_is_done_at_once() -> None:
    thread, idents = OwnThread(), []
    # In a thread that can be left behind, where this would hang.
    other = threading.Thread(
        target=lambda: idents.append(thread.run(lambda: thread.run(threading.get_ident))),
        daemon=True,
    )
    other.start()
    other.join(timeout=10)
    assert idents == [thread.run(threading.get_ident)]


def test_work_is_done_in_the_context_of_the_caller() -> None:
    thread, place = OwnThread(), ContextVar("place", default="elsewhere")
    for where in ("here", "there"):
        place.set(where)
        assert thread.run(place.get) == where


def test_the_thread_ends_with_the_object() -> None:
    thread = OwnThread()
    ident = thread.run(threading.get_ident)
    del thread
    gc.collect()
    for _ in range(100):
        if ident not in {each.ident for each in threading.enumerate()}:
            return
        time.sleep(0.02)
    raise AssertionError("the thread lives on")


def test_an_interrupted_wait_ends_with_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    thread, done = OwnThread(), []
    thread.run(lambda: None)

    class Interrupted:
        """A lock at which the first wait is interrupted."""

        def __init__(self, lock: threading.Lock) -> None:
            self.lock, self.waits = lock, 0

        def acquire(self, timeout: float = -1) -> bool:
            self.waits += 1
            if self.waits == 2:  # the first takes the lock before the work is handed over
                raise KeyboardInterrupt
            return self.lock.acquire(timeout=timeout)

        def release(self) -> None:
            self.lock.release()

    real = threading.Lock
    monkeypatch.setattr("kvpr_opt.highs.threading.Lock", lambda: Interrupted(real()))

    def work() -> None:
        time.sleep(0.1)
        done.append(True)

    with pytest.raises(KeyboardInterrupt):
        thread.run(work)
    assert done == [True]
