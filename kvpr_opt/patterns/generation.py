"""Column generation: decides the linear relaxation of a packing question.

Gilmore and Gomory (doi:10.1287/opre.9.6.849, doi:10.1287/opre.11.6.863): solve
the master over the patterns at hand, let a knapsack problem find patterns worth
more than their bin, repeat. The duals are rounded to integers before pricing,
coarsely at first and finely where nothing is found: the knapsack then is exact
in integers, so that a refutation read off any round is a proof.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt.kernels import Floats, Ints
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.answers import DualVector, Fractional, Relaxed, Undecided
from kvpr_opt.patterns.dual import Items, most_by_type, refuted_at_once, rounded
from kvpr_opt.patterns.knapsack import best_of_all, best_through_each, value_limit
from kvpr_opt.patterns.master import LPSolution, Master
from kvpr_opt.patterns.pool import PatternPool
from kvpr_opt.patterns.question import Question
from kvpr_opt.scaled import ScaledInstance

#: What a full GPU is worth in integers, level by level.
_SCALES = (2_000, 20_000, 250_000, 400_000, 900_000)

#: Levels that price with whole tables; those above find few patterns a round.
TABLE_LEVELS = 3

#: All levels: for the last word on a threshold.
ALL_LEVELS = len(_SCALES)

#: Entries of a whole knapsack table, and of one with a bit an entry.
_TABLE_ENTRIES, _BIT_ENTRIES = 16_000_000, 500_000_000

#: Worth of a full GPU in the duals given out, and entries of the table that checks them.
_DUAL_SCALE, _DUAL_ENTRIES = 1_000_000, 100_000_000

#: Patterns a type and round where there is no whole table.
_FEW = 100

#: Slack on the factor s of the master within which the LP counts as feasible.
_TOLERANCE = 1e-9


class PatternLP:
    """The pattern LP of one fleet: one pool and one master for all thresholds.

    Parameters
    ----------
    scaled
        The fleet in integers.
    """

    def __init__(self, scaled: ScaledInstance) -> None:
        self.scaled = scaled
        self.pool = PatternPool(len(scaled.classes))
        self.rounds = 0
        self._master = Master(self.pool, len(scaled.classes), len(scaled.types))

    def decide(self, question: Question, limits: Limits, *, levels: int = ALL_LEVELS) -> Relaxed:
        """Answer the relaxation of a question about a whole fleet or a part of one.

        Parameters
        ----------
        levels
            How finely the duals may be rounded before the answer is "undecided".
        """
        trivial = refuted_at_once(question)
        if trivial is not None:
            return trivial
        outcome = self._generate(question, limits, levels=levels, stop_at=1 + _TOLERANCE)
        if isinstance(outcome, LPSolution):
            feasible = outcome.factor <= 1 + _TOLERANCE
            return Fractional(outcome.weights) if feasible else Undecided()
        return outcome

    def duals(self, question: Question, limits: Limits) -> tuple[Ints, Ints] | DualVector | None:
        """Optimal duals, nearly: integer values by class and the most by type.

        A :class:`DualVector` if they refute the question, ``None`` if stopped.
        """
        trivial = refuted_at_once(question)
        if trivial is not None:
            return trivial
        outcome = self._generate(question, limits, levels=TABLE_LEVELS, stop_at=0.0)
        if not isinstance(outcome, LPSolution):
            return outcome
        largest = float(outcome.type_values.max())
        if limits.stopped or largest <= 0:
            return None
        # Finely, since what rounding adds to the slack lets more patterns through.
        scale = max(_SCALES[1], min(_DUAL_SCALE, _DUAL_ENTRIES // max(1, question.counts.sum())))
        values = rounded(outcome.class_values, scale / largest)
        most = most_by_type(question, values)
        return None if most is None else (values, most)

    def _generate(
        self, question: Question, limits: Limits, *, levels: int, stop_at: float
    ) -> LPSolution | DualVector:
        """Rounds of master and pricing until the factor is low enough or nothing prices out."""
        self._add_single_items(question)
        sizes = question.sizes.astype(np.float64)
        first = self._price(question, sizes, np.zeros(len(question.numbers)), _SCALES[0])
        if isinstance(first, DualVector):
            return first
        self._master.pose(question)
        level = 0
        while True:
            solution = self._master.solve()
            self.rounds += 1
            if solution.factor <= stop_at or limits.stopped:
                return solution
            priced: int | DualVector = 0
            while priced == 0:
                if level == levels:
                    return solution
                priced = self._price(
                    question, solution.class_values, solution.type_values, _SCALES[level]
                )
                if isinstance(priced, DualVector):
                    return priced
                level += priced == 0

    def _add_single_items(self, question: Question) -> None:
        """One pattern for each item alone: every row of the master can be met, however small."""
        alone = np.eye(len(question.sizes), dtype=np.int16)
        for kind, capacity in enumerate(question.capacities):
            fits = (question.counts > 0) & (question.sizes <= capacity)
            if question.numbers[kind]:
                self.pool.add(alone[fits], np.full(int(fits.sum()), kind))

    def _price(
        self, question: Question, values: Floats, wanted: Floats, scale: int
    ) -> int | DualVector:
        """Add patterns worth more than is `wanted` by type; how many, or a proof."""
        values = np.where(question.counts > 0, values, 0.0)
        worth_of_full = float(wanted.max()) or float(question.capacities.max())
        items = Items.of(question, values > 0)
        entries = _TABLE_ENTRIES * 9 // 10 if scale == _SCALES[TABLE_LEVELS - 1] else _BIT_ENTRIES
        scale = min(scale, max(_SCALES[0], entries // max(1, len(items.sizes))))
        whole = rounded(values, scale / worth_of_full)
        worth = whole[items.owner]
        top = value_limit(items.sizes, worth, int(question.capacities.max()))
        # A little less than wanted: what the rounding hides is judged in floats below.
        target = np.floor(wanted * (scale / worth_of_full)).astype(np.int64) - 2
        knapsack = (items.sizes, worth, items.owner, question.counts, question.capacities, target)
        if top * len(items.sizes) <= _TABLE_ENTRIES:
            patterns, kinds, best = best_through_each(*knapsack, top)
        else:
            patterns, kinds, best = best_of_all(*knapsack, top, _FEW)
        if int(whole @ question.counts) > int(best @ question.numbers):
            return DualVector(tuple(whole.tolist()), tuple(best.tolist()))
        good = patterns @ values - wanted[kinds] > 1e-9 * worth_of_full
        before = self.pool.size
        self.pool.add(patterns[good], kinds[good])
        return self.pool.size - before
