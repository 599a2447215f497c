"""The linear program over the known sets, warm-started from one threshold to the next.

    minimise    sum over sets p of c_p x_p  +  M sum over models i of a_i
    subject to  sum over sets p with i of x_p  +  a_i  >=  1        (each model i)
                sum over sets p for g of x_p           <=  1        (each GPU g)
                x, a >= 0

c_p is the cost of moving the models of p that are not at home; a_i > 0 leaves model i out.
A set that does not fit at the current threshold is kept but closed: its x_p is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import highspy
import numpy as np

from kvpr_opt._types import BoolArray, Floats, Ints
from kvpr_opt.errors import NumericalError
from kvpr_opt.highs import OwnThread, QuietHighs
from kvpr_opt.limits import LimitsView
from kvpr_opt.operate.relocation.problem import RelocationProblem, RelocationQuestion

# Initial price of leaving a model out, in units of the largest cost.
_FIRST_PRICE = 3

#: Sets per row beyond which the less useful half is dropped, and how many are always kept.
MAX_SETS_A_ROW, MIN_SETS = 12, 1_000

# Values of a_i up to this count as 0.
_TOLERANCE = 1e-9

_OPTIONS = (
    ("presolve", "off"),
    ("solver", "simplex"),
    # Primal or dual, whichever the basis allows: new thresholds close sets, pricing adds some.
    ("simplex_strategy", 0),
    ("threads", 1),
)


@dataclass(frozen=True)
class MasterSolution:
    """The optimum over the known sets.

    Attributes
    ----------
    cost
        The objective.
    complete
        Whether no model is left out.
    by_model, by_gpu
        The dual values, at least 0.
    """

    cost: float
    complete: bool
    by_model: Floats
    by_gpu: Floats


class SetPool:
    """Sets of models, each for one GPU, and the cost of moving them there."""

    def __init__(self, problem: RelocationProblem) -> None:
        self._home = problem.homes
        self._costs = np.array(problem.costs, dtype=np.int64)
        self._known: set[tuple[int, bytes]] = set()
        self.sets: BoolArray = np.zeros((0, len(problem.home)), dtype=bool)
        self.gpus: Ints = np.zeros(0, dtype=np.int64)
        self.costs: Ints = np.zeros(0, dtype=np.int64)

    def cost_of(self, sets: BoolArray, gpus: Ints) -> Ints:
        """The cost of moving the models of the given sets to their GPUs."""
        moved = sets & (self._home >= 0) & (self._home != gpus[:, None])
        return np.asarray(moved @ self._costs)

    def add(self, sets: BoolArray, gpus: Ints) -> int:
        """Add sets; return how many of them are new."""
        new = []
        for position, (gpu, members) in enumerate(zip(gpus.tolist(), sets, strict=True)):
            key = gpu, members.tobytes()
            if key not in self._known:
                self._known.add(key)
                new.append(position)
        self.sets = np.concatenate([self.sets, sets[new]])
        self.gpus = np.concatenate([self.gpus, gpus[new]])
        self.costs = np.concatenate([self.costs, self.cost_of(sets[new], gpus[new])])
        return len(new)

    def keep(self, kept: BoolArray) -> None:
        """Drop all other sets."""
        for gpu, members in zip(self.gpus[~kept].tolist(), self.sets[~kept], strict=True):
            self._known.discard((gpu, members.tobytes()))
        self.sets, self.gpus, self.costs = self.sets[kept], self.gpus[kept], self.costs[kept]

    def fitting(self, question: RelocationQuestion) -> BoolArray:
        """Which sets fit their GPUs at a threshold."""
        return np.asarray(self.sets @ question.sizes <= question.capacities[self.gpus])


class MoveMaster:
    """The restricted master problem over a pool of sets.

    Parameters
    ----------
    problem
        Models, GPUs, homes and costs.
    pool
        The sets; each :meth:`solve` picks up new ones.
    """

    def __init__(self, problem: RelocationProblem, pool: SetPool) -> None:
        self._pool = pool
        self._models, self._gpus = len(problem.home), len(problem.instance.gpus)
        self._price = float(_FIRST_PRICE * max(1, max(problem.costs, default=1)))
        self._open: BoolArray = np.zeros(0, dtype=bool)
        self._thread = OwnThread()
        self._highs = QuietHighs()
        for option, value in _OPTIONS:
            self._highs.setOptionValue(option, value)
        add_rows(self._highs, self._models, self._gpus)
        every = np.arange(self._models, dtype=np.int32)
        zeros, infinity = np.zeros(self._models), np.full(self._models, highspy.kHighsInf)
        self._highs.addCols(
            self._models,
            np.full(self._models, self._price),
            zeros,
            infinity,
            self._models,
            every,
            every,
            np.ones(self._models),
        )

    def pose(self, question: RelocationQuestion) -> None:
        """Close the sets that do not fit at a threshold, and open those that do."""
        self._take_new()
        fitting = self._pool.fitting(question)
        changed = np.flatnonzero(fitting != self._open)
        if changed.size:
            upper = np.where(fitting[changed], highspy.kHighsInf, 0.0)
            columns = (changed + self._models).astype(np.int32)
            self._highs.changeColsBounds(changed.size, columns, np.zeros(changed.size), upper)
        self._open = fitting

    def forget(self, solution: MasterSolution) -> None:
        """Drop the least useful sets if there are many.

        Parameters
        ----------
        solution
            Its dual values measure how useful a set is; sets in the basis stay.
        """
        self._take_new()
        pool = self._pool
        if len(pool.gpus) <= max(MIN_SETS, MAX_SETS_A_ROW * (self._models + self._gpus)):
            return
        short = pool.costs + solution.by_gpu[pool.gpus] - pool.sets @ solution.by_model
        statuses = self._highs.getBasis().col_status[self._models :]
        short[[status == highspy.HighsBasisStatus.kBasic for status in statuses]] = -math.inf
        half = len(short) // 2
        kept = np.zeros(len(short), dtype=bool)
        kept[np.argpartition(short, half)[:half]] = True
        dropped = np.flatnonzero(~kept)
        self._highs.deleteCols(len(dropped), (dropped + self._models).astype(np.int32))
        self._open = self._open[kept]
        pool.keep(kept)

    def raise_price(self) -> None:
        """Double the price of leaving a model out."""
        self._price *= 2
        columns = np.arange(self._models, dtype=np.int32)
        self._highs.changeColsCost(self._models, columns, np.full(self._models, self._price))

    def solve(self, limits: LimitsView) -> MasterSolution | None:
        """The optimum over the known sets; ``None`` if the time was up.

        Raises
        ------
        NumericalError
            If HiGHS fails.
        """
        self._take_new()
        stopped, optimal = highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kOptimal
        # HiGHS accumulates the time of all its runs.
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + limits.allowance())
        self._thread.run(self._highs.run)
        status = self._highs.getModelStatus()
        if status not in (optimal, stopped):
            # Many changes have spoilt the basis: solve once more from scratch.
            self._highs.clearSolver()
            self._thread.run(self._highs.run)
            status = self._highs.getModelStatus()
        if status == stopped:
            return None
        if status != optimal:
            raise NumericalError(f"the LP of moves ended with {status}")
        solution = self._highs.getSolution()
        duals = np.array(solution.row_dual)
        left_out = np.array(solution.col_value)[: self._models].max(initial=0.0)
        return MasterSolution(
            cost=float(self._highs.getInfo().objective_function_value),
            complete=bool(left_out <= _TOLERANCE),
            by_model=np.maximum(duals[: self._models], 0.0),
            by_gpu=np.maximum(-duals[self._models :], 0.0),
        )

    def _take_new(self) -> None:
        known = len(self._open)
        new = np.arange(known, len(self._pool.gpus))
        add_sets(self._highs, self._pool, new, highspy.kHighsInf)
        self._open = np.concatenate([self._open, np.ones(len(new), dtype=bool)])


def add_rows(highs: QuietHighs, models: int, gpus: int) -> None:
    """One row for each model, to be covered, and one for each GPU, to be used once."""
    rows, infinity = models + gpus, highspy.kHighsInf
    low = np.concatenate([np.ones(models), np.full(gpus, -infinity)])
    high = np.concatenate([np.full(models, infinity), np.ones(gpus)])
    none = np.zeros(0, dtype=np.int32)
    highs.addRows(rows, low, high, 0, np.zeros(rows, dtype=np.int32), none, np.zeros(0))


def add_sets(highs: QuietHighs, pool: SetPool, chosen: Ints, upper: float) -> None:
    """One column for each set chosen from a pool."""
    number = len(chosen)
    if not number:
        return
    models = pool.sets.shape[1]
    column, row = np.nonzero(pool.sets[chosen])
    column = np.concatenate([column, np.arange(number)])
    row = np.concatenate([row, models + pool.gpus[chosen]])
    order = np.argsort(column, kind="stable")
    highs.addCols(
        number,
        pool.costs[chosen].astype(np.float64),
        np.zeros(number),
        np.full(number, upper),
        len(row),
        np.searchsorted(column[order], np.arange(number)).astype(np.int32),
        row[order].astype(np.int32),
        np.ones(len(row)),
    )
