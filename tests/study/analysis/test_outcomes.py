"""What a report reads from a record: fleets, methods, best known values, contradictions."""

from __future__ import annotations

from fractions import Fraction

from report_records import OTHER, entry, infeasible, ran

from kvpr_opt.study.analysis.reading import read_outcomes
from kvpr_opt.study.runs import Method
from kvpr_opt.suites.cells import Cell


def test_the_best_value_of_a_fleet_is_that_of_any_method() -> None:
    outcomes = read_outcomes(
        [ran(0, 60, "3/10", "1/10"), ran(0, 60, "2/10", None, method=OTHER), ran(1, 9, None, None)]
    )
    first, second = outcomes.fleets
    assert first.name == "uniform 8 x 32, seed 0"
    assert outcomes.best(first) == Fraction(1, 5)
    assert outcomes.best(second) is None


def test_one_fleet_in_two_cells_has_one_best_value() -> None:
    same = ran(3, 60, "1/7", None, cell=Cell("mixed", 8, 32), fleet_sha256="f")
    outcomes = read_outcomes([ran(0, 60, "2/7", None, fleet_sha256="f"), same])
    assert [outcomes.best(fleet) for fleet in outcomes.fleets] == [Fraction(1, 7)] * 2


def test_fleets_are_feasible_infeasible_or_undecided_by_all_runs_together() -> None:
    outcomes = read_outcomes(
        [
            ran(0, 60, None, None),
            ran(0, 60, "1/2", None, method=OTHER),
            ran(1, 60, None, None),
            infeasible(1, 2.0, method=OTHER),
            ran(2, 60, None, "1/9"),
            entry(3, error="x"),
        ]
    )
    kinds = [outcomes.kind(fleet) for fleet in outcomes.fleets]
    assert kinds == ["feasible", "infeasible", "undecided", "undecided"]


def test_a_failed_run_is_of_the_fleet_that_others_solved() -> None:
    outcomes = read_outcomes([entry(0, error="x"), ran(0, 1.0, "1/2", "1/2", method=OTHER)])
    (fleet,) = outcomes.fleets
    assert outcomes.shared == (fleet,)
    assert [run.failed for run in outcomes.on(fleet)] == [True, False]


def test_shared_fleets_are_those_of_all_methods() -> None:
    entries = [ran(s, 1.0, "1/2", "1/2") for s in range(3)]
    outcomes = read_outcomes([*entries, ran(1, 1.0, "1/2", "1/2", method=OTHER)])
    assert [fleet.name for fleet in outcomes.shared] == ["uniform 8 x 32, seed 1"]


def test_a_limit_that_goes_with_the_fleet_makes_no_other_method() -> None:
    quick = Method("auto", time_limit=1, threads=2)
    outcomes = read_outcomes([ran(0, 1.0, "1/2", "1/2"), ran(1, 1.0, "1/2", "1/2", method=quick)])
    assert outcomes.methods == ("auto",)


def test_two_limits_on_one_fleet_are_two_methods() -> None:
    endless = Method("auto", time_limit=None, threads=2)
    outcomes = read_outcomes([ran(0, 1.0, "1/2", "1/2"), ran(0, 1.0, "1/2", "1/2", method=endless)])
    assert outcomes.methods == ("auto, 60 s", "auto, no limit")
    assert len(outcomes.all) == len(outcomes.on(outcomes.fleets[0])) == 2


def test_threads_are_named_where_they_vary() -> None:
    every = Method("auto", time_limit=60)
    outcomes = read_outcomes(
        [
            ran(0, 1.0, "1/2", "1/2"),
            ran(0, 1.0, "1/2", "1/2", method=every),
            ran(0, 1.0, "1/2", "1/2", method=OTHER),
        ]
    )
    assert outcomes.methods == ("auto, 2 threads", "auto, all threads", "direct_pulp")


def test_methods_that_look_alike_are_numbered() -> None:
    twins = [Method(f"a{space}b", time_limit=60, threads=2) for space in ("\n", " ")]
    outcomes = read_outcomes([ran(0, 1.0, "1/2", "1/2", method=method) for method in twins])
    assert outcomes.methods == ("a b, 60 s (1)", "a b, 60 s (2)")


def test_runs_that_hit_the_limit_or_failed_count_with_it() -> None:
    endless = Method("auto", time_limit=None)
    outcomes = read_outcomes(
        [
            ran(0, 60.4, "1/2", "1/3"),
            ran(1, 0.5, "1/2", "1/3", stop_reason="finished"),
            ran(2, 2.0, "1/2", "1/2"),
            entry(3, error="x"),
            entry(4, error="x", method=endless),
            ran(5, 7.0, "1/2", "1/3", stop_reason="interrupted", method=endless),
        ]
    )
    assert [run.counted_seconds for run in outcomes.all] == [60, 0.5, 2.0, 60, None, 7.0]


def test_contradictions_between_runs_are_found_exactly() -> None:
    best = "100000000000000000001/200000000000000000000"
    above = "100000000000000000002/200000000000000000000"
    agreeing = [ran(0, 9.0, best, best), ran(0, 60, "1", best, method=OTHER)]
    assert read_outcomes(agreeing).contradictions() == []
    (said,) = read_outcomes([agreeing[0], ran(0, 60, "1", above, method=OTHER)]).contradictions()
    assert "given the lower bound 0.5 by direct_pulp" in said
    (said,) = read_outcomes([agreeing[0], infeasible(0, 1.0, method=OTHER)]).contradictions()
    assert said.startswith("uniform 8 x 32, seed 0 was called infeasible by direct_pulp")


def test_an_empty_record_has_nothing_in_it() -> None:
    outcomes = read_outcomes([])
    assert (outcomes.methods, outcomes.fleets, outcomes.shared) == ((), (), ())
