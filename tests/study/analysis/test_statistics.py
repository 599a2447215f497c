"""Numbers of a report, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from report_records import OTHER, Step, entry, infeasible, ran

from kvpr_opt.study.analysis.convergence import (
    distance,
    dual_gap,
    mean_gaps,
    primal_gap,
    primal_integrals,
)
from kvpr_opt.study.analysis.reading import read_outcomes
from kvpr_opt.study.analysis.statistics import (
    bootstrap,
    distribution,
    mean,
    mean_difference,
    performance_ratios,
    shifted_geometric_mean,
    time_ratio,
)


def test_the_shifted_geometric_mean() -> None:
    assert shifted_geometric_mean([1.0, 7.0]) == pytest.approx(3.0)  # sqrt(2 * 8) - 1
    assert shifted_geometric_mean([0.0, 0.0]) == 0
    assert shifted_geometric_mean([10.0, 40.0], shift=20.0) == pytest.approx(math.sqrt(1800) - 20)
    assert shifted_geometric_mean([0.0, 3.0]) == pytest.approx(1.0)
    assert shifted_geometric_mean([7.0]) == pytest.approx(7.0)
    assert shifted_geometric_mean([]) is None


def test_performance_ratios_compare_with_the_fastest_on_each_fleet() -> None:
    times = {"a": [1.0, 8.0, math.inf, 1e-5], "b": [2.0, 2.0, math.inf, 0.002]}
    assert performance_ratios(times) == {
        "a": [1.0, 4.0, math.inf, 1.0],
        "b": [2.0, 1.0, math.inf, 2.0],
    }


def test_a_distribution_counts_what_was_never_reached() -> None:
    assert distribution([3.0, 1.0, math.inf, 1.0]) == ([1.0, 3.0], [0.5, 0.75])
    assert distribution([math.inf]) == ([], [])


def test_the_bootstrap_keeps_pairs_together() -> None:
    one = [1.0, 5.0, 9.0, 2.0]
    found = bootstrap([one, [value - 3 for value in one]], mean_difference)
    assert found is not None
    assert (found.estimate, found.low, found.high) == (3.0, 3.0, 3.0)


def test_the_bootstrap_interval_is_that_of_the_normal_law_for_many_values() -> None:
    values = np.random.default_rng(1).normal(10, 2, size=400).tolist()
    found = bootstrap([values], mean)
    assert found == bootstrap([values], mean), "the seed is fixed"
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    half = 1.96 * np.std(values) / math.sqrt(400)
    assert found.high - found.estimate == pytest.approx(half, rel=0.1)
    assert found.estimate - found.low == pytest.approx(half, rel=0.1)


def test_the_bootstrap_of_one_value_or_none() -> None:
    found = bootstrap([[4.0]], mean)
    assert found is not None
    assert (found.estimate, found.low, found.high) == (4.0, None, None)
    assert bootstrap([[]], mean) is None


def test_the_ratio_of_times_is_that_of_the_shifted_means() -> None:
    assert time_ratio(np.array([1.0, 7.0]), np.array([0.0, 3.0])) == pytest.approx(
        3 / (math.sqrt(1.001 * 4) - 1)
    )
    assert time_ratio(np.zeros(2), np.zeros(2)) == 1.0


@pytest.mark.parametrize(
    ("value", "best", "expected"),
    [(None, 1.0, 1.0), (2.0, 2.0, 0.0), (0.0, 0.0, 0.0), (4.0, 1.0, 0.75), (1.0, 4.0, 0.75),
     (1.0, 0.0, 1.0)],
)  # fmt: skip
def test_the_distance_from_the_best_value(
    value: float | None, best: float, expected: float
) -> None:
    assert distance(value, best) == expected


STEPS: tuple[Step, ...] = ((0.5, None, 0.1), (1.0, 0.4, 0.1), (3.0, 0.2, 0.1), (4.0, 0.2, 0.2))


def test_gaps_are_steps_from_1_to_the_end_of_the_run() -> None:
    (run,) = read_outcomes([ran(0, 4.0, "1/5", "1/5", *STEPS)]).all
    assert primal_gap(run, 0.2).at(np.array([0.0, 0.9, 1.0, 2.9, 3.0, 99.0])).tolist() == [
        1.0, 1.0, 0.5, 0.5, 0.0, 0.0
    ]  # fmt: skip
    assert dual_gap(run, 0.2).at(np.array([0.0, 0.5, 4.0])).tolist() == [1.0, 0.5, 0.0]


def test_the_primal_integral_is_the_area_under_the_gap_up_to_the_limit() -> None:
    outcomes = read_outcomes(
        [
            ran(0, 4.0, "1/5", "1/5", *STEPS),
            # Ends at 0.5 s with a gap of 1/2, which then lasts to the limit of 60 s.
            ran(0, 0.5, "2/5", "1/9", (0.25, 0.4, None), method=OTHER, stop_reason="finished"),
            entry(1, error="x"),
            ran(1, 1.0, "1/5", "1/5", method=OTHER),
            infeasible(2, 1.0),
        ]
    )
    first, second = (
        primal_integrals(outcomes, outcomes.of(method, outcomes.fleets))
        for method in outcomes.methods
    )
    assert first == [pytest.approx(1.0 + 2 * 0.5), 60.0]
    assert second == [pytest.approx(0.25 + 59.75 * 0.5), 1.0]


def test_the_integral_ends_at_the_horizon() -> None:
    (run,) = read_outcomes([ran(0, 4.0, "1/5", "1/5", *STEPS)]).all
    assert primal_gap(run, 0.2).integral(2.0) == pytest.approx(1.5)
    assert primal_gap(run, 0.2).integral(0.5) == pytest.approx(0.5)


def test_mean_gaps_are_over_the_fleets_that_have_a_placement() -> None:
    outcomes = read_outcomes(
        [ran(0, 4.0, "1/5", "1/5", *STEPS), ran(1, 1.0, "1/5", "1/5"), infeasible(2, 1.0)]
    )
    found = mean_gaps(outcomes, outcomes.all, np.array([0.7, 2.0, 5.0]))
    assert found is not None
    assert found[0].tolist() == [1.0, 0.25, 0.0]
    assert found[1].tolist() == [0.75, 0.25, 0.0]
    assert mean_gaps(outcomes, outcomes.all[2:], np.array([1.0])) is None
