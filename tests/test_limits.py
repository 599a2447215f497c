"""One deadline and one stop flag."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest

from kvpr_opt._alarm import call_within
from kvpr_opt.errors import InputError
from kvpr_opt.limits import Limits


@pytest.mark.parametrize(
    "seconds", [0, -1, math.nan, math.inf, 10**400, Fraction(0), True, "5", [5], 5j]
)
def test_a_limit_is_a_finite_number_above_zero(seconds: Any) -> None:
    with pytest.raises(InputError, match=r"^time_limit: time limit .* is not a number of seconds"):
        Limits(seconds)


@pytest.mark.parametrize("seconds", [5, 5.0, Fraction(5), np.float32(5), np.int64(5)])
def test_any_real_number_is_a_limit(seconds: Any) -> None:
    assert 4 < Limits(seconds).remaining <= 5


def test_without_a_limit_nothing_stops() -> None:
    limits = Limits(None)
    assert limits.remaining == math.inf
    assert not limits.stopped


def test_time_can_be_kept_for_the_end() -> None:
    limits = Limits(60)
    with limits.keeping(59.9):
        assert limits.remaining < 0.2
    assert limits.remaining > 50
    with limits.keeping(61):
        assert limits.stopped
    assert not limits.stopped


def test_a_limit_passes() -> None:
    limits = Limits(0.02)
    assert not limits.stopped
    time.sleep(0.03)
    assert limits.stopped
    assert not limits.interrupted
    assert limits.remaining == 0


def test_an_interrupt_stops_from_any_thread() -> None:
    limits = Limits()
    thread = threading.Thread(target=limits.interrupt)
    thread.start()
    thread.join()
    assert limits.stopped
    assert limits.interrupted


def test_the_first_ctrl_c_sets_the_flag_and_the_second_raises() -> None:
    limits = Limits()
    with limits.heeding_signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert limits.interrupted
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_work_that_never_looks_at_the_flag_can_be_left_at_once() -> None:
    limits = Limits()

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        pytest.fail("not left")

    with limits.heeding_signals():
        assert limits.call_interruptibly(work) is None
    assert limits.interrupted
    assert limits.elapsed < 4


def spin(seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "done"


def test_work_that_never_looks_at_the_clock_is_left_when_its_time_is_over() -> None:
    limits = Limits()
    assert limits.call_interruptibly(lambda: spin(10), seconds=0.05) is None
    assert limits.elapsed < 4
    assert not limits.stopped  # it was the time of the work alone
    assert limits.call_interruptibly(lambda: spin(0), seconds=60) == "done"
    assert limits.call_interruptibly(lambda: spin(0)) == "done"


@pytest.mark.parametrize("threads", [1, 8])
def test_an_alarm_never_rings_outside_its_call(threads: int) -> None:
    """Calls that end at about the same moment as their alarm."""
    raised: list[BaseException] = []
    ends: set[str | None] = set()

    def work(seed: int) -> None:
        draw = random.Random(seed)
        try:
            for number in range(400 // threads):
                seconds = draw.uniform(0, 0.002)
                # Python hands over to the alarm's thread every 5 ms only.
                longer = 0.05 if number % 10 == 0 else 0.0005
                busy = seconds + draw.uniform(-0.0005, longer)
                ends.add(call_within(seconds, partial(spin, busy)))
                sum(range(100))
        except BaseException as error:
            raised.append(error)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not raised
    assert ends == {"done", None}


def test_an_alarm_lets_other_exceptions_pass_and_never_rings_after_them() -> None:
    with pytest.raises(ZeroDivisionError):
        call_within(0.01, lambda: 1 // 0)
    assert spin(0.03) == "done"


TRACED = """
import sys
from kvpr_opt._alarm import call_within

def endless():
    while True:
        pass

sys.settrace(lambda *_: None)
print(call_within(0.05, endless), [int(text) for text in "12"])
"""


def test_under_a_tracer_an_alarm_that_rang_is_no_end() -> None:
    """As a debugger or the measurement of coverage is one; Python 3.11 did hang."""
    command = [sys.executable, "-c", TRACED]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.stdout == "None [1, 2]\n", run.stderr


def test_more_time_is_kept_where_others_have_the_processor() -> None:
    limits = Limits(60)
    time.sleep(0.3)  # as good as waiting for another program
    assert limits.slowdown > 10
    with limits.keeping(0.1):
        assert limits.remaining < 58.7
    with limits.keeping(0.1, most=0.2):
        assert limits.remaining > 59


def test_what_is_over_for_the_sake_of_the_end_stays_over() -> None:
    limits = Limits(0.5)
    time.sleep(0.3)
    with limits.keeping(0.1):
        assert limits.stopped
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass  # the machine is faster now
        assert limits.stopped


def test_what_a_solver_was_told_is_the_end_even_if_the_machine_becomes_faster() -> None:
    limits = Limits(1)
    time.sleep(0.2)  # as good as waiting for another program
    with limits.keeping(0.002):
        told = limits.until(lambda: False).allowance()
        start = time.monotonic()
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass  # less is kept now
        assert limits.remaining + (time.monotonic() - start) <= told + 0.001
    assert limits.remaining > 0.0


def test_a_handler_of_the_program_is_left_alone() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        limits = Limits()
        with limits.heeding_signals():
            os.kill(os.getpid(), signal.SIGINT)
        assert seen == [signal.SIGINT]
        assert not limits.interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_is_changed() -> None:
    handlers: list[object] = []

    def work() -> None:
        with Limits().heeding_signals():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_work_may_end_before_the_limits_for_a_reason_of_its_own() -> None:
    whole, reasons = Limits(60), [False]
    part = whole.until(lambda: reasons[0])
    nested = part.until(lambda: False)
    assert not part.stopped
    reasons[0] = True
    assert part.stopped
    assert nested.stopped
    assert not whole.stopped
    whole.interrupt()
    assert part.interrupted


@pytest.fixture
def like_ctrl_c() -> Iterator[None]:
    """SIGTERM raises ``KeyboardInterrupt``, as in the command."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("like_ctrl_c")
def test_sigterm_stops_like_ctrl_c_however_often_it_is_sent_at_once() -> None:
    limits = Limits()
    with limits.heeding_signals():
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert limits.interrupted
        os.kill(os.getpid(), signal.SIGINT)  # the first of its kind
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.usefixtures("like_ctrl_c")
def test_a_second_request_to_stop_is_not_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvpr_opt.limits._ONE_REQUEST", 0.01)
    with Limits().heeding_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.02)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_of_another_program_is_its_own_affair() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Limits().heeding_signals():
        assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_stops_all_blocks_it_finds_and_those_that_follow() -> None:
    outer, inner, late = Limits(), Limits(), Limits()
    with outer.heeding_signals():
        with inner.heeding_signals():
            os.kill(os.getpid(), signal.SIGINT)
        assert outer.interrupted
        assert inner.interrupted
        with late.heeding_signals():
            assert late.interrupted
            os.kill(os.getpid(), signal.SIGINT)  # a new block takes one more
    assert not Limits().interrupted


def test_a_view_cannot_change_its_limits() -> None:
    view = Limits(60).until(lambda: False)
    assert 59 < view.remaining <= 60
    assert view.elapsed < 1
    for name in ("interrupt", "call_interruptibly", "heeding_signals"):
        assert not hasattr(view, name)
