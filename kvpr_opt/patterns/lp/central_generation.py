"""Column generation with central duals, for programs of many classes.

Each round solves the LP over the patterns at hand by an interior point method, only
as closely as the round needs: to a tenth of the remaining gap. Its duals are moved
halfway towards the best ones known and priced exactly
(:mod:`kvpr_opt.patterns.lp.interior_point` says why; the smoothing is that of
Pessoa, Sadykov, Uchoa and Vanderbeck 2018, doi:10.1287/ijoc.2017.0784). This takes a
tenth of the rounds of a simplex method, provided that the initial patterns cover
every class in many ways (:mod:`kvpr_opt.patterns.lp.sampling`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.lp.active_patterns import ActivePatterns
from kvpr_opt.patterns.lp.central_program import CentralProgram, Layout, Trail
from kvpr_opt.patterns.lp.dual import least_shortfall
from kvpr_opt.patterns.lp.exchange import ExchangeMember, PatternExchange
from kvpr_opt.patterns.lp.interior_point import CentralPoint, solve_central
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.pricing import COARSE, Duals, Precision, grids, price, price_on
from kvpr_opt.patterns.problem import DualValues, Fractional, PackingQuestion, Undecided

#: Share of the way towards the best known duals at which patterns are priced.
_SMOOTHING = 0.2

#: Each round is solved to this share of the gap between its objective and the best bound,
#: and within these limits.
_SHARE_OF_GAP, _LOOSEST, _TIGHTEST = 0.1, 1e-2, 1e-8

#: Fewer new patterns than this in a round send the next one to the next grid.
_FEW_BY_VALUE, _FEW_BY_LOAD = 60, 10

#: A grid is dropped once the gap is less than this many of its units.
_FINE_GAP = 10.0

#: How far from the best known duals, towards those of the volume, the method starts.
_INSIDE = 0.2

#: Loads of a table that is as short as a table by value on a coarse grid.
_SHORT_TABLE = 200_000

#: Tolerance on the factor up to which a solution counts as a fractional packing.
_TOLERANCE = 1e-8

#: The factor up to which a question passes where it is not refuted and no pattern prices out. With
#: as many large items as bins, say, the factor is exactly 1 for a range of thresholds.
_CLOSE = 1e-7

#: Premium on the price of an item over the best known duals, the factor by which it rises when
#: too low, and the minimum factor of the price over the item's worth at the start.
_PREMIUM, _DEARER, _DEAR_ENOUGH = 0.02, 8, 1.05

#: Rounds before the question is left undecided.
_MAX_ROUNDS = 80


@dataclass(frozen=True)
class BrokenDown:
    """The floats of the interior point method broke down: another method has to decide."""


class Patience(NamedTuple):
    """How long to go on after a refutation: a proof by a larger margin is shorter.

    Attributes
    ----------
    ample
        The share of the LP's shortfall at which it is large enough.
    rounds
        Rounds allowed to get there.
    """

    ample: float = 0.1
    rounds: int = 2


class CentralGeneration:
    """One decision on the linear relaxation of a question.

    Parameters
    ----------
    question
        Nothing in it may be too large for every bin.
    pool
        The known patterns, including every item alone; new ones are added to it.
    recent
        The patterns to start from; ``None`` for all.
    limits
        When to give up.
    precision
        How finely duals may be rounded.
    patience
        How long to go on after a refutation.
    exchange
        Where LPs of the same fleet give each other patterns; ``None`` if there are no others.

    Attributes
    ----------
    shortfall
        By which share the bins are too few, by the last LP solved, as closely as it was; at least,
        if no LP had to be solved.
    """

    def __init__(
        self,
        question: PackingQuestion,
        pool: PatternPool,
        recent: Ints | None,
        limits: LimitsView,
        precision: Precision,
        patience: Patience | None = None,
        exchange: ExchangeMember | None = None,
    ) -> None:
        self._question, self._pool, self._limits = question, pool, limits
        self._layout = Layout.of(question)
        self._classes = self._layout.classes
        left = grids(question, precision)[1:]
        # A table by load takes as long for coarse values as for fine ones.
        last = [grid for grid in left if grid.by_load][-1:]
        self._grids = (*(grid for grid in left if not grid.by_load), *last)
        if int(question.capacities.max()) <= _SHORT_TABLE and self._grids[-1].by_load:
            self._grids = tuple(grid for grid in self._grids if grid.by_load)
        self._weights = np.zeros(0)
        self.shortfall = math.nan
        self._refutation: DualValues | None = None
        self._premium = _PREMIUM
        patience = patience or Patience()
        self._ample, self._more_rounds = patience.ample, patience.rounds
        self._best = self._volume = Duals.of_volume(question)
        exchange = exchange or PatternExchange().join()
        self._active = ActivePatterns(self._layout, pool, recent, exchange)
        self._trail: Trail | None = None

    @property
    def active(self) -> Ints:
        """Where the patterns that were useful are in the pool."""
        return self._active.places

    def run(self) -> Fractional | DualValues | Undecided | BrokenDown:
        """Decide the question, or find it too close to call, by rounds of LP and pricing.

        A round costs about a dozen factorisations of a matrix with one row per class, and
        one knapsack table.
        """
        refuted = self._start()
        question = self._question
        if refuted is not None:
            self.shortfall = least_shortfall(question, refuted)
            return refuted
        gap = 1.0
        for _ in range(_MAX_ROUNDS):
            if self._limits.stopped:
                break
            point = self._solve(gap)
            if point is None:
                return self._refutation or (
                    Undecided(self._weights) if self._limits.stopped else BrokenDown()
                )
            self._remember(point)
            self.shortfall = (point.objective + point.bound) / 2 / question.bins - 1
            bought = self._bought(point) > _TOLERANCE * question.bins
            if point.objective <= question.bins * (1 + _TOLERANCE):
                if not bought:
                    return self._refutation or Fractional(self._weights)
                self._premium *= _DEARER
                gap = max(0.0, 1.0 - self._best.bound(question))
                continue
            duals = self._duals(point)
            new = self._price(duals)
            factor = point.objective / question.bins
            if self._is_proved(factor):
                break
            gap = max(0.0, (factor - self._best.bound(question)) / factor)
            self._refine(gap)
            if new:
                self._active.drop(duals)
            elif bought:
                self._premium *= _DEARER
            else:
                return self._without_more(factor)
        return self._refutation or Undecided(self._weights)

    def _without_more(self, factor: float) -> Fractional | DualValues | Undecided:
        """The answer where no pattern prices out."""
        if self._refutation is not None:
            return self._refutation
        close = factor <= 1 + _CLOSE
        return Fractional(self._weights) if close else Undecided(self._weights)

    def _is_proved(self, factor: float) -> bool:
        """Whether it is refuted by a good margin; a few more rounds make for a shorter proof."""
        if self._refutation is None:
            return False
        self._more_rounds -= 1
        ample = self._best.bound(self._question) - 1 >= self._ample * (factor - 1)
        return ample or self._more_rounds < 0

    def _start(self) -> DualValues | None:
        """Choose the initial patterns, including those found by pricing the volume's duals."""
        for grid in (*COARSE[:1], *self._grids[:1]):
            if self._limits.stopped:
                break
            priced = price(self._question, self._best, grid, self._limits)
            if isinstance(priced, DualValues):
                return priced
            if priced is not None:
                self._active.include(priced.patterns)
        self._active.start()
        return None

    def _solve(self, gap: float) -> CentralPoint | None:
        """Solve the LP over the active patterns; its objective is in bins."""
        layout = self._layout
        inside = self._best.towards(self._volume, _INSIDE)
        start = inside.by_class - _INSIDE / 2 * self._volume.by_class
        duals = layout.rows_of(start, inside.by_type)
        # The premium is relative to the volume's duals, as the best dual of a class may be 0.
        prices = self._best.by_class + self._premium * self._volume.by_class
        prices = self._question.bins * np.maximum(prices, _DEAR_ENOUGH * start)[self._classes]
        program = CentralProgram.over(layout, self._pool, self.active, prices)
        point = solve_central(
            program.columns, program.costs, layout.demand,
            program.start(layout, duals, self._trail, gap),
            tolerance=min(_LOOSEST, max(_TIGHTEST, _SHARE_OF_GAP * gap)),
            enough=float(self._question.bins),
            stopped=lambda: self._limits.stopped,
        )  # fmt: skip
        self._trail = None if point is None else Trail(program.patterns, point.path)
        return point

    def _bought(self, point: CentralPoint) -> float:
        """How many bins the bought items would fill."""
        items = point.primal[len(self._active) + 1 :]
        return float((items * self._volume.by_class[self._classes]).sum()) * self._question.bins

    def _remember(self, point: CentralPoint) -> None:
        self._weights = np.zeros(self._pool.size)
        self._weights[self.active] = point.primal[: len(self.active)]

    def _duals(self, point: CentralPoint) -> Duals:
        """The duals of a point, scaled so that all bins together are worth 1."""
        return Duals(*self._layout.of_rows(point.dual))

    def _price(self, duals: Duals) -> int:
        """Add patterns worth more than their bins, those of other LPs first; return how many.

        Grids are refined as needed.
        """
        new, share = self._active.receive(duals), _SMOOTHING
        while self._grids and not self._limits.stopped:
            grid = self._grids[0]
            wanted = duals.towards(self._best, share)
            priced = price_on(self._question, wanted, grid, self._limits)
            if priced is None:
                break
            better = priced.duals.bound(self._question) > self._best.bound(self._question)
            if better:
                self._best = priced.duals
            if better or self._refutation is None:
                self._refutation = priced.refutation or self._refutation
            new += self._active.add(priced.patterns, duals)
            few = _FEW_BY_LOAD if grid.by_load else _FEW_BY_VALUE
            if new == 0 and share > 0:
                share = 0.0
                continue
            last = len(self._grids) == 1
            if new < few and not last:
                self._grids, share = self._grids[1:], _SMOOTHING
            if new or last:
                return new
        return new

    def _refine(self, gap: float) -> None:
        """Drop the grids that are too coarse for the remaining gap."""
        while len(self._grids) > 1 and gap * self._grids[0].scale < _FINE_GAP:
            self._grids = self._grids[1:]
