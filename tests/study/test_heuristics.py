"""Heuristics in a study: every one is judged in the same way, whoever wrote it."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from small_fleets import fleet

from kvpr_opt import GPU, LLM, Instance, Status, heuristics, random_instance
from kvpr_opt.errors import InputError, InvalidPlacementError
from kvpr_opt.heuristics.plan import POSITIONS
from kvpr_opt.study import baselines
from kvpr_opt.study import heuristics as study_heuristics
from kvpr_opt.study.heuristics import BEYOND_THE_SEED, HEURISTICS, LateError, is_heuristic, place
from kvpr_opt.study.runs import Method
from kvpr_opt.study.spec.read import read_spec
from kvpr_opt.study.user_heuristics import UserHeuristic, program_of

PAGE = Path(__file__).parents[2] / "docs" / "heuristics.md"
SMALL = fleet([10, 10], [(3, 1), (2, 2), (4, 1), (1, 3)])


def own(tmp_path: Path, body: str, **options: Any) -> Method:
    (tmp_path / "own.py").write_text(body)
    return Method("own", 5, program=program_of("own.py", str(tmp_path)), **options)


# -- the heuristics of the package ---------------------------------------------------


def test_greedy_takes_the_models_as_they_come() -> None:
    placement = baselines.greedy(fleet([10, 20], [(4, 2), (4, 2), (4, 1), (4, 0)]))
    # 2/16 on g1 beats 2/6 on g0; then 2/6 and 4/12 are equal: the first in input order.
    assert placement is not None
    assert placement.gpu_of == (1, 0, 1, 1)


def test_lpt_takes_the_largest_pressure_first() -> None:
    placement = baselines.lpt(fleet([10, 10], [(1, 1), (1, 1), (1, 2), (1, 4)]))
    assert placement is not None
    assert placement.gpu_of == (1, 1, 1, 0)
    assert placement.max_kvpr == Fraction(4, 7)


def test_best_fit_looks_at_memory_alone() -> None:
    placement = baselines.best_fit(fleet([10, 8], [(2, 9), (7, 1), (5, 1)]))
    # 7 into 8, 5 into 10, then 2 where 5 are left.
    assert placement is not None
    assert placement.gpu_of == (0, 1, 0)


def test_a_baseline_fills_a_gpu_only_without_pressure() -> None:
    for pressure, gpu in ((0, 1), (1, 0)):
        placement = baselines.best_fit(fleet([10, 8], [(8, pressure)]))
        assert placement is not None
        assert placement.gpu_of == (gpu,)


@pytest.mark.parametrize("place_", [baselines.greedy, baselines.lpt, baselines.best_fit])
def test_a_baseline_without_room_has_no_answer(place_: Any) -> None:
    assert place_(fleet([4, 4], [(3, 1), (3, 1), (3, 1)])) is None


@pytest.mark.parametrize("name", HEURISTICS)
def test_every_heuristic_places_a_fleet_within_its_bound(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_heuristics, "ROUNDS", 20)
    instance = random_instance("zero-heavy", gpus=4, models=16, seed=0)
    result = place(instance, Method(name, 20))
    assert result.placement is not None
    assert result.placement.instance is instance
    assert result.max_kvpr == result.placement.max_kvpr
    assert result.lower_bound is not None
    assert result.max_kvpr is not None
    assert result.lower_bound <= result.max_kvpr
    assert result.certified
    assert 0 < result.seconds < 20
    assert result.statistics["trajectory"][-1]["max_kvpr"] == float(result.max_kvpr)
    again = place(instance, Method(name, 20))
    assert again.placement == result.placement


def test_every_stage_of_the_seed_is_a_heuristic() -> None:
    positions = {f"{stage}:{p}" for stage in ("zero_moves", "refill") for p in POSITIONS}
    single = {f"seed:{stage}" for stage in heuristics.STAGES if stage not in positions}
    assert {name for name in HEURISTICS if ":" in name} == single


def test_a_stage_is_measured_alone() -> None:
    instance = random_instance("uniform", gpus=8, models=32, seed=1)
    names = [name for name in HEURISTICS if name.startswith("seed")]
    values = {name: place(instance, Method(name, 20)).max_kvpr for name in names}
    improving = ("moves", "swaps", "worst_pair_swaps", "zero_moves", "refill", *BEYOND_THE_SEED)
    constructed = heuristics.run(instance, skip=improving).placement
    assert constructed is not None
    assert values["seed:memory_packing"] != values["seed:parametric"]
    for stage in ("moves", "swaps", "worst_pair_swaps"):
        assert values[f"seed:{stage}"] <= constructed.max_kvpr  # type: ignore[operator]
    for stage in ("repartition", "relief"):
        assert values[f"seed:{stage}"] < constructed.max_kvpr  # type: ignore[operator]
    assert values["seed"] <= values["seed:swaps"]  # type: ignore[operator]


def test_the_local_search_has_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_heuristics, "ROUNDS", 3)
    instance = random_instance("uniform", gpus=16, models=96, seed=1)
    first, other = (place(instance, Method("local-search", 20, seed=s)) for s in (0, 1))
    assert first.placement != other.placement


# -- one's own -------------------------------------------------------------------------


def test_the_program_of_the_page_runs_and_is_lpt(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    study = re.search(r"<< end\n(.*?)\nend\n", text, re.DOTALL)
    assert program
    assert study
    (tmp_path / "heuristic.py").write_text(program[1])
    methods = '"auto", "lpt", "best-fit", "local-search"'
    (tmp_path / "study.toml").write_text(study[1].replace('"auto"', methods))
    runs = [run for run in read_spec(tmp_path / "study.toml").runs if is_heuristic(run.method)]
    assert len(runs) == 5 * 50
    # One that is not solved at once; ten seconds are the time of the local search.
    for run in [run for run in runs[:25] if run.method.name != "local-search"]:
        result = place(run.fleet, run.method)
        assert result.placement is not None
        if run.method.name == "mine":
            assert run.method.program is not None
            mine = result.max_kvpr
        if run.method.name == "lpt":
            assert result.max_kvpr == mine


def test_the_page_names_every_heuristic() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in HEURISTICS if f"`{name}`" not in text] == []


def test_an_answer_is_evaluated_exactly_on_another_copy(tmp_path: Path) -> None:
    method = own(
        tmp_path,
        """
from fractions import Fraction
def place(instance):
    for model in instance.models:
        object.__setattr__(model, "pressure", Fraction(0))
        object.__setattr__(model, "size", Fraction(0))
    instance.__dict__.pop("scaled", None)
    return {model.name: "g0" for model in instance.models}
""",
    )
    result = place(SMALL, method)
    assert SMALL.models[0].pressure == 1
    assert result.placement is None  # all four fill g0, which is then under pressure
    assert result.status is Status.UNKNOWN
    assert result.max_kvpr is None
    larger = fleet([11, 10], [(3, 1), (2, 2), (4, 1), (1, 3)])
    assert place(larger, method).max_kvpr == 7


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("return {}", InvalidPlacementError, "'m0' is not placed"),
        ("return {m.name: 'g7' for m in instance.models}", InvalidPlacementError, "'g7'"),
        ("return {m.name: 'g0' for m in instance.models}", InvalidPlacementError, "holds 10"),
        ("return {'m9': 'g0'}", InvalidPlacementError, "no model 'm9'"),
        ("raise KeyError('x')", KeyError, "x"),
        ("import time; time.sleep(1.2); return None", LateError, "its limit is 0.1 s"),
    ],
)
def test_what_is_no_answer_is_an_error(
    tmp_path: Path, body: str, error: type[Exception], message: str
) -> None:
    method = own(tmp_path, f"def place(instance):\n    {body}\n")
    method = Method("own", 0.1, program=method.program)
    tight = fleet([9, 10], [(3, 1), (2, 2), (4, 1), (1, 3)])
    with pytest.raises(error, match=message):
        place(tight, method)


def test_none_is_no_placement_and_no_error(tmp_path: Path) -> None:
    result = place(SMALL, own(tmp_path, "def place(instance):\n    return None\n"))
    assert result.status is Status.UNKNOWN
    assert result.lower_bound


def test_a_bound_that_excludes_every_placement_is_told(tmp_path: Path) -> None:
    result = place(fleet([4], [(5, 1)]), own(tmp_path, "def place(instance): return None"))
    assert result.status is Status.INFEASIBLE


def test_a_program_may_define_what_python_looks_up_in_its_module(tmp_path: Path) -> None:
    body = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Choice:
    gpu: str

calls = []

def place(instance):
    calls.append(1)
    assert len(calls) == 1, "it remembers another fleet"
    return {model.name: Choice("g1").gpu for model in instance.models}
"""
    method = own(tmp_path, body)
    for _ in range(2):
        assert place(fleet([10, 10], [(3, 1)]), method).max_kvpr == Fraction(1, 7)


def test_a_file_with_the_function_of_the_benchmark_is_a_program(tmp_path: Path) -> None:
    body = """
def compute_model_placement(gpu_num, models):
    assert [model.model_size for model in models] == [24, 40]
    return {gpu_num - 1: models[:1], 0: models[1:]}
"""
    result = place(fleet([10, 10], [(3, 1), (5, 1)]), own(tmp_path, body))
    assert result.placement is not None
    assert result.placement.gpu_of == (1, 0)
    assert result.max_kvpr == Fraction(1, 5)


def test_a_line_on_the_encoding_of_a_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "# -*- coding: latin-1 -*-\ndef place(instance): return {'m\u00f6del': 'g'}\n", "utf-8"
    )
    method = Method("own", 5, program=program_of("own.py", str(tmp_path)))
    one = Instance([GPU("g", 10)], [LLM("m\u00f6del", size=1, pressure=1)])
    assert place(one, method).max_kvpr == Fraction(1, 9)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("[models]", "returned list, not a dict"),
        ("{0: {}}", "dict under 0, not a list"),
        ("{0: models[:1]}", "is not placed"),
        ("{0: models, 1: models}", "placed more than once"),
        ("{7: models}", "there is no GPU 7"),
        ("{True: models}", "there is no GPU True"),
        ("{0: [m.model_name for m in models]}", "model None on GPU 0 is not in the fleet"),
        ("setattr(models[0], 'req_rate', 0) or {0: models}", "req_rate of model .* is 0, was 1"),
    ],
)
def test_an_answer_of_the_benchmarks_function_is_checked(
    tmp_path: Path, answer: str, message: str
) -> None:
    method = own(tmp_path, f"def compute_model_placement(gpu_num, models): return {answer}\n")
    with pytest.raises(InvalidPlacementError, match=message):
        place(fleet([20, 20], [(3, 1), (5, 1)]), method)


def test_a_function_of_a_module_is_a_program() -> None:
    program = program_of("python:study_jobs:first_gpu", "")
    assert "def first_gpu" in program.source
    result = place(
        fleet([10, 10], [(3, 1)]), Method("python:study_jobs:first_gpu", 5, program=program)
    )
    assert result.max_kvpr == Fraction(1, 7)


def test_a_function_of_the_benchmark_is_a_program_with_its_own_source() -> None:
    reference = "python:study_jobs:compute_model_placement"
    program = program_of(reference, "")
    assert "def compute_model_placement" in program.source
    result = place(fleet([80, 80], [(3, 1)]), Method(reference, 5, program=program))
    assert result.max_kvpr == Fraction(1, 77)


@pytest.mark.parametrize(
    "source",
    ["x=" + "-" * 200_000 + "1", "+" * 100_000, "x=" + "1+" * 100_000 + "1", "x=" + "(" * 10_000],
)
def test_a_program_that_no_parser_takes_is_one_error_that_names_it(
    tmp_path: Path, source: str
) -> None:
    (tmp_path / "deep.py").write_text(source)
    with pytest.raises(InputError, match=r"deep\.py: (line 1: )?not Python: ") as error:
        program_of("deep.py", str(tmp_path))
    assert len(str(error.value)) < 200


def test_a_module_that_ends_the_interpreter_does_not_end_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit('bye\\ud800')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"cannot be imported: SystemExit: bye\\ud800"):
        program_of("python:leaving:place", "")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no.py", "no.py: cannot be read"),
        ("broken.py", "broken.py: line 1: not Python: "),
        ("empty.py", r"empty.py: no function place\(instance\) or compute_model_placement\(gpu"),
        ("python:no_such_module:f", "module 'no_such_module' cannot be imported"),
        ("python:study_jobs:no_such", "module 'study_jobs' has no function 'no_such'"),
        ("python:study_jobs", "is not python:module:function"),
        ("python:os:name", "not a function"),
    ],
)
def test_a_program_that_cannot_run_is_refused_before_it_does(
    tmp_path: Path, reference: str, message: str
) -> None:
    (tmp_path / "broken.py").write_text("def place(:")
    (tmp_path / "empty.py").write_text("places = 1")
    with pytest.raises(InputError, match=message):
        program_of(reference, str(tmp_path))


def test_a_program_is_known_by_its_source() -> None:
    one, other = UserHeuristic("a.py", "/x/a.py", "1"), UserHeuristic("a.py", "/y/a.py", "2")
    assert one == other  # under the same name in a study
    assert one.sha256 != other.sha256
