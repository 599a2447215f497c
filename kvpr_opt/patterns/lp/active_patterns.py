"""The patterns that are columns of the restricted program of one question."""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Floats, Ints
from kvpr_opt.patterns.lp.central_program import Layout
from kvpr_opt.patterns.lp.exchange import ExchangeMember
from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.pricing import Duals

#: Maximum number of patterns, per class and type, and the share kept (those worth most) when it
#: is exceeded.
_EACH, _KEPT = 40, 0.65

#: Minimum number of classes assumed.
_FEW_CLASSES = 300

#: By how much a pattern must be worth more than its bin, as a share of the largest bin's worth.
_MORE = 1e-10


class ActivePatterns:
    """A choice of the patterns of a pool; all patterns found go to the pool.

    Parameters
    ----------
    layout
        The rows of the program.
    pool
        The known patterns, including every item alone.
    recent
        The patterns to choose from at first; ``None`` for all.
    exchange
        Where LPs of the same fleet give each other patterns.

    Attributes
    ----------
    places
        The positions in the pool, in rising order.
    """

    def __init__(
        self, layout: Layout, pool: PatternPool, recent: Ints | None, exchange: ExchangeMember
    ) -> None:
        self._layout, self._pool, self._exchange = layout, pool, exchange
        self.places: Ints = np.arange(pool.size) if recent is None else recent
        types = 1 + len(layout.others)
        self._most = _EACH * max(_FEW_CLASSES, len(layout.classes) * types)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def patterns(self) -> ItemLists:
        """The patterns, in the order of the places."""
        return self._pool.patterns.chosen(self.places)

    def include(self, patterns: ItemLists) -> None:
        """Add patterns, whatever they are worth."""
        if patterns.number:
            self.places = np.union1d(self.places, self._pool.add(patterns))

    def start(self) -> None:
        """Choose the initial patterns: the fullest ones that the question allows."""
        question, known = self._layout.question, self._pool.patterns
        wanted = known.alone
        wanted[self.places] = True
        usable = np.flatnonzero(wanted & known.usable(question) & self._layout.has(known.types))
        # Patterns that waste less than their share count as equally good; ties are random.
        usable = np.random.default_rng(len(usable)).permutation(usable)
        some = known.chosen(usable)
        packed = some.sums(np.where(question.counts > 0, question.sizes, 0))
        waste = question.capacities[some.types] - packed
        self._keep(usable, np.maximum(waste, question.slack // question.bins))

    def add(self, found: ItemLists, duals: Duals) -> int:
        """Add what is worth more than its bin; return how many were not active before."""
        good, new = self._add(found, duals)
        self._exchange.offer(good)
        return new

    def receive(self, duals: Duals) -> int:
        """Add what other LPs found, as far as it is worth more than its bin here, too."""
        found = self._exchange.received()
        usable = found.chosen(np.flatnonzero(found.usable(self._layout.question)))
        return self._add(usable, duals)[1]

    def _add(self, found: ItemLists, duals: Duals) -> tuple[ItemLists, int]:
        good = duals.gains(found) > _MORE * float(duals.by_type.max())
        good &= self._layout.has(found.types)
        before, kept = len(self), found.chosen(np.flatnonzero(good))
        self.include(kept)
        return kept, len(self) - before

    def drop(self, duals: Duals) -> None:
        """If there are too many, keep those worth most."""
        self._keep(self.places, -duals.gains(self.patterns))

    def _keep(self, places: Ints, costs: Ints | Floats) -> None:
        """Make some patterns the active ones; only the cheapest, if there are too many."""
        if len(places) > self._most:
            # With the single items, all rows can be met.
            keys = np.where(self._pool.patterns.alone[places], -np.inf, costs.astype(np.float64))
            places = places[np.argsort(keys, kind="stable")[: int(_KEPT * self._most)]]
        self.places = np.sort(places)
