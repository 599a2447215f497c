"""Rounding of large programs: many bins at a time, from a vertex of the optimal face.

A central solution of the pattern LP spreads over thousands of patterns. A vertex
restricted to the patterns of largest weight uses hardly more patterns than there are
classes, so on a fleet of many GPUs most bins can be fixed at once: a pattern of weight
2.7 fills two of them. The LP of the remainder is solved again, with fine pricing,
since whatever coarse pricing wastes is missing at the end. This repeats until few bins
are left for a dive (:mod:`kvpr_opt.patterns.dive`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Counts, Floats, Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.dive import Dive, DivePlan
from kvpr_opt.patterns.lp.central_program import CentralProgram, Layout
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.interior_point import solve_central, start_from
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.pricing import Duals, Precision
from kvpr_opt.patterns.problem import DualValues, Fractional, Packing, PackingQuestion

#: Columns per class of the LP whose vertex is taken, and the factor by which they grow
#: if these are not enough.
_COLUMNS_EACH, _MORE_COLUMNS = 6, 3

#: Maximum relative change of a cost, and the relative gap up to which the LP is solved. At the
#: threshold of the LP a ten-millionth of the bins is all that may be wasted.
_NOISE, _TIGHT = 1e-8, 1e-9

#: Prices of items beside patterns, and their values at the start, as multiples of their share
#: of the volume.
_PRICE, _INSIDE = 1.3, 0.9

#: Fractional parts of at least this are rounded up, within the limit of a step.
_WEIGHTY = 0.3

#: The share of the remaining bins that a step fixes is halved when the LP does not pass
#: afterwards, down to this.
_LEAST_STEP = 0.1

#: How many times the last bins are left where the tries after the first begin.
_TURN = 4

#: Tolerance on the factor of the bins up to which a vertex counts as a fractional packing, and up
#: to which the last bins are left to a dive even though the LP does not pass.
_TOLERANCE, _NEAR_MISS = 1e-8, 1e-5

#: Weights within this of a whole number count as whole.
_NEARLY = 1e-4


class RoundingPlan(NamedTuple):
    """How a rounding proceeds.

    Attributes
    ----------
    step
        The least share of the remaining bins that are fixed at once.
    dive
        The plan of a dive that packs the last bins.
    tries
        How many dives may fail.
    """

    step: float
    dive: DivePlan
    tries: int = 1


def round_by_vertices(
    lp: PatternLP,
    question: PackingQuestion,
    answer: Fractional | None,
    limits: LimitsView,
    plan: RoundingPlan,
    *,
    last_bins: int,
    seed: int,
) -> Packing | None:
    """Return a packing, if rounding finds one.

    Parameters
    ----------
    lp
        The pattern LP of the fleet.
    question, answer
        What is packed, and the LP's answer to it, if known.
    limits
        When to give up.
    plan
        Its budgets.
    last_bins
        How many bins are left to the dive.
    seed
        The random seed of the dive.
    """
    rounding = _Rounding(lp, limits, last_bins, plan.step)
    start = _State(Packing.empty(len(question.counts)), question, answer)
    for number in range(plan.tries):
        end = rounding.fix_most(start, seed + number)
        if end is None:
            return None
        dive = Dive(lp.part(end.question), limits, plan.dive, seed=seed + number)
        rest = dive.run(end.question)
        if rest is not None:
            return end.packing.with_bins(rest)
        if limits.stopped or rounding.turn is None:
            return None
        start = rounding.turn
    return None


class _State(NamedTuple):
    """What is fixed, what is left, and the answer of the LP to that, if known."""

    packing: Packing
    question: PackingQuestion
    answer: Fractional | None


class _Rounding:
    """Fixing bins step by step.

    Attributes
    ----------
    turn
        The state to go back to where the dive fails: few bins are left, and other choices cost
        little.
    """

    def __init__(self, lp: PatternLP, limits: LimitsView, last_bins: int, most: float) -> None:
        self._lp, self._limits, self._last_bins, self._most = lp, limits, last_bins, most
        self.turn: _State | None = None

    def fix_most(self, state: _State, seed: int) -> _State | None:
        """Fix all but the last bins; ``None`` if the LP does not pass on the way."""
        level: _Level | None = None
        step = self._most
        while state.question.bins > self._last_bins and state.question.counts.any():
            state = self._answered(state)
            packing, question, answer = state
            if self._limits.stopped:
                return None
            if answer is not None:
                if self.turn is None and question.bins <= _TURN * self._last_bins:
                    self.turn = state
                vertex = _vertex(self._lp.pool, question, answer.weights, self._limits, seed)
                if vertex is None:
                    return None
                level, step = _Level(packing, question, vertex), min(self._most, 2 * step)
            elif level is None or step < _LEAST_STEP:
                return None
            else:
                step /= 2  # too much was fixed at once
            fixed = _fix(level.question, level.vertex, step, step / self._most)
            if fixed is None:
                return None
            left = _without(level.question, fixed)
            state = _State(level.packing.with_bins(fixed), left, None)
        return state

    def _answered(self, state: _State) -> _State:
        """The state with the answer of the LP, if that passes, or all but: a dive decides."""
        if state.answer is not None:
            return state
        decided = self._lp.decide(state.question, self._limits, precision=Precision.FINE)
        if isinstance(decided, DualValues) or self._lp.shortfall > _NEAR_MISS:
            return state
        return state._replace(answer=Fractional(decided.weights))


class _Vertex(NamedTuple):
    """Patterns, their types and their weights."""

    counts: Counts
    types: Ints
    weights: Floats


class _Level(NamedTuple):
    """What is fixed, what is left, and a vertex of the LP of what is left."""

    packing: Packing
    question: PackingQuestion
    vertex: _Vertex


def _without(question: PackingQuestion, fixed: Packing) -> PackingQuestion:
    """What is left once some bins are fixed."""
    used = np.bincount(fixed.types, minlength=len(question.multiplicities))
    counts = question.counts - fixed.counts.sum(axis=0, dtype=np.int64)
    return question.left(counts, question.multiplicities - used)


def _vertex(
    pool: PatternPool, question: PackingQuestion, weights: Floats, limits: LimitsView, seed: int
) -> _Vertex | None:
    """Nearly a vertex, on the columns of largest weight, as many as are needed.

    Costs are changed a little, at random, so that the optimum is a single vertex, and the
    interior point method comes close to it in a tenth of the time of the simplex method.
    """
    layout = Layout.of(question)
    volume = Duals.of_volume(question)
    duals = layout.rows_of(_INSIDE * volume.by_class, volume.by_type)
    prices = _PRICE * question.bins * volume.by_class[layout.classes]
    weightiest = np.argsort(-weights, kind="stable")
    types = pool.patterns.types
    weightiest = weightiest[(weights[weightiest] > 0) & layout.has(types[weightiest])]
    random = np.random.default_rng(seed)
    number = _COLUMNS_EACH * len(layout.classes)
    while not limits.stopped:
        chosen = np.sort(weightiest[:number])
        _, columns, costs = CentralProgram.over(layout, pool, chosen, prices)
        costs[: len(chosen)] *= 1 + _NOISE * random.random(len(chosen))
        point = solve_central(
            columns, costs, layout.demand, start_from(columns, costs, layout.demand, duals),
            tolerance=_TIGHT, stopped=lambda: limits.stopped,
        )  # fmt: skip
        if point is None:
            return None
        if point.objective <= (1 + _TOLERANCE) * question.bins:
            return _Vertex(pool.counts(chosen), types[chosen], point.primal[: len(chosen)])
        if number >= len(weightiest):
            return None
        number *= _MORE_COLUMNS
    return None


def _fix(question: PackingQuestion, vertex: _Vertex, step: float, share: float) -> Packing | None:
    """Fix bins of a vertex: the whole part of each weight, then the largest fractional parts.

    The whole parts cost hardly anything: but for its tolerance, the rest of the vertex packs the
    remaining items. So of a smaller step they are a smaller share.

    Parameters
    ----------
    question, vertex
        What is packed, and how in fractions.
    step
        The least share of the bins to fix.
    share
        Which share of the whole parts to fix.
    """
    counts, types, values = vertex
    whole = np.floor(values + _NEARLY)
    rest = values - whole
    left, free = question.counts.copy(), question.multiplicities.copy()
    fixed: list[int] = []
    most, least = math.ceil(share * whole.sum()), max(1, int(step * question.bins))
    for p in np.argsort(-values, kind="stable"):
        for _ in range(min(int(whole[p]), most - len(fixed))):
            if not _fits(counts[p], types[p], left, free):
                break
            left -= counts[p]
            free[types[p]] -= 1
            fixed.append(int(p))
    for p in np.argsort(-rest, kind="stable"):
        if len(fixed) >= least or (fixed and rest[p] < _WEIGHTY) or rest[p] <= 0:
            break
        if _fits(counts[p], types[p], left, free):
            left -= counts[p]
            free[types[p]] -= 1
            fixed.append(int(p))
    return Packing(counts[fixed], types[fixed]) if fixed else None


def _fits(pattern: Counts, gpu_type: int, left: Ints, free: Ints) -> bool:
    """Whether the pattern is not empty and a bin and its items are left for one more."""
    return bool(free[gpu_type] > 0 and pattern.any() and (pattern <= left).all())
