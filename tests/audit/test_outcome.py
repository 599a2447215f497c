"""Scores, gaps and words of an audit."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from fractions import Fraction
from html.parser import HTMLParser

import pytest

from kvpr_opt.audit.cases import Case
from kvpr_opt.audit.export import audit_data, audit_text
from kvpr_opt.audit.outcome import Audit, CaseAudit
from kvpr_opt.audit.page import page
from kvpr_opt.audit.program import Program
from kvpr_opt.audit.resource_limits import ResourceLimits
from kvpr_opt.audit.summary import facts, problems, scores
from kvpr_opt.audit.verdict import AnswerReading, Problem, judge
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.suites import catalogue

FLEET = Instance(
    [GPU("gpu0", 80), GPU("gpu1", 80)],
    [LLM("a", size=40, pressure=4), LLM("b", size=0, pressure=4)],
)
GOOD = AnswerReading(placed=((0, 0), (1, 1)), naive=0.1, seconds=0.002)
POOR = AnswerReading(placed=((0, 0), (1, 0)), naive=0.2, seconds=0.004)
SHORT = AnswerReading(placed=((0, 0),), naive=0.01, seconds=0.001)
CRASH = AnswerReading.failed(Problem.CRASH, "ValueError: <b>")


def audit_of(*runs: Sequence[AnswerReading], name: str = "program.py", case: str = "case") -> Audit:
    cases = (
        CaseAudit(
            Case(f"{case}-{n}", FLEET, Fraction(1, 10), optimal=True),
            tuple(judge(FLEET, reading) for reading in pair),
        )
        for n, pair in enumerate(runs)
    )
    return Audit(
        Program(f"/folder/{name}", "0" * 64, "compute_model_placement"),
        "suite",
        ResourceLimits(1, 0),
        tuple(cases),
        runs=2,
        total=len(runs),
    )


def test_a_score_is_the_inverse_of_the_mean_and_the_share_of_successes() -> None:
    audit = audit_of((GOOD, GOOD), (POOR, POOR))
    assert audit.honest is not None
    assert audit.honest.inverse_mean == pytest.approx(1 / 0.15)
    assert audit.honest.combined == pytest.approx(audit.naive.combined)
    assert audit.best is not None
    assert audit.best.combined == 11
    assert not audit.impossible
    assert audit.gaps == (Fraction(0), Fraction(1, 2))
    assert (audit.optimal, audit.mean_gap) == (1, Fraction(1, 4))


def test_one_case_that_is_not_valid_leaves_no_honest_score_but_a_naive_one() -> None:
    audit = audit_of((GOOD, GOOD), (SHORT, SHORT), (CRASH, CRASH))
    assert audit.honest is None
    assert audit.naive.inverse_mean == pytest.approx(1 / 0.055)
    assert audit.naive.success_rate == pytest.approx(2 / 3)
    assert audit.impossible
    assert audit.problems == {Problem.DROPPED: 1, Problem.CRASH: 1}
    assert dict(problems(audit))["wrong"] == "crash in 1 case, first in case-2: ValueError: <b>"
    assert [value for _, value, _ in scores(audit)] == ["none", "18.8485", "11.0000"]


def test_the_naive_score_of_nothing_but_errors_is_zero() -> None:
    audit = audit_of((CRASH, CRASH))
    assert (audit.naive.combined, audit.impossible, audit.mean_gap) == (0, False, None)


def test_the_first_run_counts_and_another_second_one_is_told() -> None:
    audit = audit_of((POOR, GOOD))
    assert audit.valid
    assert audit.unrepeatable == ("case-0",)
    assert audit.cases[0].max_kvpr == Fraction(1, 5)
    assert "random without a seed" in dict(facts(audit))["note"]


def test_a_second_run_that_fails_makes_the_case_not_valid() -> None:
    audit = audit_of((GOOD, SHORT))
    assert not audit.valid
    assert audit.gaps == ()
    assert audit.unrepeatable == ("case-0",)


def test_randomness_shows_in_placements_that_are_not_valid_too() -> None:
    other = AnswerReading(placed=((1, 0),))
    assert audit_of((SHORT, other)).unrepeatable == ("case-0",)
    assert audit_of((SHORT, SHORT)).unrepeatable == ()


def test_no_program_can_beat_the_certified_optima_of_the_public_benchmark() -> None:
    cases = []
    for name, fleet in catalogue.load("prism50"):
        optimum = catalogue.optimum(fleet)
        assert isinstance(optimum.lower_bound, Fraction)
        assert optimum.placement is not None
        indices = tuple(enumerate(optimum.placement.gpu_of))
        verdict = judge(fleet, AnswerReading(placed=indices, naive=float(optimum.lower_bound)))
        cases.append(
            CaseAudit(Case(name, fleet, optimum.lower_bound, optimum.proved), (verdict, verdict))
        )
    program = Program("p.py", "", "compute_model_placement")
    audit = Audit(program, "prism50", ResourceLimits(1, 0), tuple(cases), runs=2, total=50)
    assert audit.honest == audit.best
    assert audit.best is not None
    assert audit.best.combined == pytest.approx(26.255971749535, abs=1e-12)
    assert audit.optimal == 50
    assert not audit.impossible


def test_the_json_has_every_run_and_exact_values() -> None:
    audit = audit_of((GOOD, GOOD), (SHORT, CRASH))
    data = json.loads(audit_text(audit, "result.json"))
    assert data == audit_data(audit)
    assert data["schema"] == "kvpr-opt/audit/1"
    assert data["valid"] is False
    assert data["score"]["honest"] is None
    first, second = data["cases"]
    assert first["max_kvpr"] == {"exact": "1/10", "decimal": 0.1}
    assert first["runs"][0]["assignment"] == {"a": "gpu0", "b": "gpu1"}
    assert [run["findings"][0]["problem"] for run in second["runs"]] == ["dropped models", "crash"]


def test_the_csv_has_a_line_a_case() -> None:
    text = audit_text(audit_of((GOOD, GOOD), (SHORT, CRASH), case='odd,"name'), "result.CSV")
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["valid"], first["max_kvpr"], first["gap"]) == ("yes", "1/10", "0.0")
    assert second["case"] == 'odd,"name-1'
    assert second["problems"] == "dropped models; crash"
    assert second["max_kvpr"] == ""


class _Tags(HTMLParser):
    """The tags of a page, and whether each that is opened is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_escapes_every_name() -> None:
    text = page(audit_of((GOOD, POOR), (CRASH, CRASH), name="<script>x.py", case='<img "a">'))
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert not tags.seen & {"script", "img", "b "}
    assert "&lt;script&gt;x.py" in text
    assert "&lt;img &quot;a&quot;&gt;-0" in text
    assert "ValueError: &lt;b&gt;" in text
    assert "://" not in text


def test_the_page_marks_an_impossible_score() -> None:
    assert 'class="tile alarm"' in page(audit_of((SHORT, SHORT)))
    assert 'class="tile alarm"' not in page(audit_of((GOOD, GOOD)))
