"""The least cost of a threshold: points that prove it, found by column generation.

The linear program is in :mod:`kvpr_opt.operate.relocation.master`. Sets are generated when they
are needed (Gilmore and Gomory 1961, doi:10.1287/opre.9.6.849), by the exact knapsack of
:mod:`kvpr_opt.operate.relocation.knapsack`. The duals v_i of the models and V_g of the GPUs,
rounded to multiples of 1 / mu, are a proof that stands without the LP: let p_i be the floor of
mu c_i. If no set that fits g is worth more than V_g, where a model is worth v_i at home on g and
v_i - p_i elsewhere, then every packing has

    sum of v_i  <=  sum of V_g  +  sum of p_i over the models moved  <=  sum of V_g  +  mu K,

so the sum of v_i being larger proves that there is none of cost at most K. That holds for any
points, so each round gives a bound; the first one, v_i = c_i, counts for each GPU the minimum that
has to leave it.

Almost every model stays where it is, so there are many optimal duals, far from each other. Each
round therefore prices between the best points so far and the duals of the LP (Wentges 1997,
doi:10.1016/S0969-6016(97)00001-4), and those points are the start at the next threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kvpr_opt._types import Floats, Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.operate.relocation.knapsack import BestSets, SetPricing
from kvpr_opt.operate.relocation.master import MasterSolution, MoveMaster, SetPool
from kvpr_opt.operate.relocation.problem import RelocationProblem, RelocationQuestion

#: Points that the mean cost is worth: at first and, where rounding decides, later.
SCALES = (24, 120, 720)

#: How far the points priced are from the duals of the LP, towards the best points so far.
SMOOTHING = 0.7

# A set is worth adding from this much of the mean cost on, and a cost is within a budget up to it.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class MovePoints:
    """Points by model and by GPU, and the value of a unit of cost: a proof as above.

    Attributes
    ----------
    models, gpus
        v_i and V_g.
    price
        mu.
    """

    models: tuple[int, ...]
    gpus: tuple[int, ...]
    price: Fraction

    def excess(self, budget: int) -> Fraction:
        """How far the models' points exceed what a packing within a budget can hold."""
        return sum(self.models) - sum(self.gpus) - self.price * budget

    @property
    def least_cost(self) -> Fraction:
        """A lower bound on the cost of every packing."""
        return (sum(self.models) - sum(self.gpus)) / self.price

    def penalties(self, costs: Sequence[int]) -> Ints:
        """p_i: how many points less a model is worth when it is not at home."""
        return penalties_of(costs, self.price)


def penalties_of(costs: Sequence[int], price: Fraction) -> Ints:
    """The whole points within a price times each cost."""
    return np.array([int(price * cost) for cost in costs], dtype=np.int64)


@dataclass(frozen=True)
class LPAnswer:
    """The LP's answer for one threshold.

    Attributes
    ----------
    points
        The best proof found; it refutes each budget for which its excess is above 0. ``None``
        where the time was up before the first.
    cost
        Of a fractional packing, which is about the least there is where no budget asked about
        lies between the two; ``None`` where none was found.
    """

    points: MovePoints | None
    cost: float | None

    def passes(self, budget: int) -> bool:
        """Whether a fractional packing within a budget is known."""
        return self.cost is not None and self.cost <= budget + _TOLERANCE


class RelocationLP:
    """The LP of one fleet and its homes; sets and points are kept from question to question.

    Parameters
    ----------
    problem
        The fleet, homes and costs.
    """

    def __init__(self, problem: RelocationProblem) -> None:
        self._costs = problem.costs
        positive = [cost for cost in problem.costs if cost]
        self._mean = Fraction(sum(positive), len(positive)) if positive else Fraction(1)
        self.pool = SetPool(problem)
        self._master = MoveMaster(problem, self.pool)
        self._centre = np.array(problem.costs, dtype=np.float64)

    def decide(
        self, question: RelocationQuestion, budgets: Sequence[int], limits: LimitsView
    ) -> LPAnswer:
        """Find out for each budget whether a proof excludes it, or a fractional packing is in it.

        Raises
        ------
        NumericalError
            If HiGHS fails.
        """
        every = np.arange(len(question.capacities))
        pricing = SetPricing(question)
        nothing = np.zeros((len(every), len(question.sizes)), dtype=bool)
        self.pool.add(pricing.with_residents(nothing, every), every)
        self._master.pose(question)
        search = _Search(self, pricing, budgets)
        for scale in SCALES:
            if not search.undecided or limits.stopped:
                break
            search.generate(scale / self._mean, limits, may_raise=scale == SCALES[0])
        if search.solution is not None:
            self._master.forget(search.solution)
        return LPAnswer(search.best, search.cost)


class _Search:
    """The rounds of one question."""

    def __init__(self, lp: RelocationLP, pricing: SetPricing, budgets: Sequence[int]) -> None:
        self._lp, self._pricing, self._budgets = lp, pricing, budgets
        self.solution: MasterSolution | None = None
        self.best: MovePoints | None = None
        self.cost: float | None = None

    @property
    def undecided(self) -> bool:
        """Whether any budget is neither excluded nor known to be enough."""
        if self.best is None:
            return True
        known = LPAnswer(self.best, self.cost)
        return any(self.best.excess(b) <= 0 and not known.passes(b) for b in self._budgets)

    def generate(self, price: Fraction, limits: LimitsView, *, may_raise: bool) -> None:
        """Rounds with points of one size, until all budgets are decided or nothing is new."""
        smoothing = 1.0 if self.solution is None else SMOOTHING
        penalties = penalties_of(self._lp._costs, price)
        while not limits.stopped:
            values = self._values(price, smoothing)
            priced = self._pricing.best(values, penalties)
            self._note(MovePoints(tuple(values.tolist()), tuple(priced.best.tolist()), price))
            if not self.undecided:
                return
            new = self._add(priced)
            if not new and self.solution is not None:
                if smoothing:
                    smoothing = 0.0
                    continue
                if self.solution.complete or not may_raise:
                    return
                self._lp._master.raise_price()
            smoothing = SMOOTHING
            solution = self._lp._master.solve(limits)
            if solution is None:
                return
            self.solution = solution
            if solution.complete:
                self.cost = solution.cost

    def _values(self, price: Fraction, smoothing: float) -> Ints:
        centre, solution = self._lp._centre, self.solution
        point: Floats = centre
        if solution is not None:
            point = smoothing * centre + (1 - smoothing) * solution.by_model
        return np.floor(point * float(price) + 0.5).astype(np.int64)

    def _note(self, points: MovePoints) -> None:
        if self.best is None or points.least_cost > self.best.least_cost:
            self.best = points
            self._lp._centre = np.array(points.models, dtype=np.float64) / float(points.price)

    def _add(self, priced: BestSets) -> int:
        """Add the sets that are useful to the LP; return how many are new."""
        pool, solution = self._lp.pool, self.solution
        sets, gpus = self._pricing.with_residents(priced.sets, priced.gpus), priced.gpus
        if solution is not None:
            gain = sets @ solution.by_model - pool.cost_of(sets, gpus) - solution.by_gpu[gpus]
            useful = gain > _TOLERANCE * float(self._lp._mean)
            sets, gpus = sets[useful], gpus[useful]
        return pool.add(sets, gpus)
