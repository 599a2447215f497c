"""The lowest KVPR for each budget of moves, with a proof or a gap: the trade-off of a fleet.

Rows are improved together. What one row finds is a placement for every larger budget; what the LP
of moves proves about a threshold, a least cost, is a bound for every smaller one:

1. Local search, row after row, from the placement of the row before.
2. Each row is asked strictly below its placement. Where the LP says that this costs more than the
   budget, the row is proved.
3. Otherwise the points of the LP say which sets of models a GPU can have in anything better
   within the budget. Where they are few, they are listed, and the best choice among them is
   found, or there is none.
4. Otherwise bisection finds the lowest threshold that passes the LP, and CP-SAT looks for a
   placement there, then ever closer to the one at hand, in rounds of growing budgets.
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

# By what factor the work grows from round to round.
_GROWTH = 5

# Steps of a bisection for the lowest threshold that passes the LP.
_STEPS = 8

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
        The best one known within the budget; ``None`` where none is known.
    lower_bound
        No placement within the budget has a smaller maximum KVPR.
    evidence
        Why: points, a solver's claim, or ``None`` for the bound of the fleet without a budget.
    points
        The best bound that is proved by points, and the points.
    """

    budget: int
    placement: Placement | None
    lower_bound: Fraction | float
    evidence: MovePoints | SolverClaim | None = None
    points: tuple[Fraction | float, MovePoints] | None = None

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
        self._lp = RelocationLP(len(problem.home), len(problem.instance.gpus))
        self._least_passed: dict[int, Fraction] = {}
        self.rows = [BudgetRow(budget, None, fleet_bound) for budget in budgets]

    def offer(self, placement: Placement | None) -> None:
        """Take a placement for every budget that it is within, where it is better."""
        if placement is None or isinstance(placement.max_kvpr, float):
            return
        cost = self._problem.cost(placement)
        for row in self.rows:
            if row.budget >= cost and (row.value is None or placement.max_kvpr < row.value):
                row.placement = placement

    def run(self, on_progress: Callable[[Sequence[BudgetRow]], object] | None = None) -> None:
        """Improve the rows until all are proved, the rounds are over, or the limits come."""
        self._place()
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

    def _improve(self, row: BudgetRow, work: float, *, last: bool) -> None:
        """Ask below the placement of a row until nothing is found, or it is proved."""
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
        """Look for the best choice among the listed sets, where they are few."""
        question = self._problem.question(threshold)
        spare = -points.excess(row.budget)
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
        low = self._lowest_passing(row)
        for share in (Fraction(0), Fraction(1, 4), Fraction(1, 2)):
            if low is None or self._limits.stopped or row.value is None:
                return False
            threshold = scaled.at_most(low + (row.value - low) * share)
            if threshold.value < row.value and self._ask(threshold, row, work):
                return True
        return False

    def _lowest_passing(self, row: BudgetRow) -> Fraction | None:
        """The lowest threshold that passes the LP for a budget, by bisection."""
        scaled, value = self._problem.instance.scaled, row.value
        assert value is not None
        known = self._least_passed.get(row.budget)
        if known is not None and known < value:
            return max(known, Fraction(row.lower_bound))
        passed = value
        for _ in range(_STEPS):
            if self._limits.stopped or isinstance(row.lower_bound, float):
                return None
            threshold = scaled.at_most((row.lower_bound + passed) / 2)
            if not row.lower_bound <= threshold.value < passed:
                break
            if not self._refuted(threshold, row):
                assert isinstance(threshold.value, Fraction)
                passed = threshold.value
        self._least_passed[row.budget] = passed
        return passed

    def _refuted(self, threshold: Threshold, row: BudgetRow) -> bool:
        """Whether the LP shows that a threshold costs more than a row's budget."""
        points = self._decide(threshold, row)
        return points is not None and points.excess(row.budget) > 0

    def _decide(self, threshold: Threshold, row: BudgetRow) -> MovePoints | None:
        """What the LP says that a threshold costs; all rows take it in."""
        question = self._problem.question(threshold)
        points = self._lp.decide(question, row.budget, self._limits).points
        if points is not None:
            value = self._problem.value_above(threshold)
            for other in self.rows:
                if points.excess(other.budget) <= 0:
                    continue
                if other.points is None or value > other.points[0]:
                    other.points = value, points
                if value >= other.lower_bound and value > 0:
                    other.lower_bound, other.evidence = value, points
        return points

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
