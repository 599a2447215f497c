"""Column generation: decides the linear relaxation of a packing question.

Gilmore and Gomory (doi:10.1287/opre.9.6.849, doi:10.1287/opre.11.6.863): solve
the master over the patterns at hand, let a knapsack problem find patterns worth
more than their bin, and repeat. The duals are rounded to integers before pricing,
coarsely at first and finely when nothing is found. The knapsack is then exact in
integers, so a refutation from any round is a proof.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from kvpr_opt._types import Floats, Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.lp.central_generation import BrokenDown, CentralGeneration, Patience
from kvpr_opt.patterns.lp.dual import most_by_type, refuted_at_once, rounded
from kvpr_opt.patterns.lp.exchange import PatternExchange
from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.lp.master import LPSolution, Master
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.pricing import COARSE, Duals, Grid, Precision, Priced, grids, price
from kvpr_opt.patterns.lp.sampling import sample_patterns
from kvpr_opt.patterns.problem import DualValues, Fractional, PackingQuestion, Relaxed, Undecided
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.scaled import ScaledInstance

#: Minimum and maximum worth of a full GPU in the duals returned, and maximum entries of the
#: table that checks them.
_LEAST_DUAL, _MAX_DUAL, _DUAL_ENTRIES = 20_000, 1_000_000, 100_000_000

#: Fewer new patterns than this in a round send the next one to the next grid.
_SPARSE = 10

#: Share of the way towards the best known duals at which patterns are priced.
_SMOOTHING = 0.4

#: Range of classes in which central duals are faster than those of the simplex method: they
#: need far fewer rounds, but each factorises a dense matrix of that size.
_CENTRAL_FROM, _CENTRAL_UP_TO = 80, 1_500

#: GPU types up to which central duals are faster: each type has its own columns for every class.
_CENTRAL_TYPES = 8

#: Patterns sampled per class and type: for the first questions in turn, then for all others.
_SAMPLES = (10, 5, 5, 2)

#: To go on after a refutation until hardly more can be had.
_PATIENT = Patience(ample=0.9, rounds=20)

#: Load, as a share of the capacity, from which a pattern is copied to the LP of a part.
_WELL_FILLED = 0.95

#: Tolerance on the factor s of the master within which the LP counts as feasible.
_TOLERANCE = 1e-9


def _is_central(question: PackingQuestion) -> bool:
    """Whether column generation with central duals is faster."""
    classes = int((question.counts > 0).sum())
    types = int((question.multiplicities > 0).sum())
    return _CENTRAL_FROM <= classes <= _CENTRAL_UP_TO and types <= _CENTRAL_TYPES


class PatternLP:
    """The pattern LP of one fleet: one pool and one master for all thresholds.

    Parameters
    ----------
    scaled
        The fleet in integers.
    exchange
        Where LPs of the fleet give each other patterns; ``None`` if there are no others.

    Attributes
    ----------
    pool
        The patterns known.
    shortfall
        By which share the bins were too few in the last question, about, below zero where
        there were more than enough; not a number if unknown.
    """

    def __init__(self, scaled: ScaledInstance, exchange: PatternExchange | None = None) -> None:
        self.scaled = scaled
        self._exchange = None if exchange is None else exchange.join()
        self.shortfall = math.nan
        rules = scaled.rules if isinstance(scaled, ConstrainedInstance) else None
        self.pool = PatternPool(len(scaled.classes), rules)
        # By type and class: whether the item alone is in the pool.
        self._alone = np.zeros((len(scaled.types), len(scaled.classes)), dtype=bool)
        # Samples drawn so far, and the patterns that were useful last time.
        self._sampled = 0
        self._recent: Ints | None = None
        self._master = Master(self.pool, len(scaled.classes), len(scaled.types))

    def decide(
        self,
        question: PackingQuestion,
        limits: LimitsView,
        *,
        precision: Precision = Precision.FULL,
    ) -> Relaxed:
        """Answer the relaxation of a question about a whole fleet or a part of one.

        Parameters
        ----------
        precision
            How finely the duals may be rounded before the answer is "undecided".
        """
        self.shortfall = math.nan
        trivial = refuted_at_once(question)
        if trivial is not None:
            return trivial
        if precision is not Precision.COARSE and _is_central(question):
            central = self._decide_centrally(question, limits, precision)
            if not isinstance(central, BrokenDown):
                return central
        outcome = self._generate(question, limits, precision, stop_at=1 + _TOLERANCE)
        if isinstance(outcome, LPSolution):
            feasible = outcome.factor <= 1 + _TOLERANCE
            return Fractional(outcome.weights) if feasible else Undecided(outcome.weights)
        return outcome

    def _decide_centrally(
        self,
        question: PackingQuestion,
        limits: LimitsView,
        precision: Precision,
        patience: Patience | None = None,
    ) -> Relaxed | BrokenDown:
        """Answer by column generation with central duals, from a sample of patterns."""
        self._add_single_items(question, limits)
        each = _SAMPLES[min(self._sampled, len(_SAMPLES) - 1)]
        sampled = sample_patterns(question, each=each, seed=self._sampled, limits=limits)
        places = self.pool.add(sampled)
        self._sampled += 1
        if self._recent is not None:
            self._recent = np.union1d(self._recent, places)
        generation = CentralGeneration(
            question, self.pool, self._recent, limits, precision, patience, self._exchange
        )
        answer = generation.run()
        self._recent, self.shortfall = generation.active, generation.shortfall
        return answer

    def adopt(self, other: PatternLP) -> None:
        """Start from the patterns that were useful to another LP of the fleet last time."""
        if other._recent is not None:
            self._recent = self._adopted(other, other._recent)

    def translated(self, weights: Floats, other: PatternLP) -> Floats:
        """Weights of the patterns of another LP, of which those used are adopted."""
        if other is self:
            return weights
        used = np.flatnonzero(weights > 0)
        places = self._adopted(other, used)
        translated = np.zeros(self.pool.size)
        translated[places] = weights[used]
        return translated

    def _adopted(self, other: PatternLP, patterns: Ints) -> Ints:
        """Where patterns of another LP are in this pool."""
        return self.pool.add(other.pool.patterns.chosen(patterns))

    def part(self, question: PackingQuestion) -> PatternLP:
        """An LP for a part of the items and bins, with the patterns that suit it."""
        part = PatternLP(self.scaled)
        present = question.counts > 0
        known = self.pool.patterns
        packed = known.sums(np.where(present, question.sizes, 0))
        full = packed >= _WELL_FILLED * question.capacities[known.types]
        good = known.chosen(np.flatnonzero(known.usable(question) & full))
        part.pool.add(good.of_classes(present))
        return part

    def duals(
        self, question: PackingQuestion, limits: LimitsView, precision: Precision = Precision.FINE
    ) -> tuple[Ints, Ints] | DualValues | None:
        """Nearly optimal duals: integer values by class and the maximum by type.

        A :class:`DualValues` if they refute the question, ``None`` if stopped.
        """
        trivial = refuted_at_once(question)
        if trivial is not None:
            return trivial
        if precision is Precision.FULL and _is_central(question):
            best = self._decide_centrally(question, limits, precision, _PATIENT)
            if isinstance(best, DualValues):
                return best
        outcome = self._generate(question, limits, precision, stop_at=0.0)
        if not isinstance(outcome, LPSolution):
            return outcome
        largest = float(outcome.type_values.max())
        if limits.stopped or largest <= 0:
            return None
        # Round finely: whatever rounding adds to the slack lets more patterns through.
        scale = max(_LEAST_DUAL, min(_MAX_DUAL, _DUAL_ENTRIES // max(1, question.counts.sum())))
        packed = np.where(question.counts > 0, outcome.class_values, 0.0)
        values = rounded(packed, scale / largest)
        most = most_by_type(question, values)
        return None if most is None else (values, most)

    def _generate(
        self, question: PackingQuestion, limits: LimitsView, precision: Precision, *, stop_at: float
    ) -> LPSolution | DualValues:
        """Run master and pricing until the factor is low enough or no pattern prices out."""
        rounds = partial(self._rounds, question, limits, precision, stop_at=stop_at)
        return self._master.thread.run(rounds)

    def _rounds(
        self, question: PackingQuestion, limits: LimitsView, precision: Precision, *, stop_at: float
    ) -> LPSolution | DualValues:
        self._add_single_items(question, limits)
        left = grids(question, precision)
        sizes = np.where(question.counts > 0, question.sizes.astype(np.float64), 0.0)
        best = Duals(sizes, np.zeros(len(question.multiplicities)))
        first = price(question, best, left[0], limits)
        if isinstance(first, DualValues):
            return first
        if first is not None:
            self.pool.add(first.patterns)
            best = first.duals
        self._master.pose(question)
        while True:
            solution = self._master.solve(limits)
            if solution.factor <= stop_at or limits.stopped:
                return solution
            values = np.where(question.counts > 0, solution.class_values, 0.0)
            duals = Duals(values, solution.type_values)
            new = 0
            while new == 0:
                if not left or limits.stopped:
                    return solution
                priced = self._price_round(question, duals, best, left[0], limits)
                if isinstance(priced, DualValues):
                    return priced
                new, best = priced
                # If rounds are long and find little, a finer grid finds more, or the proof.
                sparse = new < _SPARSE and left[0] not in COARSE and len(left) > 1
                if new == 0 or sparse:
                    left = left[1:]

    def _price_round(
        self, question: PackingQuestion, duals: Duals, best: Duals, grid: Grid, limits: LimitsView
    ) -> tuple[int, Duals] | DualValues:
        """The number of patterns added for the duals and the best known duals, or a proof.

        The duals of the master oscillate from round to round. Moved towards the best
        ones so far, they give better patterns in fewer rounds (Pessoa, Sadykov,
        Uchoa and Vanderbeck 2018, doi:10.1287/ijoc.2017.0784). If that finds none, the
        master's own duals are priced.
        """
        for share in (_SMOOTHING, 0.0) if grid in COARSE else (0.0,):
            priced = price(question, duals.towards(best, share), grid, limits)
            if isinstance(priced, DualValues):
                return priced
            if priced is None:
                break
            best = max(best, priced.duals, key=lambda known: known.bound(question))
            new = self._take(priced, duals)
            if new:
                return new, best
        return 0, best

    def _add_single_items(self, question: PackingQuestion, limits: LimitsView) -> None:
        """Add a pattern for each item alone, so that even a small master can meet every row."""
        for gpu_type in np.flatnonzero(question.multiplicities):
            if limits.stopped:
                return
            fits = (question.counts > 0) & (question.sizes <= question.capacities[gpu_type])
            new = np.flatnonzero(fits & ~self._alone[gpu_type])
            starts, one = np.arange(len(new) + 1), np.ones(len(new), dtype=np.int64)
            self.pool.add(ItemLists(gpu_type * one, starts, new, one))
            self._alone[gpu_type] |= fits

    def _take(self, priced: Priced, duals: Duals) -> int:
        """Add the patterns worth more than their bin; return how many are new."""
        good = duals.gains(priced.patterns) > 1e-9 * float(duals.by_type.max())
        before = self.pool.size
        self.pool.add(priced.patterns.chosen(np.flatnonzero(good)))
        return self.pool.size - before
