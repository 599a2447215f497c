"""Executables: the path of a fleet as argument, an assignment as JSON on standard output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from audit_cases import EASY

from kvpr_opt.audit.outcome import Audit
from kvpr_opt.audit.verdict import Problem
from kvpr_opt.problem.instance import GPU, LLM, Instance

ALTERNATE = "print(json.dumps({m['name']: f'gpu{n % 2}' for n, m in enumerate(fleet['models'])}))"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (ALTERNATE, set()),
        (f"import os; assert os.listdir() == [] and not sys.stdin.read(); {ALTERNATE}", set()),
        ("pass", {Problem.NO_PLACEMENT}),
        ("print('hello')", {Problem.NO_PLACEMENT}),
        ("print('[' * 100_000)", {Problem.NO_PLACEMENT}),
        ("print(json.dumps([1, 2]))", {Problem.NO_PLACEMENT}),
        ("print(json.dumps({}))", {Problem.DROPPED}),
        ('print(\'{"model_0": "gpu0", \' * 2)', {Problem.NO_PLACEMENT}),
        (
            "print('{' + ', '.join(f'\"model_{n % 6}\": \"gpu{n % 2}\"' for n in range(7)) + '}')",
            {Problem.DUPLICATED},
        ),
        (
            "print(json.dumps({m['name']: n for n, m in enumerate(fleet['models'])}))",
            {Problem.FOREIGN_GPU},
        ),
        (
            "print(json.dumps({m['name']: ['gpu0'] for m in fleet['models']}))",
            {Problem.FOREIGN_GPU},
        ),
        ("print(json.dumps({m['name']: 'gpu0' for m in fleet['models']}))", {Problem.OVERFULL}),
        (
            "print(json.dumps({m['name'] + 'x': 'gpu0' for m in fleet['models']}))",
            {Problem.DROPPED, Problem.FOREIGN_MODEL},
        ),
        (f"open(sys.argv[1], 'w').close(); {ALTERNATE}", {Problem.MUTATED}),
        (f"{ALTERNATE}; sys.exit(1)", {Problem.CRASH}),
        ("sys.stdout.write('x' * 50_000_000)", {Problem.CRASH}),
        ("x = bytearray(8 << 30)", {Problem.CRASH}),
    ],
)
def test_each_gets_the_verdict_that_is_right(
    run: Callable[..., Audit], script: Callable[[str], Path], body: str, wrong: set[Problem]
) -> None:
    (case,) = run(script(body), EASY).cases
    assert {finding.problem for finding in case.findings} == wrong
    assert (case.max_kvpr is None) == (bool(wrong) and wrong != {Problem.MUTATED})


def test_a_crash_tells_the_end_of_stderr(
    run: Callable[..., Audit], script: Callable[[str], Path]
) -> None:
    (case,) = run(script("raise ValueError('no idea')"), EASY).cases
    assert str(case.findings[0]) == "crash: exit code 1: ValueError: no idea"


def test_time_is_kept(run: Callable[..., Audit], script: Callable[[str], Path]) -> None:
    (case,) = run(script("import time; time.sleep(60)"), EASY, seconds=0.6).cases
    assert [finding.problem for finding in case.findings] == [Problem.TIMEOUT]


def test_gpus_of_different_memory_are_in_its_file(
    run: Callable[..., Audit], script: Callable[[str], Path]
) -> None:
    fleet = Instance(
        [GPU("small", 10), GPU("large", "100.5", reserved="0.5")],
        [LLM("a", size="9.5", pressure="1/3"), LLM("b", size=50, req_rate=4, slo="0.5")],
    )
    audit = run(
        script(
            """
            assert [gpu["memory"] for gpu in fleet["gpus"]] == [10, 100.5]
            assert fleet["models"][0]["pressure"] == "1/3"
            print(json.dumps({"a": "small", "b": "large"}))
            """
        ),
        fleet,
    )
    assert audit.valid
    assert audit.cases[0].max_kvpr == fleet.models[0].pressure * 2


def test_the_naive_score_of_an_executable_forgives_what_it_can(
    run: Callable[..., Audit], script: Callable[[str], Path]
) -> None:
    audit = run(script("print(json.dumps({'model_0': 'gpu0', 'ghost': 'gpu9'}))"), EASY)
    assert not audit.valid
    assert audit.honest is None
    assert audit.naive.inverse_mean == pytest.approx((80 - 14) / 0.2)
