"""The cheapest fractional packing of a threshold: a lower bound on the cost of getting there.

    minimise    sum over GPUs g and sets p of c_gp x_gp  +  M sum over models i of a_i
    subject to  sum over sets p with i of x_gp  +  a_i  >=  1        (each model i)
                sum over sets p for g of x_gp           <=  1        (each GPU g)
                x, a >= 0

c_gp is what moving the models of p that are not at home on g costs, and a_i stands for a model
left out, at a price M that is raised until none is, or the budget is exceeded. Sets are generated
when they are needed (Gilmore and Gomory 1961, doi:10.1287/opre.9.6.849), by the exact knapsack of
:mod:`kvpr_opt.operate.relocation.knapsack`.

Its duals v_i and V_g, rounded to multiples of 1 / mu, are a proof that stands without the LP: let
p_i be the floor of mu c_i. If no set that fits g is worth more than V_g, where a model is worth
v_i at home on g and v_i - p_i elsewhere, then every packing has

    sum of v_i  <=  sum of V_g  +  sum of p_i over the models moved  <=  sum of V_g  +  mu K,

so the sum of v_i being larger proves that there is none of cost at most K.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import highspy
import numpy as np

from kvpr_opt._types import Floats, Ints
from kvpr_opt.errors import NumericalError
from kvpr_opt.highs import OwnThread, QuietHighs
from kvpr_opt.limits import Limits
from kvpr_opt.operate.relocation.knapsack import BestSets, best_sets
from kvpr_opt.operate.relocation.problem import NOWHERE, RelocationQuestion

#: Points that a unit of cost is worth: at first, where columns are only looked for, and at last.
SCALES = (24, 120, 720)

# Sets that one round may find for a GPU.
_SETS_A_GPU = 6

# The price of leaving a model out, in units of the largest cost, at first.
_FIRST_PRICE = 2

# A set is worth adding from this much of a unit of cost on.
_TOLERANCE = 1e-7


@dataclass(frozen=True)
class MovePoints:
    """Points by model and by GPU, and what a unit of cost is worth: a proof as above.

    Attributes
    ----------
    models, gpus
        v_i and V_g.
    price
        mu.
    """

    models: tuple[int, ...]
    gpus: tuple[int, ...]
    price: int

    def excess(self, budget: int) -> int:
        """By how much the models' points exceed what a packing within a budget can hold."""
        return sum(self.models) - sum(self.gpus) - self.price * budget

    @property
    def least_cost(self) -> Fraction:
        """What every packing costs at least."""
        return Fraction(sum(self.models) - sum(self.gpus), self.price)


@dataclass(frozen=True)
class LPAnswer:
    """What the LP says about one question.

    Attributes
    ----------
    points
        The best proof found; it refutes the budget where its excess is above 0.
    weights
        The fractional packing: by set, how much of it is used. Empty where the budget was
        refuted, or the time was up.
    """

    points: MovePoints | None
    weights: Floats


class RelocationLP:
    """The LP of one fleet and its homes; sets are kept from one question to the next.

    Parameters
    ----------
    models, gpus
        How many.
    """

    def __init__(self, models: int, gpus: int) -> None:
        self._models, self._gpus = models, gpus
        self.sets: list[tuple[int, tuple[int, ...]]] = []
        self._known: set[tuple[int, tuple[int, ...]]] = set()

    def decide(self, question: RelocationQuestion, budget: int, limits: Limits) -> LPAnswer:
        """Look for a proof that no packing costs `budget` or less.

        Raises
        ------
        NumericalError
            If HiGHS fails.
        """
        master = _Master(question)
        self._add_homes(question)
        master.add(self._usable(question))
        best: MovePoints | None = None
        for scale in SCALES:
            while not limits.stopped:
                solution = master.solve(limits)
                if solution is None:
                    break
                values, tops = solution.in_units(scale)
                penalties = np.array(
                    [scale * cost for cost in question.problem.costs], dtype=np.int64
                )
                tables = best_sets(question, values, penalties)
                points = MovePoints(tuple(map(int, values)), tuple(map(int, tables.best)), scale)
                if best is None or points.least_cost > best.least_cost:
                    best = points
                if best.excess(budget) > 0:
                    return LPAnswer(best, np.zeros(0))
                new = [s for s in self._found(tables, tops) if s not in self._known]
                if not new:
                    if solution.left_out and scale == SCALES[0]:
                        master.raise_price()
                        continue
                    break
                self._known.update(new)
                self.sets.extend(new)
                master.add(new)
            if limits.stopped:
                break
        final = master.solve(limits)
        weights = np.zeros(0) if final is None or final.left_out else final.weights
        return LPAnswer(best, weights)

    def _found(self, tables: BestSets, tops: Ints) -> list[tuple[int, tuple[int, ...]]]:
        found = []
        for gpu in range(self._gpus):
            best = int(tables.best[gpu])
            least = max(int(tops[gpu]) + 1, 1)
            for value in np.unique(np.linspace(least, best, _SETS_A_GPU).astype(np.int64))[::-1]:
                if least <= value <= best:
                    found.append((gpu, tuple(sorted(tables.models(gpu, int(value))))))
        return list(dict.fromkeys(found))

    def _add_homes(self, question: RelocationQuestion) -> None:
        """The models that are on a GPU now, the largest left out until the rest fits."""
        for gpu, capacity in enumerate(question.capacities):
            here = np.flatnonzero(question.problem.homes == gpu)
            here = here[np.argsort(question.sizes[here], kind="stable")]
            fitting = here[np.cumsum(question.sizes[here]) <= capacity]
            made = (gpu, tuple(sorted(map(int, fitting))))
            if made[1] and made not in self._known:
                self._known.add(made)
                self.sets.append(made)

    def _usable(self, question: RelocationQuestion) -> list[tuple[int, tuple[int, ...]]]:
        """The sets known so far that fit at this threshold."""
        return [
            (gpu, models)
            for gpu, models in self.sets
            if int(question.sizes[list(models)].sum()) <= question.capacities[gpu]
            and all(question.allowed[model, gpu] for model in models)
        ]


@dataclass(frozen=True)
class _Solution:
    weights: Floats
    left_out: bool
    by_model: Floats
    by_gpu: Floats

    def in_units(self, scale: int) -> tuple[Ints, Ints]:
        """Duals as multiples of 1 / `scale`: rounded for models, up for GPUs."""
        values = np.floor(self.by_model * scale + 0.5).astype(np.int64)
        return np.maximum(values, 0), np.ceil(self.by_gpu * scale - _TOLERANCE).astype(np.int64)


class _Master:
    """The restricted master problem of one question."""

    def __init__(self, question: RelocationQuestion) -> None:
        self._question = question
        self.sets: list[tuple[int, tuple[int, ...]]] = []
        self._price = float(_FIRST_PRICE * max(1, max(question.problem.costs, default=1)))
        self._thread = OwnThread()
        self._highs = QuietHighs()
        for option, value in (("presolve", "off"), ("solver", "simplex"), ("threads", 1)):
            self._highs.setOptionValue(option, value)
        models, gpus = question.allowed.shape
        rows, infinity = models + gpus, highspy.kHighsInf
        low = np.concatenate([np.ones(models), np.full(gpus, -infinity)])
        high = np.concatenate([np.full(models, infinity), np.ones(gpus)])
        none = np.zeros(0, dtype=np.int32)
        self._highs.addRows(rows, low, high, 0, np.zeros(rows, dtype=np.int32), none, np.zeros(0))
        self._highs.addCols(
            models,
            np.full(models, self._price),
            np.zeros(models),
            np.full(models, infinity),
            models,
            np.arange(models, dtype=np.int32),
            np.arange(models, dtype=np.int32),
            np.ones(models),
        )

    def add(self, sets: list[tuple[int, tuple[int, ...]]]) -> None:
        """Take in sets of models, each for one GPU."""
        if not sets:
            return
        models = self._question.allowed.shape[0]
        home, costs = self._question.problem.home, self._question.problem.costs
        starts: list[int] = []
        rows: list[int] = []
        prices: list[float] = []
        for gpu, members in sets:
            starts.append(len(rows))
            rows += [*members, models + gpu]
            prices.append(float(sum(costs[i] for i in members if home[i] not in (gpu, NOWHERE))))
        infinity = np.full(len(sets), highspy.kHighsInf)
        self._highs.addCols(
            len(sets),
            np.array(prices),
            np.zeros(len(sets)),
            infinity,
            len(rows),
            np.array(starts, dtype=np.int32),
            np.array(rows, dtype=np.int32),
            np.ones(len(rows)),
        )
        self.sets += sets

    def raise_price(self) -> None:
        """Make leaving a model out twice as dear."""
        self._price *= 2
        models = self._question.allowed.shape[0]
        columns = np.arange(models, dtype=np.int32)
        self._highs.changeColsCost(models, columns, np.full(models, self._price))

    def solve(self, limits: Limits) -> _Solution | None:
        """The optimum over the sets at hand; ``None`` where the time was up."""
        models = self._question.allowed.shape[0]
        while not limits.stopped:
            self._highs.setOptionValue("time_limit", self._highs.getRunTime() + limits.remaining)
            self._thread.run(self._highs.run)
            status = self._highs.getModelStatus()
            if status == highspy.HighsModelStatus.kTimeLimit:
                return None
            if status != highspy.HighsModelStatus.kOptimal:
                raise NumericalError(f"the LP of moves ended with {status}")
            solution = self._highs.getSolution()
            values, duals = np.array(solution.col_value), np.array(solution.row_dual)
            left_out = bool(values[:models].max(initial=0.0) > 1e-9)
            return _Solution(
                weights=values[models:],
                left_out=left_out,
                by_model=np.maximum(duals[:models], 0.0),
                by_gpu=np.maximum(-duals[models:], 0.0),
            )
        return None
