"""Better placements for running models: the lowest KVPR for each cost of moving."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from kvpr_opt.certificates.evidence import SolverClaim
from kvpr_opt.drawing.rows import gap_text
from kvpr_opt.errors import InputError, InvalidPlacementError, check_known
from kvpr_opt.limits import Limits
from kvpr_opt.operate.current import PlacementLike, home_of
from kvpr_opt.operate.plan import Plan, plan_moves
from kvpr_opt.operate.relocation.certificate import (
    RelocationCertificate,
    certify_row,
    within_checker,
)
from kvpr_opt.operate.relocation.problem import NOWHERE, RelocationProblem
from kvpr_opt.problem.exact import relative_gap, to_fraction, whole_number
from kvpr_opt.problem.fields import amount
from kvpr_opt.problem.instance import Instance, Number
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Grade, Result
from kvpr_opt.solve import solve

if TYPE_CHECKING:
    from kvpr_opt.operate.relocation.tradeoff import BudgetRow

#: The measures of the cost of moving.
COSTS = ("moves", "memory", "move_cost")

#: Maximum number of moves to consider.
MAX_MOVES = 10**9

#: Rows of a trade-off by memory or ``move_cost``, in addition to the row of cost 0.
STEPS = 10

# Share of the time that the optimum without a budget may take.
_SHARE = 0.25


_PROVED = {
    Grade.CERTIFIED: "proved",
    Grade.SOLVER: "proved by a solver's word",
    Grade.NOT_CHECKED: "proved, not checked",
    None: "proved",
}


@dataclass(frozen=True)
class ReplanRow:
    """The best that is known for one budget.

    Attributes
    ----------
    budget
        The most that moving may cost.
    cost
        The cost of reaching the placement: parts moved, memory of their weights in the unit
        of the fleet, or the sum of their ``move_cost``. ``None`` without a placement.
    placement
        The placement; ``None`` if none within the budget is known.
    lower_bound
        No placement within the budget has a smaller maximum KVPR; ``math.inf`` if none has a
        finite one.
    grade
        What `lower_bound` rests on, see :class:`~kvpr_opt.Grade`; ``None`` without a bound.
    certificate
        The claim of this row with its proof.
    """

    budget: Fraction
    cost: Fraction | None
    placement: Placement | None
    lower_bound: Fraction | float
    grade: Grade | None
    certificate: RelocationCertificate | None

    @property
    def certified(self) -> bool:
        """Whether `lower_bound` has a proof that the checker accepts."""
        return self.grade is Grade.CERTIFIED

    @property
    def max_kvpr(self) -> Fraction | None:
        """Maximum KVPR of the placement."""
        value = None if self.placement is None else self.placement.max_kvpr
        return value if isinstance(value, Fraction) else None

    @property
    def gap(self) -> Fraction | None:
        """Relative gap to `lower_bound`."""
        return relative_gap(self.max_kvpr, self.lower_bound)

    @property
    def proved(self) -> bool:
        """Whether nothing within the budget is better."""
        return self.lower_bound == math.inf or self.max_kvpr == self.lower_bound

    @property
    def certainty(self) -> str:
        """How sure the row is, in a few words."""
        if self.placement is None and self.lower_bound == math.inf:
            return "proved that there is none"
        return _PROVED[self.grade] if self.proved else f"gap {gap_text(self.gap)}"


@dataclass(frozen=True)
class Replan:
    """The trade-off of KVPR and moves.

    Attributes
    ----------
    instance
        The fleet.
    home
        By model, the number of the GPU on which it runs now, negative where it runs nowhere.
    cost
        What is counted: ``"moves"``, ``"memory"`` or ``"move_cost"``.
    rows
        By rising budget.
    optimum
        The run without a budget.
    """

    instance: Instance
    home: tuple[int, ...]
    cost: str
    rows: tuple[ReplanRow, ...]
    optimum: Result

    @property
    def current(self) -> Placement | None:
        """Where the models run now; ``None`` if that is not a legal placement of all of them."""
        return None if self.current_fault else Placement(self.instance, self.home)

    @property
    def current_fault(self) -> str:
        """Why the models do not run in a legal placement now; empty if they do."""
        return _fault(self.instance, self.home)

    @property
    def best_known(self) -> Fraction | None:
        """The lowest known maximum KVPR, at any cost."""
        found = [*(row.max_kvpr for row in self.rows), self.optimum.max_kvpr]
        return min((value for value in found if value is not None), default=None)

    def within(self, share: Number) -> ReplanRow | None:
        """The cheapest row whose KVPR is at most ``1 + share`` times the best bound known.

        Parameters
        ----------
        share
            Above the lower bound of the fleet, 0 or more; 0.02 for 2 %.
        """
        wanted = to_fraction(share, "within")
        if wanted < 0:
            raise InputError(f"{share} is not 0 or more", place="within")
        bound = self.optimum.lower_bound
        if bound is None or isinstance(bound, float):
            return None
        limit = bound * (1 + wanted)
        fitting = [r for r in self.rows if r.max_kvpr is not None and r.max_kvpr <= limit]
        return fitting[0] if fitting else None

    @property
    def elbow(self) -> ReplanRow | None:
        """The row farthest below the line from the first row to the last: where moves pay most."""
        rows = [row for row in self.rows if row.max_kvpr is not None]
        if len(rows) < 3:
            return rows[-1] if rows else None
        first, last = rows[0], rows[-1]
        span = last.budget - first.budget

        def below(row: ReplanRow) -> Fraction:
            assert row.max_kvpr is not None
            assert first.max_kvpr is not None
            assert last.max_kvpr is not None
            share = (row.budget - first.budget) / span if span else Fraction(0)
            return first.max_kvpr + (last.max_kvpr - first.max_kvpr) * share - row.max_kvpr

        return max(rows, key=below)

    def plan(self, row: ReplanRow) -> Plan:
        """Ordered steps from where the models run to the placement of a row.

        Raises
        ------
        InputError
            If the row has no placement.
        InvalidPlacementError
            If the models do not fit the GPUs where they run now.
        """
        if row.placement is None:
            raise InputError("the row has no placement to move to", place="row")
        return plan_moves(self.instance, self.home, row.placement)


def replan(
    instance: Instance,
    current: PlacementLike | None = None,
    *,
    max_moves: int = 10,
    max_cost: Number | None = None,
    cost: str = "moves",
    time_limit: float | None = 60,
    seed: int = 0,
    on_progress: Callable[[Sequence[BudgetRow]], object] | None = None,
) -> Replan:
    """Find the lowest maximum KVPR for each cost of moving, proved or with a gap.

    Parameters
    ----------
    instance
        The fleet.
    current
        Where the models run: GPU name by model name, a placement or a result; by default the
        ``current`` keys. A model without one is new and free to go anywhere.
    max_moves
        With ``cost="moves"``, one row for each of 0 to this many moves; each shard counts as a
        move. There are no rows for more moves than parts that run somewhere.
    max_cost
        Otherwise the largest budget, divided into :data:`STEPS` equal steps; by default the
        cost of moving everything. With ``cost="memory"`` it may carry a unit, as in ``"40GB"``.
    cost
        ``"moves"``, ``"memory"`` (of the weights moved) or ``"move_cost"`` (the keys of the
        models; 0 where there is none).
    time_limit
        Seconds in all, ``None`` for no limit.
    seed
        For the solvers.
    on_progress
        Called with all rows after work on each row.

    Raises
    ------
    InputError
        If nothing says where the models run, or a budget is negative.
    InvalidPlacementError
        If a model is placed nowhere, or a name is not one of the fleet.
    """
    check_known("cost", cost, COSTS, place="cost")
    limits = Limits(time_limit)
    problem = _problem(instance, home_of(instance, current), cost)
    budgets = _budgets(problem, cost, max_moves, max_cost)
    with limits.heeding_signals():
        optimum, rows = _trade_off(problem, budgets, limits, time_limit, seed, on_progress)
    made = tuple(_row(problem, row, optimum) for row in rows)
    return Replan(instance, problem.home, cost, made, optimum)


def _trade_off(
    problem: RelocationProblem,
    budgets: Sequence[int],
    limits: Limits,
    time_limit: float | None,
    seed: int,
    on_progress: Callable[[Sequence[BudgetRow]], object] | None,
) -> tuple[Result, Sequence[BudgetRow]]:
    """The run without a budget, and a row for each budget."""
    instance = problem.instance
    share = None if time_limit is None else max(_SHARE * time_limit, 0.001)
    optimum = solve(instance, time_limit=share, seed=seed)
    bound = Fraction(0) if optimum.lower_bound is None else optimum.lower_bound
    # Imported here: a solver takes longer to load than the package.
    from formulations.registry import relocation
    from kvpr_opt.operate.relocation.tradeoff import TradeOff

    finder = relocation(instance, problem.home, problem.costs, seed=seed)
    trade_off = TradeOff(problem, budgets, bound, finder, limits)
    if not _fault(instance, problem.home):
        trade_off.offer(Placement(instance, problem.home))
    trade_off.offer(optimum.placement)
    if bound != math.inf:
        trade_off.run(on_progress)
    return optimum, trade_off.rows


def _problem(instance: Instance, home: tuple[int, ...], cost: str) -> RelocationProblem:
    if cost == "moves":
        costs = [Fraction(1)] * len(instance.models)
    elif cost == "memory":
        costs = [model.size for model in instance.models]
    elif any(model.move_cost is not None for model in instance.models):
        costs = [model.move_cost or Fraction(0) for model in instance.models]
    else:
        raise InputError("no model of the fleet has a key 'move_cost'", place="cost")
    return RelocationProblem.of(instance, home, costs)


def _budgets(
    problem: RelocationProblem, cost: str, max_moves: int, max_cost: Number | None
) -> list[int]:
    everything = sum(
        price for price, gpu in zip(problem.costs, problem.home, strict=True) if gpu != NOWHERE
    )
    if cost == "moves" and max_cost is None:
        asked = whole_number("max_moves", max_moves, 0, MAX_MOVES)
        return list(range(min(asked, everything) + 1))
    most = everything * problem.cost_unit
    if max_cost is not None:
        unit = problem.instance.unit if cost == "memory" else None
        try:
            most = min(most, amount(max_cost, "budget", unit))
        except InputError as error:
            raise InputError(error.message, place="max_cost") from None
    steps = {problem.budget(most * step / STEPS) for step in range(STEPS + 1)}
    return sorted(steps)


def _fault(instance: Instance, home: Sequence[int]) -> str:
    """Why the homes of the models are not a legal placement; empty if they are."""
    if NOWHERE in home:
        return f"model {instance.models[home.index(NOWHERE)].name!r} runs nowhere"
    try:
        Placement(instance, home)
    except InvalidPlacementError as error:
        return str(error)
    return ""


def _row(problem: RelocationProblem, row: BudgetRow, optimum: Result) -> ReplanRow:
    cost = None
    if row.placement is not None:
        cost = problem.cost(row.placement) * problem.cost_unit
    return ReplanRow(
        budget=row.budget * problem.cost_unit,
        cost=cost,
        placement=row.placement,
        lower_bound=row.lower_bound,
        grade=_grade(problem, row, optimum),
        certificate=certify_row(problem, row, optimum),
    )


def _grade(problem: RelocationProblem, row: BudgetRow, optimum: Result) -> Grade | None:
    if row.evidence is None:
        return optimum.grade
    if isinstance(row.evidence, SolverClaim):
        return Grade.SOLVER
    return Grade.CERTIFIED if within_checker(problem, row) else Grade.NOT_CHECKED
