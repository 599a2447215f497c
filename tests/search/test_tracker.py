"""The one place where incumbent and bound change."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from small_fleets import fleet

from kvpr_opt.certificates.evidence import Counting, DualVector, LowerBound, SolverClaim, Volume
from kvpr_opt.errors import SolverError
from kvpr_opt.limits import Limits
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.tracker import Progress, Tracker

FLEET = fleet([10, 10], [(2, 1), (2, 1), (0, 0)])
APART = Placement(FLEET, (0, 1, 0))  # 1/8
TOGETHER = Placement(FLEET, (0, 0, 0))  # 1/3
WORD = SolverClaim("solver", "1", Fraction(1, 9))


def tracker(**options: object) -> Tracker:
    return Tracker(FLEET, Limits(), **options)  # type: ignore[arg-type]


def test_only_better_placements_become_the_incumbent() -> None:
    state = tracker()
    assert state.offer(TOGETHER, "a")
    assert state.offer(APART, "b")
    assert not state.offer(TOGETHER, "c")
    assert not state.offer(APART, "d")
    assert state.incumbent_value == Fraction(1, 8)


def test_an_infinite_kvpr_is_never_an_incumbent() -> None:
    full = fleet([10], [(10, 1)])
    state = Tracker(full, Limits())
    assert not state.offer(Placement(full, (0,)), "a")
    assert state.incumbent is None
    assert state.gap is None


def test_only_better_bounds_are_taken_and_of_equal_ones_the_certified() -> None:
    state = tracker()
    assert state.raise_bound(LowerBound(Fraction(1, 9), WORD), "a")
    assert not state.raise_bound(LowerBound(Fraction(1, 10), Volume()), "b")
    assert state.bounds == [LowerBound(Fraction(1, 10), Volume()), LowerBound(Fraction(1, 9), WORD)]
    assert not state.raise_bound(LowerBound(Fraction(1, 9), Volume()), "c")
    assert state.bounds == [LowerBound(Fraction(1, 9), Volume())]


def test_a_bound_above_the_incumbent_is_a_contradiction() -> None:
    state = tracker()
    state.offer(APART, "a")
    with pytest.raises(SolverError, match="contradiction, found by b"):
        state.raise_bound(LowerBound(Fraction(1, 7), WORD), "b")


def test_a_placement_below_the_bound_is_a_contradiction() -> None:
    state = tracker()
    state.raise_bound(LowerBound(Fraction(1, 7), WORD), "a")
    with pytest.raises(SolverError, match="contradiction, found by b"):
        state.offer(APART, "b")


def test_settled_at_the_gap_asked_for() -> None:
    state = tracker(gap=Fraction(1, 5))
    state.offer(APART, "a")
    assert not state.settled
    state.raise_bound(LowerBound(Fraction(1, 10), Volume()), "b")
    assert state.gap == Fraction(1, 5)
    assert state.settled


def test_settled_once_proved_infeasible() -> None:
    state = tracker()
    state.raise_bound(LowerBound(math.inf, Counting((0,))), "a")
    assert state.settled


def test_done_when_interrupted() -> None:
    state = tracker()
    assert not state.done
    state.limits.interrupt()
    assert state.done


def test_a_refinement_may_not_raise_the_maximum() -> None:
    state = tracker()
    state.offer(APART, "a")
    assert not state.refine(TOGETHER)
    other = Placement(FLEET, (1, 0, 1))
    assert state.refine(other)
    assert state.incumbent is other


def test_a_shorter_proof_takes_the_place_of_the_longer_one() -> None:
    state = tracker()
    state.raise_bound(LowerBound(Fraction(1, 10), DualVector((20, 20, 10), (21,))), "proved")
    short = DualVector((2, 2, 1), (2,))
    state.restate(short)
    assert state.bounds == [LowerBound(Fraction(1, 10), short)]
    # A word that goes further stays.
    word = LowerBound(Fraction(1, 9), WORD)
    state.raise_bound(word, "somebody")
    state.restate(Volume())
    assert state.bounds == [LowerBound(Fraction(1, 10), Volume()), word]


def test_every_event_is_reported_and_news_is_kept() -> None:
    seen: list[Progress] = []
    state = tracker(on_progress=seen.append)
    state.enter("trying")
    state.offer(APART, "found")
    state.raise_bound(LowerBound(Fraction(1, 10), Volume()), "proved")
    assert [(event.stage, event.news) for event in seen] == [
        ("trying", False),
        ("found", True),
        ("proved", True),
    ]
    assert state.events == seen[1:]
    assert seen[-1].gap == Fraction(1, 5)


@pytest.mark.parametrize(
    ("incumbent", "bound", "gap"),
    [
        (Fraction(4), Fraction(3), Fraction(1, 4)),
        (Fraction(0), Fraction(0), Fraction(0)),
        (Fraction(4), None, None),
        (None, Fraction(3), None),
        (None, math.inf, None),
    ],
)
def test_relative_gap(
    incumbent: Fraction | None, bound: Fraction | float | None, gap: Fraction | None
) -> None:
    assert relative_gap(incumbent, bound) == gap
