"""Exported models: read back by a solver that knows nothing of this package."""

from __future__ import annotations

import random
import re
from fractions import Fraction
from pathlib import Path

import highspy
import pytest
from small_fleets import brute_force, fleet, random_fleet

from formulations.model_file import LARGEST
from formulations.registry import ENTRIES, SUFFIXES, write_model
from kvpr_opt import solve
from kvpr_opt.errors import InputError
from kvpr_opt.generate import prism_instance
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.scaled import Threshold

EXPORTABLE = [name for name, entry in ENTRIES.items() if entry.capabilities.export]

# The coefficients of arc flow are numbers of copies, however long the sizes are.
WITH_SIZES = [name for name in EXPORTABLE if name != "arcflow_pulp"]

SOLVED, INFEASIBLE = highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible

each_format = pytest.mark.parametrize("suffix", SUFFIXES)
each_model = pytest.mark.parametrize("name", EXPORTABLE)


def read(path: Path) -> highspy.Highs:
    highs = highspy.Highs()
    highs.silent()
    assert highs.readModel(str(path)) == highspy.HighsStatus.kOk
    return highs


def status(
    name: str, instance: Instance, threshold: Threshold, suffix: str, folder: Path
) -> highspy.HighsModelStatus:
    """What HiGHS makes of the file alone."""
    path = folder / f"model{suffix}"
    path.write_text(write_model(name, instance, threshold, suffix, ["a comment"]))
    highs = read(path)
    highs.run()
    return highs.getModelStatus()


@each_format
@each_model
def test_the_file_alone_has_the_answer_of_brute_force(
    name: str, suffix: str, tmp_path: Path
) -> None:
    for seed in range(12):
        instance = random_fleet(random.Random(f"export {seed}"), 5, 3)
        optimum, scaled = brute_force(instance), instance.scaled
        if not instance.models or scaled.total_pressure.bit_length() > 30:
            continue
        if not isinstance(optimum, Fraction):
            assert status(name, instance, scaled.finite(), suffix, tmp_path) == INFEASIBLE
            continue
        assert status(name, instance, scaled.at_most(optimum), suffix, tmp_path) == SOLVED
        if optimum > 0:
            below = scaled.below(optimum)
            assert status(name, instance, below, suffix, tmp_path) == INFEASIBLE


def check_prism(name: str, case: int, folder: Path) -> None:
    instance = prism_instance(case)
    result = solve(instance, time_limit=60, threads=1)
    assert result.certified
    assert result.max_kvpr is not None
    scaled = instance.scaled
    assert status(name, instance, scaled.at_most(result.max_kvpr), ".mps", folder) == SOLVED
    assert status(name, instance, scaled.below(result.max_kvpr), ".mps", folder) == INFEASIBLE


@each_model
def test_a_prism_fleet_is_infeasible_just_below_its_optimum(name: str, tmp_path: Path) -> None:
    check_prism(name, 7, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(0, 50, 7))
@each_model
def test_prism_fleets_are_infeasible_just_below_their_optima(
    name: str, case: int, tmp_path: Path
) -> None:
    check_prism(name, case, tmp_path)


@each_format
def test_whole_numbers_survive_to_their_last_digit(suffix: str, tmp_path: Path) -> None:
    # PuLP's own writers give 12 or 13 digits.
    size = 2**48 + 1
    instance = fleet([2 * size, 2 * size - 1], [(size, 0), (size - 2, 0)])
    path = tmp_path / f"model{suffix}"
    path.write_text(write_model("assignment_pulp", instance, instance.scaled.finite(), suffix))
    lp = read(path).getLp()
    assert {float(size), float(size - 2)} <= set(lp.a_matrix_.value_)
    assert {2.0 * size, 2.0 * size - 1} <= set(lp.row_upper_)


@pytest.mark.parametrize("name", WITH_SIZES)
def test_a_number_that_a_reader_cannot_hold_is_refused(name: str) -> None:
    instance = fleet([2 * LARGEST, 2 * LARGEST], [(LARGEST + 1, 0), (LARGEST - 1, 0)])
    with pytest.raises(InputError, match=r"a coefficient of 10\*\*15 or more"):
        write_model(name, instance, instance.scaled.finite(), ".lp")


@each_format
@each_model
def test_names_of_any_kind_are_mapped_in_comments(name: str, suffix: str, tmp_path: Path) -> None:
    instance = Instance(
        [GPU("node 1, gpu\n2", 10), GPU("x_0_0", 10)],
        [
            LLM("modèle à 7 md", 3, pressure=1),
            LLM("\\ End", 3, pressure=1),
            LLM("模", 2, pressure=2),
        ],
    )
    text = write_model(name, instance, instance.scaled.finite(), suffix, ["é: a comment"])
    assert text.isascii()
    path = tmp_path / f"model{suffix}"
    path.write_text(text)
    highs = read(path)
    mark = "*" if suffix == ".mps" else "\\"
    comments = [line for line in text.splitlines() if line.startswith(mark)]
    for column in highs.getLp().col_names_:
        assert re.fullmatch(r"\w+", column)
        if column != "__dummy":
            assert any(comment.startswith(f"{mark} {column}: ") for comment in comments)
    assert any(r'"mod\u00e8le \u00e0 7 md"' in comment for comment in comments)
    assert any(r'"node 1, gpu\n2"' in comment for comment in comments)


def test_no_line_of_an_lp_file_is_longer_than_readers_take() -> None:
    instance = fleet([100] * 40, [(5, 5)] * 3)
    text = write_model("assignment_pulp", instance, instance.scaled.finite(), ".lp", ["c" * 900])
    assert max(map(len, text.splitlines())) <= 510


def test_what_cannot_be_written_is_refused() -> None:
    instance = fleet([10], [(3, 1)])
    threshold = instance.scaled.finite()
    with pytest.raises(InputError, match=r"'assignment_cpsat' is not known.*assignment_pulp"):
        write_model("assignment_cpsat", instance, threshold, ".lp")
    with pytest.raises(InputError, match=r"suffix '.txt' is not known.*\.lp, \.mps"):
        write_model("assignment_pulp", instance, threshold, ".txt")
    with pytest.raises(InputError, match="no models"):
        write_model("assignment_pulp", fleet([10], []), threshold, ".lp")
