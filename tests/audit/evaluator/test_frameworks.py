"""Three frameworks: their own evaluation of six programs, and their protocols without them."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from evolved_programs import HONEST, PROGRAMS, SAID

from kvpr_opt import write_instance
from kvpr_opt.audit.evaluator import Evaluator, evaluate, openevolve, shinka
from kvpr_opt.audit.evaluator.gepa import COMPONENT, PlacementAdapter
from kvpr_opt.generate import prism_instance

# Enough for a call of each honest program, little enough for the one that sleeps.
LIMIT = 1.5


def needs(package: str) -> pytest.MarkDecorator:
    """Skip where a framework is not installed."""
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


@pytest.fixture
def suite(tmp_path: Path) -> str:
    """One fleet whose optimum is shipped."""
    folder = tmp_path / "suite"
    folder.mkdir()
    write_instance(prism_instance(0), folder / "prism-00.json")
    return str(folder)


def check(scores: dict[str, float]) -> None:
    """The honest program is ahead of all others, which have nothing."""
    assert scores.keys() == PROGRAMS.keys()
    assert 0 < scores.pop("honest") <= 1
    assert set(scores.values()) == {0.0}


# -- OpenEvolve ------------------------------------------------------------------------


@needs("openevolve")
def test_openevolve_ranks_the_programs_right(suite: str, tmp_path: Path) -> None:
    from openevolve.config import EvaluatorConfig
    from openevolve.evaluator import Evaluator as OpenEvolve

    file = tmp_path / "evaluator.py"
    file.write_text("from kvpr_opt.audit.evaluator import evaluate\n")
    config = EvaluatorConfig(
        timeout=60,
        cascade_evaluation=False,
        evaluator_args={"suite": suite, "time_limit": LIMIT},
    )
    framework = OpenEvolve(config, str(file))
    scores = {}
    for name, source in PROGRAMS.items():
        metrics = asyncio.run(framework.evaluate_program(source, name))
        scores[name] = metrics["combined_score"]
        artifacts = framework.get_pending_artifacts(name)
        assert SAID[name] in str((artifacts or {})["feedback"])
    check(scores)


@dataclass
class EvaluationResult:
    metrics: dict[str, float]
    artifacts: dict[str, str] = field(default_factory=dict)


def test_the_protocol_of_openevolve(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text(HONEST)
    monkeypatch.delitem(sys.modules, "openevolve.evaluation_result", raising=False)
    alone = evaluate(str(program), suite=suite)
    assert alone["valid"] == 1
    assert all(isinstance(value, float) for value in alone.values())
    stand_in = ModuleType("openevolve.evaluation_result")
    stand_in.EvaluationResult = EvaluationResult  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    with_text = evaluate(str(program), suite=suite)
    assert with_text.metrics == alone
    assert SAID["honest"] in with_text.artifacts["feedback"]
    assert openevolve._evaluator.cache_info().hits


# -- ShinkaEvolve ----------------------------------------------------------------------


def run_shinka_eval(
    program_path: str,
    results_dir: str,
    experiment_fn_name: str,
    num_runs: int,
    get_experiment_kwargs: Callable[[int], dict[str, Any]],
    aggregate_metrics_fn: Callable[[list[Any]], dict[str, Any]],
    validate_fn: Callable[[Any], tuple[bool, str | None]],
) -> tuple[dict[str, Any], bool, str | None]:
    """What the runner of ShinkaEvolve does, in as far as this package relies on it."""
    spec = importlib.util.spec_from_file_location("program", program_path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, experiment_fn_name)
    results = [function(**get_experiment_kwargs(number)) for number in range(num_runs)]
    correct, error = validate_fn(results[0])
    metrics = aggregate_metrics_fn(results)
    folder = Path(results_dir)
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "correct.json").write_text(json.dumps({"correct": correct, "error": error}))
    return metrics, correct, error


def evaluate_by_shinka(suite: str, tmp_path: Path) -> None:
    scores = {}
    for name, source in PROGRAMS.items():
        program, results = tmp_path / f"{name}.py", tmp_path / f"results-{name}"
        program.write_text(source)
        arguments = ["--program_path", str(program), "--results_dir", str(results)]
        metrics, valid, error = shinka.main(suite, LIMIT, arguments=arguments)
        stored = json.loads((results / "metrics.json").read_text())
        assert stored["combined_score"] == metrics["combined_score"]
        assert SAID[name] in stored["text_feedback"]
        correct = json.loads((results / "correct.json").read_text())
        assert correct["correct"] == valid == (name == "honest")
        assert valid or SAID[name] in str(error)
        scores[name] = metrics["combined_score"]
    check(scores)


@needs("shinka")
def test_shinka_ranks_the_programs_right(suite: str, tmp_path: Path) -> None:
    evaluate_by_shinka(suite, tmp_path)


def test_the_protocol_of_shinka(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, core = ModuleType("shinka"), ModuleType("shinka.core")
    core.run_shinka_eval = run_shinka_eval  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shinka", package)
    monkeypatch.setitem(sys.modules, "shinka.core", core)
    evaluate_by_shinka(suite, tmp_path)


# -- GEPA ------------------------------------------------------------------------------


@needs("gepa")
def test_gepa_ranks_the_programs_right(suite: str) -> None:
    from gepa.core.adapter import EvaluationBatch as Batch

    adapter = PlacementAdapter(Evaluator(suite, time_limit=LIMIT))
    scores = {}
    for name, source in PROGRAMS.items():
        batch = adapter.evaluate(list(adapter.names), {COMPONENT: source}, capture_traces=True)
        assert isinstance(batch, Batch)
        scores[name] = sum(batch.scores)
    check(scores)


@needs("gepa")
def test_gepa_evolves_by_it(suite: str, tmp_path: Path) -> None:
    from gepa.api import optimize

    adapter: Any = PlacementAdapter(Evaluator(suite, time_limit=LIMIT))
    prompts: list[str] = []

    def model(prompt: Any) -> str:
        prompts.append(str(prompt))
        return f"```\n{HONEST}```"

    result: Any = optimize(
        seed_candidate={COMPONENT: PROGRAMS["dropping"]},
        trainset=list(adapter.names),
        adapter=adapter,
        reflection_lm=model,
        max_metric_calls=4,
        run_dir=str(tmp_path / "run"),
        display_progress_bar=False,
    )
    assert result.best_candidate[COMPONENT].strip() == HONEST.strip()
    assert "dropped models" in prompts[0]


@dataclass
class EvaluationBatch:
    outputs: list[Any]
    scores: list[float]
    trajectories: list[Any] | None = None


def test_the_protocol_of_gepa(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("gepa.core.adapter")
    stand_in.EvaluationBatch = EvaluationBatch  # type: ignore[attr-defined]
    for name in ("gepa", "gepa.core"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    adapter = PlacementAdapter(Evaluator(suite, time_limit=LIMIT))
    assert adapter.names == ("prism-00.json",)
    scores = {}
    for name, source in PROGRAMS.items():
        candidate = {COMPONENT: source}
        batch = adapter.evaluate(["prism-00.json"], candidate, capture_traces=True)
        data = adapter.make_reflective_dataset(candidate, batch, [COMPONENT])
        (record,) = data[COMPONENT]
        json.dumps(data)
        said = "above the certified bound" if name == "honest" else SAID[name]
        assert said in record["Feedback"]
        scores[name] = sum(batch.scores)
        assert adapter.evaluate(["prism-00.json"], candidate).trajectories is None
    check(scores)
    broken = adapter.evaluate(["prism-00.json"], {COMPONENT: "def f(:"}, capture_traces=True)
    assert broken.scores == [0.0]
    assert "not Python" in broken.trajectories[0].problem
