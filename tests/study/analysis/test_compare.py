"""Two records side by side: what is a regression, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import report_records

from kvpr_opt.study.analysis.compare import Tolerance, compare, comparison_text
from kvpr_opt.study.record import read_record
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.runs import Method
from kvpr_opt.suites.cells import Cell


def entry(seed: int = 0, method: str = "auto", **changes: Any) -> RecordedRun:
    answer = {
        "fleet_sha256": f"fleet {seed}",
        "status": "feasible",
        "max_kvpr": "1/2",
        "lower_bound": "1/4",
        "seconds": 10.0,
    }
    return report_records.entry(
        seed, Cell("uniform", 4, 8), Method(method, 60, 1), **{**answer, **changes}
    )


OPTIMAL = {"status": "optimal", "lower_bound": "1/2"}
FAILED = {"error": "it broke"}
UNKNOWN = {"status": "unknown", "max_kvpr": None}
INFEASIBLE = {"status": "infeasible", "max_kvpr": None, "lower_bound": None}

REGRESSIONS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "failed": ({}, FAILED, "failed, was feasible"),
    "no longer proved": (OPTIMAL, {}, "feasible, was optimal; gap 50 %, was 0 %"),
    "no placement any more": ({}, UNKNOWN, "unknown, was feasible"),
    "no placement, and no bound": (
        {},
        {**UNKNOWN, "lower_bound": None},
        "unknown, was feasible",
    ),
    "on a solver's word": (
        OPTIMAL,
        {**OPTIMAL, "certified": False},
        "proved on a solver's word, was certified",
    ),
    "larger gap": ({}, {"lower_bound": "6/25"}, "gap 52 %, was 50 %"),
    "larger value without a bound": (
        {"lower_bound": None},
        {"lower_bound": None, "max_kvpr": "51/100"},
        "max KVPR 0.51, was 0.5",
    ),
    "slower": ({}, {"seconds": 15.1}, "15.1 s, was 10 s"),
    "another fleet": ({}, {"fleet_sha256": "x"}, "another fleet under the same key"),
    "another optimum": (
        OPTIMAL,
        {"status": "optimal", "max_kvpr": "1/3", "lower_bound": "1/3"},
        "the placement found now is below a bound of the other record",
    ),
    "the other way round": (
        {"status": "optimal", "max_kvpr": "1/3", "lower_bound": "1/3"},
        OPTIMAL,
        "the placement found before is below a bound of the other record",
    ),
    "feasible or not": (OPTIMAL, INFEASIBLE, "proved optimal before and infeasible now"),
    "a placement of an infeasible fleet": (
        INFEASIBLE,
        {},
        "a placement now of a fleet that the other record has as infeasible",
    ),
}


@pytest.mark.parametrize("case", REGRESSIONS)
def test_a_regression_is_named(case: str) -> None:
    old, new, message = REGRESSIONS[case]
    found = compare([entry(3, **old)], [entry(3, **new)])
    (line,) = found.regressions
    assert line.startswith("uniform 4 x 8, seed 3, auto: ")
    assert message in line
    assert line in comparison_text(found, Tolerance())


NONE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "equal": ({}, {}),
    "both failed": (FAILED, FAILED),
    "repaired": (FAILED, {}),
    "now proved, in more time": ({}, {**OPTIMAL, "seconds": 50.0}),
    "first placement": (UNKNOWN, {}),
    "gap within the tolerance": ({}, {"lower_bound": "24999/100000"}),
    "a third slower": ({}, {"seconds": 13.0}),
    "many times slower within the margin": ({"seconds": 0.1}, {"seconds": 2.0}),
    "faster": ({}, {"seconds": 1.0}),
    "infeasible as before": (INFEASIBLE, INFEASIBLE),
    "certified now": ({**OPTIMAL, "certified": False}, OPTIMAL),
}


@pytest.mark.parametrize("case", NONE)
def test_what_is_no_regression_is_not_named(case: str) -> None:
    old, new = NONE[case]
    found = compare([entry(**old)], [entry(**new)])
    assert found.regressions == ()
    assert "No regressions" in comparison_text(found, Tolerance())


def test_the_tolerance_can_be_set() -> None:
    pair = [entry()], [entry(seconds=13.0, lower_bound="6/25")]
    assert compare(*pair, Tolerance(gap=0.03)).regressions == ()
    assert len(compare(*pair, Tolerance(gap=0.01)).regressions) == 1
    assert "13 s, was 10 s" in compare(*pair, Tolerance(factor=1.2)).regressions[0]
    assert compare(*pair, Tolerance(gap=0.03, factor=1.2, margin=4)).regressions == ()


def test_runs_are_matched_by_their_key() -> None:
    old = [entry(0), entry(1), entry(2, "seed")]
    new = [entry(2, "seed", **OPTIMAL), entry(1), entry(4), entry(5)]
    found = compare(old, new)
    assert [(was.run.seed, now.run.seed) for was, now in found.pairs] == [(1, 1), (2, 2)]
    assert (found.only_old, found.only_new, found.improved) == (1, 2, 1)


def test_the_table_has_a_row_for_each_cell_and_method_and_one_for_all() -> None:
    old = [entry(0, seconds=0.0), entry(1, seconds=3.0), entry(0, "seed", **FAILED)]
    new = [entry(0, **OPTIMAL, seconds=0.0), entry(1, seconds=15.0), entry(0, "seed")]
    text = comparison_text(compare(old, new), Tolerance())
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:5]]
    # exp((ln 1 + ln 4) / 2) - 1 = 1, exp((ln 1 + ln 16) / 2) - 1 = 3.
    assert rows[0] == ["uniform 4 x 8", "auto", "2", "0", "0", "0", "1", "50", "25", "1", "3", "3"]
    assert rows[1] == ["uniform 4 x 8", "seed", "1", "1", "0", "0", "0", "-", "50", "-", "-", "-"]
    assert rows[2] == ["all", "", "3", "1", "0", "0", "1", "50", "33", "1", "3", "3"]


@pytest.mark.parametrize("name", ["engine", "formulations", "frontier", "frontier_before"])
def test_the_reference_studies_can_be_compared_with(name: str) -> None:
    folder = Path(__file__).parents[3] / "docs" / "studies" / "reference" / name
    content = read_record(folder)
    assert content.remarks == ()
    assert len(content.runs) > 50
    assert not compare(content.runs, content.runs).regressions
