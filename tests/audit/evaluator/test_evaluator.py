"""The fitness: exact, never gained by cheating, remembered by the digest of the program."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from evolved_programs import HEAD, HONEST, PROGRAMS, SAID, SPREAD

from kvpr_opt import write_instance
from kvpr_opt.audit import runner
from kvpr_opt.audit.evaluator import Evaluator, ProgramEvaluation, evaluate
from kvpr_opt.audit.evaluator import evaluator as module
from kvpr_opt.errors import InputError
from kvpr_opt.generate import prism_instance
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.suites import catalogue

OPTIMAL = """
import json

def place(instance):
    return json.load(open({file!r}))[str(len(instance.models))]
"""


@pytest.fixture
def suite(tmp_path: Path) -> str:
    """Two fleets whose optima are shipped."""
    folder = tmp_path / "suite"
    folder.mkdir()
    for case in (0, 7):
        write_instance(prism_instance(case), folder / f"prism-{case:02}.json")
    return str(folder)


@pytest.mark.parametrize("name", PROGRAMS)
def test_only_an_honest_program_has_a_score(suite: str, name: str) -> None:
    limit = 0.5 if name == "sleeping" else 20
    evaluation = Evaluator(suite, time_limit=limit).evaluate_source(PROGRAMS[name])
    assert evaluation.valid == (name == "honest")
    assert (evaluation.score > 0) == evaluation.valid
    assert evaluation.score < 1
    assert SAID[name] in evaluation.feedback
    assert len(evaluation.cases) == 2


def test_the_score_is_the_mean_of_one_minus_the_gap(suite: str) -> None:
    evaluation = Evaluator(suite).evaluate_source(HONEST)
    expected = Fraction(0)
    for case in (0, 7):
        fleet = prism_instance(case)
        best = catalogue.optimum(fleet).lower_bound
        scope: dict[str, object] = {}
        exec(HONEST, scope)
        expected += Fraction(best) / value_of(scope["compute_model_placement"], fleet) / 2
    assert evaluation.score == pytest.approx(float(expected), abs=1e-12)
    assert evaluation.score == pytest.approx(sum(case.score for case in evaluation.cases) / 2)


def value_of(function: object, fleet: Instance) -> Fraction:
    from kvpr_opt.problem.placement import Placement
    from kvpr_opt.programs.benchmark import as_place

    value = Placement.of(fleet, as_place(function)(fleet)).max_kvpr  # type: ignore[arg-type]
    assert isinstance(value, Fraction)
    return value


def test_an_optimal_program_has_the_score_1_and_nothing_has_more(
    suite: str, tmp_path: Path
) -> None:
    answers = {}
    for case in (0, 7):
        fleet = prism_instance(case)
        placement = catalogue.optimum(fleet).placement
        assert placement is not None
        answers[str(len(fleet.models))] = placement.assignment
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    source = OPTIMAL.format(file=str(tmp_path / "answers.json"))
    evaluation = Evaluator(suite).evaluate_source(source)
    assert (evaluation.score, evaluation.optimal) == (1.0, 2)
    assert "optimal on all fleets (2)" in evaluation.feedback


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f(:", "not Python"),
        ("x = 1", "no function place"),
        (HEAD + "    from kvpr_opt import solve\n" + SPREAD, "it imports kvpr_opt"),
        ("import kvpr_opt as k\n" + HEAD + SPREAD, "it imports kvpr_opt"),
        (
            HEAD + "    __import__('importlib').import_module('kvpr_opt')\n" + SPREAD,
            "it imports kvpr_opt",
        ),
        ("\udcff", "not Python"),
    ],
)
def test_what_is_no_program_of_its_own_has_no_score(suite: str, source: str, said: str) -> None:
    evaluation = Evaluator(suite).evaluate_source(source)
    assert (evaluation.score, evaluation.valid) == (0.0, False)
    assert said in evaluation.feedback


def test_the_solver_can_be_allowed(suite: str) -> None:
    source = HEAD + "    from kvpr_opt import solve\n" + SPREAD
    assert Evaluator(suite, solver_allowed=True).evaluate_source(source).valid


def test_luck_is_worth_nothing(suite: str, tmp_path: Path) -> None:
    count = tmp_path / "count"
    source = (
        HEAD
        + f"    open({str(count)!r}, 'a').write('x')\n"
        + f"    if len(open({str(count)!r}).read()) > 2: return {{}}\n"
        + SPREAD
    )
    assert Evaluator(suite, jobs=1).evaluate_source(source).valid
    count.unlink()
    assert not Evaluator(suite, jobs=1, runs=2).evaluate_source(source).valid


def test_a_fleet_that_the_contract_has_no_words_for_is_skipped(tmp_path: Path) -> None:
    write_instance(prism_instance(0), tmp_path / "equal.json")
    mixed = Instance([GPU("a", 60), GPU("b", 80)], [LLM("x", size=10, pressure=1)])
    write_instance(mixed, tmp_path / "mixed.json")
    evaluator = Evaluator(str(tmp_path))
    evaluation = evaluator.evaluate_source(HONEST)
    assert evaluation.valid
    assert evaluation.skipped == ("mixed.json",)
    assert [case.name for case in evaluation.cases] == ["equal.json"]
    only = evaluator.evaluate_source(HONEST, ["mixed.json"])
    assert (only.score, only.valid) == (0.0, False)
    assert "different memory" in only.feedback


class Counting:
    """The audit, with a count of its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        real = runner.audit

        def audit(*arguments: object, **options: object) -> object:
            self.calls += 1
            return real(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(module, "audit", audit)


def test_a_program_is_evaluated_once(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(monkeypatch)
    folder = tmp_path / "cache"
    evaluator = Evaluator(suite, cache=folder)
    first = evaluator.evaluate_source(HONEST)
    assert evaluator.evaluate_source(HONEST) == first
    assert Evaluator(suite, cache=folder).evaluate_source(HONEST) == first
    assert counting.calls == 1
    evaluator.evaluate_source(HONEST + "\n")  # another program
    evaluator.evaluate_source(HONEST, evaluator.names[:1])  # another question
    Evaluator(suite, cache=folder, time_limit=9).evaluate_source(HONEST)  # another limit
    assert counting.calls == 4
    for file in folder.iterdir():
        file.write_text("{")  # damaged: evaluated anew
    assert Evaluator(suite, cache=folder).evaluate_source(HONEST).score == first.score
    assert counting.calls == 5


def test_what_the_machine_may_be_to_blame_for_is_not_remembered(
    suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(monkeypatch)
    evaluator = Evaluator(suite, time_limit=0.3)
    for _ in range(2):
        assert evaluator.evaluate_source(PROGRAMS["sleeping"]).transient
    assert counting.calls == 2


@pytest.mark.parametrize("settings", [{"runs": 0}, {"time_limit": 0}, {"time_limit": float("inf")}])
def test_settings_that_are_none_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Evaluator("prism50", **settings)  # type: ignore[arg-type]


def test_an_unknown_suite_or_fleet_is_refused(suite: str) -> None:
    with pytest.raises(InputError, match="neither a suite"):
        Evaluator("no-such-suite").evaluate_source(HONEST)
    with pytest.raises(InputError, match="has no fleet 'x'"):
        Evaluator(suite).evaluate_source(HONEST, ["x"])


def test_the_training_suite_is_what_evaluate_uses(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAMS["raising"])
    metrics = evaluate(str(program), time_limit=20)
    assert metrics["combined_score"] == 0
    assert isinstance(Evaluator().names[0], str)
    assert len(Evaluator().names) == 14
    assert len(Evaluator("evolve-held-out").names) == 22


def test_a_score_is_1_only_for_the_optimum() -> None:
    from kvpr_opt.audit.evaluator.evaluation import _float

    assert _float(Fraction(10**30 - 1, 10**30)) < 1
    assert _float(Fraction(1)) == 1
    assert _float(Fraction(1, 10**400)) > 0
    assert _float(Fraction(0)) == 0


def test_an_evaluation_without_cases_has_a_time() -> None:
    assert ProgramEvaluation("s", 0.0, False, 0, (), "").seconds == 0
