"""Certificates in words: one text for every kind of proof, true to the numbers."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction
from pathlib import Path

import pytest
from small_fleets import TRAP, brute_force, fleet, random_fleet

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.certificates.certificate import Certificate, certify
from kvpr_opt.certificates.evidence import (
    Counting,
    DualVector,
    Evidence,
    LowerBound,
    SolverClaim,
    Tree,
    Volume,
)
from kvpr_opt.certificates.explain import explain
from kvpr_opt.cli import main
from kvpr_opt.files import write_instance
from kvpr_opt.generate import prism_instance
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.bounds import lower_bounds

EIGHTH = Fraction(1, 8)
BEST = Placement(TRAP, [0, 0, 1])
WORD = SolverClaim("Some Solver", "1.2", EIGHTH, {"threads": 1})


def words(
    instance: Instance,
    value: Fraction | float,
    evidence: Evidence,
    status: str = "unknown",
    incumbent: Placement | None = None,
) -> str:
    bound = LowerBound(value, evidence)
    return explain(instance, certify(instance, status=status, incumbent=incumbent, bounds=[bound]))


def test_points() -> None:
    points = (2, 1, 2, 1, 1, 1, 1, 3, 1, 3, 1, 2, 2, 1, 1, 2)
    text = words(prism_instance(0), Fraction(43, 1008), DualVector(points, (3,)))
    for needed in (
        "below 0.0426587302 (exactly 43/1008)",
        "a GPU of this fleet can have is 0.0426562186",
        "3: model_7, model_9\n",
        "2: model_0, model_2, model_11, model_12, model_15\n",
        "No models of more than 3 points together fit a GPU of 80.",
        "All 8 GPUs together hold at most 24 points, but all models have 25.",
    ):
        assert needed in text


def test_points_by_type_of_gpu() -> None:
    instance = fleet([6, 5, 6], [(3, 0)] * 6 + [(1, 0)])
    text = words(instance, math.inf, DualVector((1,) * 6 + (0,), (2, 1)), "infeasible")
    for needed in (
        "No placement has a finite max KVPR",
        "the room that a model takes is its size",
        "1: m0, m1, m2, m3, m4, m5\n    0: all others",
        "more than 2 points together fit a GPU of 6.",
        "more than 1 point together fit a GPU of 5.",
        "All 3 GPUs together hold at most 5 points, but all models have 6.",
        "So no placement is possible.",
    ):
        assert needed in text


def test_volume() -> None:
    text = words(TRAP, EIGHTH, Volume(), "optimal", BEST)
    for needed in (
        "below 0.125",
        "its size + its pressure / 0.1.",
        "All models together take 22; all GPUs together have 20, which is less.",
        "The placement given has the max KVPR 0.125: none is better.",
    ):
        assert needed in text


def test_volume_that_rests_on_common_factors() -> None:
    text = words(fleet([5] * 3, [(2, 0)] * 7), math.inf, Volume(), "infeasible")
    assert "of a GPU of 5 only 4 can be used" in text
    assert "take 14; all GPUs together have 12" in text


def test_pressure_without_room() -> None:
    text = words(fleet([5, 5], [(5, 1), (5, 0)]), math.inf, Volume(), "infeasible")
    assert "all the pressure on the smallest piece of free memory" in text
    assert "take 15; all GPUs together have 10" in text


def test_counting() -> None:
    text = words(fleet([10, 10], [(3, 2)] * 3), Fraction(1), Counting((0, 1, 2)))
    for needed in (
        "1: m0, m1, m2",
        "No models of more than 1 point together fit a GPU of 10.",
        "All 2 GPUs together hold at most 2 points, but all models have 3.",
        "No placement is given.",
    ):
        assert needed in text


def test_cases() -> None:
    sizes = (5, 5, 4, 4, 4, 4, 3)
    instance = fleet([10] * 3, [(size, 0) for size in sizes])
    text = words(instance, math.inf, Tree(sizes, (10,)), "infeasible")
    for needed in (
        "5: m0, m1\n    4: m2, m3, m4, m5\n    3: m6\n",
        "No models of more than 10 points together fit a GPU of 10.",
        "at most 30 points, and all models have 29. So all GPUs together can only lose 1 point.",
        "2 sets lose no more, and 1 cases fail.",
        "So no placement is possible.",
    ):
        assert needed in text


def test_one_model_that_no_gpu_can_hold() -> None:
    text = words(fleet([5], [(6, 0)]), math.inf, Counting((0,)), "infeasible")
    assert "No models of more than 0 points together fit a GPU of 5." in text
    assert "The GPU holds at most 0 points, but all models have 1." in text


def test_a_solvers_word() -> None:
    text = words(TRAP, EIGHTH, WORD, "optimal", BEST)
    for needed in ("Some Solver 1.2 reported", "1/8, with threads 1.", "not a proof"):
        assert needed in text
    assert text.endswith("none is better if the solver is right.")
    assert "with" not in words(TRAP, EIGHTH, SolverClaim("S", "1", EIGHTH)).replace("without", "")


def test_a_bound_too_small_to_say_anything_about_memory() -> None:
    instance = fleet([10, 10], [(1, 1)] * 3)
    assert "no GPU would have any pressure" in words(instance, Fraction(1, 1000), Volume())


def test_nothing_that_fails_is_explained() -> None:
    text = words(TRAP, Fraction(1, 4), Volume(), "feasible", BEST)
    assert "its proof fails" in text
    assert "take" not in text
    assert text.endswith("rejected.")
    other = certify(TRAP, status="feasible", incumbent=BEST, bounds=[])
    assert "Nothing is explained: this fleet has another" in explain(
        fleet([10, 10], [(6, 0), (4, 0), (2, 2)]), other
    )
    odd = Certificate(digest(TRAP), "perhaps", None, None, ())
    assert explain(TRAP, odd).endswith("rejected.")


def test_no_bound_at_all() -> None:
    text = explain(TRAP, certify(TRAP, status="feasible", incumbent=BEST, bounds=[]))
    assert "No bound is claimed" in text
    assert "a better one may exist" in text


def test_many_models_and_odd_names_stay_readable() -> None:
    instance = fleet([5], [(1, 0)] * 20)
    text = words(instance, math.inf, DualVector((1,) * 20, (5,)), "infeasible")
    assert "m10, m11 and 8 more" in text
    odd = Instance([GPU("g", 5)], [LLM("line\nbreak", 6, pressure=0)])
    assert r"'line\nbreak'" in words(odd, math.inf, Counting((0,)))


def test_what_the_bounds_of_the_package_prove_can_be_said() -> None:
    random_ = random.Random(6)
    for _ in range(150):
        instance = random_fleet(random_, 5, 3)
        for bound in lower_bounds(instance):
            text = words(instance, bound.value, bound.evidence)
            assert bound.value <= brute_force(instance)
            assert bound.value == 0 or "Suppose that one had" in text


def test_the_command_explains_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, proof = tmp_path / "fleet.json", tmp_path / "certificate.json"
    write_instance(TRAP, path)
    made = certify(TRAP, status="optimal", incumbent=BEST, bounds=[LowerBound(EIGHTH, Volume())])
    proof.write_text(made.to_json())
    for arguments, explained in (([], False), (["--explain"], True)):
        monkeypatch.setattr("sys.argv", ["kvpr-opt", "verify", str(path), str(proof), *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code
        shown = capsys.readouterr().out
        assert "bound 1/8: passed" in shown
        assert ("Suppose that one had" in shown) is explained
    proof.write_text(json.dumps({"schema": "none"}))
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
