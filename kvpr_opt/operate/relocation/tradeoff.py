"""The lowest KVPR for each budget of moves, with a proof or a gap: the trade-off of a fleet.

Rows are improved together. What one row finds is a placement for every larger budget; what the LP
of moves proves about a threshold, a least cost, is a bound for every smaller one:

1. Local search, row after row, from the placement of the row before.
2. Thresholds between bound and placement of the row with the largest gap. The LP says what a
   threshold costs at least; where a row could afford that, a choice of the sets that the LP has
   generated may be a placement. One threshold answers for many rows.
3. Rows that stay open are asked strictly below their placement. The points of the LP say which
   sets of models a GPU can have in anything better within the budget. Where they are few, they
   are listed, and the best choice among them is found, or there is none.
4. Otherwise CP-SAT looks for a placement where the LP passes lowest, then ever closer to the one
   at hand, in rounds of growing budgets.
5. A row equal to the optimum of the fleet without a budget is proved by that.

Budgets inside count the solver's deterministic time, so that a run which no limit cuts short can be
repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from kvpr_opt.certificates.evidence import SolverClaim
from kvpr_opt.limits import Limits
from kvpr_opt.operate.relocation.choice import choose_sets
from kvpr_opt.operate.relocation.enumeration import sets_within
from kvpr_opt.operate.relocation.local_search import descend
from kvpr_opt.operate.relocation.lp import MovePoints, RelocationLP
from kvpr_opt.operate.relocation.problem import RelocationProblem
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.oracle import Feasible, Infeasible, Verdict

#: Rounds, and the solver's deterministic seconds for one question in the first of them.
ROUNDS, FIRST_WORK = 4, 0.2

# Factor by which the work grows from round to round.
_GROWTH = 5

# Relative gaps from which the threshold in the middle is asked, not the highest one of use, and
# down to which it is where the LP alone does not settle a row.
_WIDE, _FINE = Fraction(1, 200), Fraction(1, 5000)

# Sets, and steps to find them, beyond which they are not listed.
_MAX_SETS, _MAX_STEPS = 20_000, 1_000_000


class Finder(Protocol):
    """Looks for placements within a threshold and a budget."""

    def decide(
        self,
        threshold: Threshold,
        limits: Limits,
        *,
        budget: int,
        work: float | None = None,
        hint: Placement | None = None,
        sets: Sequence[tuple[int, tuple[int, ...]]] | None = None,
    ) -> Verdict:
        """The answer; see :class:`formulations.relocation_cpsat.RelocationModel`."""
        ...


@dataclass
class BudgetRow:
    """What is known about one budget.

    Attributes
    ----------
    budget
        In units of cost.
    placement
        The best one known within the budget; ``None`` if none is known.
    lower_bound
        No placement within the budget has a smaller maximum KVPR.
    evidence
        Why: points, a solver's claim, or ``None`` for the bound of the fleet without a budget.
    points
        The best bound that is proved by points, and the points.
    passed, missed
        The lowest threshold that passes the LP, and the highest at which no placement was found
        that did; ``None`` before any.
    """

    budget: int
    placement: Placement | None
    lower_bound: Fraction | float
    evidence: MovePoints | SolverClaim | None = None
    points: tuple[Fraction | float, MovePoints] | None = None
    passed: Fraction | None = None
    missed: Fraction | None = None

    @property
    def value(self) -> Fraction | None:
        """Maximum KVPR of the placement."""
        if self.placement is None or isinstance(self.placement.max_kvpr, float):
            return None
        return self.placement.max_kvpr

    @property
    def proved(self) -> bool:
        """Whether nothing within the budget is better."""
        return self.lower_bound == math.inf or self.value == self.lower_bound

    @property
    def gap(self) -> Fraction | None:
        """Relative gap, ``None`` without a placement."""
        return relative_gap(self.value, self.lower_bound)


class TradeOff:
    """The rows of one problem.

    Parameters
    ----------
    problem
        The fleet, the homes and the costs.
    budgets
        In rising order.
    fleet_bound
        A proven lower bound on the maximum KVPR whatever the cost.
    find
        Looks for placements.
    limits
        When to stop.
    """

    def __init__(
        self,
        problem: RelocationProblem,
        budgets: Sequence[int],
        fleet_bound: Fraction | float,
        finder: Finder,
        limits: Limits,
    ) -> None:
        self._problem = problem
        self._finder = finder
        self._limits = limits
        self._lp = RelocationLP(problem)
        self.rows = [BudgetRow(budget, None, fleet_bound) for budget in budgets]

    def offer(self, placement: Placement | None) -> None:
        """Adopt a placement for every budget that covers it and that it improves."""
        if placement is None or isinstance(placement.max_kvpr, float):
            return
        cost = self._problem.cost(placement)
        for row in self.rows:
            if row.budget >= cost and (row.value is None or placement.max_kvpr < row.value):
                row.placement = placement

    def run(self, on_progress: Callable[[Sequence[BudgetRow]], object] | None = None) -> None:
        """Improve the rows until all are proved, the rounds are over, or a limit is reached."""
        self._place()
        self._sweep(on_progress)
        for number in range(ROUNDS):
            for row in self.rows:
                if self._limits.stopped:
                    return
                if not row.proved:
                    self._improve(row, FIRST_WORK * _GROWTH**number, last=number == ROUNDS - 1)
                    if on_progress is not None:
                        on_progress(self.rows)
            if all(row.proved for row in self.rows):
                return

    def _place(self) -> None:
        """Local search from the placement of the row before."""
        best: Placement | None = None
        for row in self.rows:
            start = row.placement if best is None else best
            if row.value is not None and best is not None and row.value < best.max_kvpr:
                start = row.placement
            if start is not None:
                best = descend(self._problem, start, row.budget, self._limits)
                self.offer(best)

    # -- all rows together ------------------------------------------------------------------

    def _sweep(self, on_progress: Callable[[Sequence[BudgetRow]], object] | None) -> None:
        """Test thresholds until the LP and choices of its sets improve no row any further."""
        done: set[int] = set()
        asked: set[Fraction | float] = set()
        while not self._limits.stopped:
            waiting = [row for row in self.rows if not row.proved and row.budget not in done]
            if not waiting:
                return
            row = max(waiting, key=_width)
            threshold = self._most_useful(row)
            if threshold is None or threshold.value in asked:
                done.add(row.budget)
                continue
            asked.add(threshold.value)
            self._ask_all(threshold)
            if on_progress is not None:
                on_progress(self.rows)

    def _most_useful(self, row: BudgetRow) -> Threshold | None:
        """The most informative threshold for a row; ``None`` if the LP can say no more."""
        low, high = row.lower_bound, row.value
        assert isinstance(low, Fraction)
        if high is None:
            return self._problem.instance.scaled.finite() if row.missed is None else None
        if row.missed is None or not low <= row.missed < high:
            if high - low > _WIDE * high:
                return self._between(low, high)
            return self._below(row)
        if high - row.missed > _FINE * high:
            between = self._between(row.missed, high)
            if between is not None and between.value > row.missed:
                return between
        return self._lower(row, low)

    def _lower(self, row: BudgetRow, low: Fraction) -> Threshold | None:
        """Between the bound of a row and where the LP passes."""
        if row.passed is None or row.passed - low <= _FINE * row.passed:
            return None
        return self._between(low, row.passed)

    def _between(self, low: Fraction, high: Fraction) -> Threshold | None:
        """A threshold of at least `low` and below `high`, near the middle."""
        scaled = self._problem.instance.scaled
        for threshold in (scaled.at_most((low + high) / 2), scaled.below(high)):
            if low <= threshold.value < high:
                return threshold
        return None

    def _ask_all(self, threshold: Threshold) -> None:
        """What a threshold costs at least, and a placement for it; all rows take both in."""
        assert isinstance(threshold.value, Fraction)
        question = self._problem.question(threshold)
        open_rows = [row for row in self.rows if not row.proved and _is_below(threshold.value, row)]
        answer = self._lp.decide(question, [row.budget for row in open_rows], self._limits)
        self._take_in(threshold, answer.points)
        passing = [row for row in open_rows if answer.passes(row.budget)]
        for row in passing:
            if row.passed is None or threshold.value < row.passed:
                row.passed = threshold.value
        if passing and answer.points is not None and not self._limits.stopped:
            # For the least budget and the one after it: more sets only make the choice harder.
            budget = passing[min(1, len(passing) - 1)].budget
            chosen = choose_sets(question, self._lp.pool, answer.points, budget, self._limits)
            if chosen is not None:
                self._offer_polished(chosen)
        for row in passing:
            if _is_below(threshold.value, row) and not self._limits.stopped:
                row.missed = max(row.missed or threshold.value, threshold.value)

    def _offer_polished(self, gpu_of: Sequence[int]) -> None:
        """Offer a placement, and the better one that local search makes of it at no extra cost."""
        if self._problem.instance.constraints.broken(gpu_of):
            return
        placement = Placement(self._problem.instance, gpu_of)
        self.offer(placement)
        cost = self._problem.cost(placement)
        if isinstance(placement.max_kvpr, Fraction) and cost <= self.rows[-1].budget:
            budget = min(row.budget for row in self.rows if row.budget >= cost)
            self.offer(descend(self._problem, placement, budget, self._limits))

    # -- row by row -------------------------------------------------------------------------

    def _improve(self, row: BudgetRow, work: float, *, last: bool) -> None:
        """Search below the placement of a row until nothing is found, or it is proved."""
        while not (row.proved or self._limits.stopped):
            threshold = self._below(row)
            answer = self._decide(threshold, row)
            if row.proved or answer is None:
                return
            if self._choose(threshold, row, answer, work):
                continue
            if row.proved or not (self._search_low(row, work) or self._ask(threshold, row, work)):
                return

    def _choose(
        self, threshold: Threshold, row: BudgetRow, points: MovePoints, work: float
    ) -> bool:
        """Look for the best choice among the listed sets, if they are few."""
        question = self._problem.question(threshold)
        spare = math.floor(-points.excess(row.budget))
        listed = sets_within(question, points, spare, _MAX_STEPS, self._limits)
        if listed is None or len(listed) > _MAX_SETS:
            return False
        sets = [(gpu, models) for gpu, models, _ in listed]
        return self._ask(threshold, row, 10 * work, sets=sets)

    def _below(self, row: BudgetRow) -> Threshold:
        scaled = self._problem.instance.scaled
        return scaled.finite() if row.value is None else scaled.below(row.value)

    def _search_low(self, row: BudgetRow, work: float) -> bool:
        """Look for a placement where the LP passes lowest, then halfway up to the one at hand."""
        if row.value is None:
            return False
        scaled = self._problem.instance.scaled
        low = row.passed
        for share in (Fraction(0), Fraction(1, 4), Fraction(1, 2)):
            if low is None or self._limits.stopped or row.value is None:
                return False
            threshold = scaled.at_most(low + (row.value - low) * share)
            if threshold.value < row.value and self._ask(threshold, row, work):
                return True
        return False

    def _decide(self, threshold: Threshold, row: BudgetRow) -> MovePoints | None:
        """What the LP says that a threshold costs; all rows take it in."""
        question = self._problem.question(threshold)
        answer = self._lp.decide(question, [row.budget], self._limits)
        self._take_in(threshold, answer.points)
        return answer.points

    def _take_in(self, threshold: Threshold, points: MovePoints | None) -> None:
        """Raise the bounds of the rows whose budget is less than a threshold costs."""
        if points is None:
            return
        value = self._problem.value_above(threshold)
        for row in self.rows:
            if points.excess(row.budget) <= 0:
                continue
            if row.points is None or value > row.points[0]:
                row.points = value, points
            if value >= row.lower_bound and value > 0:
                row.lower_bound, row.evidence = value, points

    def _ask(
        self,
        threshold: Threshold,
        row: BudgetRow,
        work: float,
        *,
        sets: Sequence[tuple[int, tuple[int, ...]]] | None = None,
    ) -> bool:
        """Whether a placement within a threshold and the budget was found."""
        verdict = self._finder.decide(
            threshold,
            self._limits,
            budget=row.budget,
            work=work,
            hint=row.placement,
            sets=sets,
        )
        if isinstance(verdict, Feasible):
            self.offer(verdict.placement)
            return True
        if isinstance(verdict, Infeasible):
            assert isinstance(verdict.evidence, SolverClaim)
            value = self._problem.value_above(threshold)
            for other in self.rows:
                if other.budget <= row.budget and value > other.lower_bound:
                    other.lower_bound, other.evidence = value, verdict.evidence
        return False


def _is_below(value: Fraction, row: BudgetRow) -> bool:
    """Whether a placement at a threshold would improve a row."""
    return row.value is None or value < row.value


def _width(row: BudgetRow) -> Fraction:
    """The relative gap; larger than any real gap if there is no placement."""
    return Fraction(2) if row.gap is None else row.gap
