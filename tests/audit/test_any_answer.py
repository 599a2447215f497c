"""Whatever bytes a program leaves are a verdict: nothing is raised, and no value is better
than a placement is worth."""

from __future__ import annotations

import contextlib
import itertools
import json
from fractions import Fraction
from typing import Any

from audit_cases import EASY
from hypothesis import given, settings
from hypothesis import strategies as st

from kvpr_opt.audit import benchmark, by_name
from kvpr_opt.audit.cases import Case
from kvpr_opt.audit.export import audit_text
from kvpr_opt.audit.outcome import Audit, CaseAudit
from kvpr_opt.audit.page import page
from kvpr_opt.audit.process import CompletedRun
from kvpr_opt.audit.program import Program
from kvpr_opt.audit.resource_limits import ResourceLimits
from kvpr_opt.audit.verdict import AnswerReading, judge
from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.problem.placement import Placement


def optimum() -> Fraction:
    """The least maximum KVPR of all 64 ways to place the fleet."""
    found = []
    for gpu_of in itertools.product(range(len(EASY.gpus)), repeat=len(EASY.models)):
        with contextlib.suppress(InvalidPlacementError):
            found.append(Placement(EASY, gpu_of).max_kvpr)
    return min(value for value in found if isinstance(value, Fraction))


OPTIMUM = optimum()
CASE = Case("easy", EASY, OPTIMUM, optimal=True)

NAMES = [model.name for model in EASY.models]
GPUS = [gpu.name for gpu in EASY.gpus]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from([*NAMES, *GPUS])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

#: Answers by name: nearly right, or anything.
assignments = st.dictionaries(st.sampled_from(NAMES) | st.text(), st.sampled_from(GPUS) | values)

fields = st.lists(scalars, min_size=3, max_size=5)
items = st.integers(-1, 7) | fields
gpus = st.lists(
    st.tuples(st.integers(-1, 3) | st.text(), st.lists(items, max_size=7) | st.text()), max_size=4
)
reports = st.fixed_dictionaries(
    {"outcome": st.sampled_from(["returned", "returned", "raised", "no function", "too large"])},
    optional={
        "error": st.text(st.characters(exclude_categories=())),
        "seconds": st.floats(),
        "naive": st.none() | st.floats(),
        "patched": st.lists(st.text(), max_size=3),
        "failed_imports": st.lists(st.text(), max_size=3),
        "uses_package": st.booleans(),
        "type": st.text(),
        "changed": st.lists(st.tuples(st.integers(-1, 7), fields), max_size=3),
        "entries": st.integers(0, 9),
        "kept": st.booleans(),
        "gpus": st.none() | gpus | values,
        "pairs": st.none() | st.lists(st.tuples(st.text(), st.text())) | values,
    },
)
answers = (
    st.binary()
    | (assignments | values | reports).map(json.dumps).map(str.encode)
    | st.tuples(reports.map(json.dumps), st.integers(0, 50)).map(
        lambda cut: cut[0][cut[1] :].encode()
    )
)


def check(reading: AnswerReading) -> None:
    verdict = judge(EASY, reading)
    if verdict.max_kvpr is not None:
        assert verdict.assignment is not None
        assert verdict.max_kvpr == Placement.of(EASY, verdict.assignment).max_kvpr
        assert verdict.max_kvpr >= OPTIMUM
    assert verdict.valid == (not verdict.findings)
    assert not verdict.valid or verdict.max_kvpr is not None
    program = Program("/p.py", "0" * 64, "place")
    audit = Audit(
        program, "easy", ResourceLimits(1, 0), (CaseAudit(CASE, (verdict,)),), runs=1, total=1
    )
    for text in (audit_text(audit, "a.json"), audit_text(audit, "a.csv"), page(audit)):
        text.encode("utf-8")
    json.loads(audit_text(audit, "a.json"), parse_constant=refuse)


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


@settings(deadline=None, max_examples=80)
@given(answers)
def test_any_answer_is_a_verdict(answer: bytes) -> None:
    run = CompletedRun(0, False, 0.1, answer, "", True)
    for read in (benchmark.read, by_name.read_report, by_name.read_output):
        check(read(EASY, run))


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from(range(3)), min_size=6, max_size=6),
    st.lists(st.integers(0, 5), max_size=2),
    st.permutations(range(6)),
)
def test_a_placement_is_worth_what_it_is_worth(
    gpu_of: list[int], extra: list[int], order: list[int]
) -> None:
    """All answers that are nearly placements, through both ways in."""
    gpus = [
        [gpu, [n for n in order if gpu_of[n] == gpu] + (extra if gpu == 0 else [])]
        for gpu in range(3)
    ]
    report = {"outcome": "returned", "entries": 6, "kept": True, "gpus": gpus}
    by_number = benchmark.read(
        EASY, CompletedRun(0, False, 0.1, json.dumps(report).encode(), "", True)
    )
    check(by_number)
    verdict = judge(EASY, by_number)
    legal = not extra and 2 not in gpu_of
    if legal:
        answer = {NAMES[n]: GPUS[gpu_of[n]] for n in order}
        named = by_name.read_output(
            EASY, CompletedRun(0, False, 0.1, json.dumps(answer).encode(), "", True)
        )
        assert judge(EASY, named).max_kvpr == verdict.max_kvpr
        assert judge(EASY, named).findings == verdict.findings
    else:
        assert not verdict.valid
