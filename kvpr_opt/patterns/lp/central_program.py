"""The pattern LP in the form that an interior point method likes, over some of the patterns.

As in :mod:`kvpr_opt.patterns.lp.master`, but without the factor, whose column would
cost an interior point method digits. Instead, the factor is the number of patterns of
one type (an empty pattern included) per bin of that type. The other types have a row each:

    minimise    G / G_1 (sum of x_p of type 1)
    subject to  sum of a_pc x_p  >=  number of models of class c
                G_k / G_1 (sum of x_p of type 1) - sum of x_p of type k  >=  0

Items can also be bought, one column each, at the best known dual plus a premium. While
patterns are few, this keeps the duals from diverging (du Merle, Villeneuve, Desrosiers
and Hansen 1999, doi:10.1016/S0012-365X(98)00213-1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Floats, Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.patterns.lp.interior_point import start_from
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.predictor_corrector import Iterate, centre_of, gap_of
from kvpr_opt.patterns.lp.sparse_columns import SparseColumns, transposed_product
from kvpr_opt.patterns.problem import PackingQuestion

#: A program starts from the last iterate of the one before whose gap is this many times what is
#: left. Slacks are at least what gives a pattern this weight, and products of weights and slacks
#: are within this factor of their mean.
_FURTHER, _MOST_NEW, _SPREAD = 3.0, 0.1, 10.0


@dataclass(frozen=True)
class Layout:
    """The rows of a program: the classes of a question, then its types but for the main one.

    Attributes
    ----------
    question
        What is packed.
    classes
        The classes with items.
    main
        The most frequent type.
    others
        The other types that fit any item.
    """

    question: PackingQuestion
    classes: Ints
    main: int
    others: Ints

    @classmethod
    def of(cls, question: PackingQuestion) -> Layout:
        """The rows for a question."""
        classes = np.flatnonzero(question.counts)
        fits = question.capacities >= question.sizes[classes].min(initial=2**62)
        usable = np.where(fits, question.multiplicities, 0)
        main, types = int(np.argmax(usable)), np.flatnonzero(usable)
        return cls(question, classes, main, types[types != main])

    def has(self, types: Ints) -> NDArray[np.bool_]:
        """Whether there are bins of some types that fit any item."""
        return np.asarray((types == self.main) | np.isin(types, self.others))

    @property
    def demand(self) -> Floats:
        """The right-hand sides."""
        items = self.question.counts[self.classes].astype(np.float64)
        return np.concatenate([items, np.zeros(len(self.others))])

    def rows_of(self, by_class: Floats, by_type: Floats) -> Floats:
        """Values by row, in bins, from those by class and type that give all bins 1 in total."""
        values = np.concatenate([by_class[self.classes], by_type[self.others]])
        return np.asarray(self.question.bins * values)

    def of_rows(self, values: Floats) -> tuple[Floats, Floats]:
        """The values by class and type, from those by row; the inverse of :meth:`rows_of`."""
        question = self.question
        by_class = np.zeros(len(question.counts))
        by_class[self.classes] = values[: len(self.classes)]
        by_type = np.zeros(len(question.multiplicities))
        by_type[self.others] = values[len(self.classes) :]
        rest = question.bins - float(by_type @ question.multiplicities)
        by_type[self.main] = max(0.0, rest) / float(question.multiplicities[self.main])
        return by_class / question.bins, by_type / question.bins


class Trail(NamedTuple):
    """The way to the solution of a program, from which the next one can start."""

    patterns: Ints
    path: tuple[Iterate, ...]

    def at(self, gap: float) -> Iterate:
        """The last iterate with at least this gap."""
        for iterate in reversed(self.path):
            if gap_of(iterate) >= gap:
                return iterate
        return self.path[0]


class CentralProgram(NamedTuple):
    """Columns and their costs: some patterns, the empty one, and the items to buy."""

    patterns: Ints
    columns: SparseColumns
    costs: Floats

    @classmethod
    def over(
        cls, layout: Layout, pool: PatternPool, patterns: Ints, prices: Floats
    ) -> CentralProgram:
        """The program over some patterns of a pool.

        Parameters
        ----------
        layout, pool, patterns
            The rows, the patterns known, and which of them are columns, in rising order.
        prices
            By class with items: what an item costs, in bins.
        """
        question, main, others = layout.question, layout.main, layout.others
        bins = float(question.multiplicities[main])
        row_of_type = np.full(len(question.multiplicities), -1)
        row_of_type[others] = len(layout.classes) + np.arange(len(others))
        row_of_class = np.full(len(question.counts), -1)
        row_of_class[layout.classes] = np.arange(len(layout.classes))
        some = pool.patterns.chosen(patterns)
        starts, rows, entries = _columns(
            *some, row_of_class, len(layout.classes), main, row_of_type,
            question.multiplicities[others] / bins,
        )  # fmt: skip
        own = np.append(some.types == main, True)
        costs = np.concatenate([np.where(own, question.bins / bins, 0.0), prices])
        return cls(patterns, SparseColumns(starts, rows, entries), costs)

    def start(self, layout: Layout, duals: Floats, trail: Trail | None, gap: float) -> Iterate:
        """Where the interior point method starts.

        Parameters
        ----------
        layout
            The rows.
        duals
            Positive values by row at which no column is worth its cost.
        trail
            The way to the solution of the last program, if there is one.
        gap
            How far from the optimum that solution is at most, as a share.
        """
        if trail is None:
            return start_from(self.columns, self.costs, layout.demand, duals)
        last = trail.at(_FURTHER * gap * layout.question.bins)
        centre = centre_of(last)
        slack = self.costs - transposed_product(self.columns, last.dual)
        slack = np.maximum(slack, centre / _MOST_NEW)
        primal = centre / slack
        place = np.searchsorted(trail.patterns, self.patterns)
        place = np.minimum(place, len(trail.patterns) - 1)
        known = np.flatnonzero(trail.patterns[place] == self.patterns)
        primal[known] = last.primal[place[known]]
        primal[len(self.patterns) :] = last.primal[len(trail.patterns) :]
        primal = np.clip(primal, centre / slack / _SPREAD, centre / slack * _SPREAD)
        return Iterate(primal, last.surplus, last.dual, slack)


@compiled
def _columns(
    types: Ints, starts: Ints, classes: Ints, copies: Ints, row_of_class: Ints, items: int,
    main: int, row_of_type: Ints, shares: Floats,
) -> tuple[Ints, Ints, Floats]:  # fmt: skip
    """The matrix by columns: the patterns, the empty pattern, and each item alone."""
    number, others = types.size, shares.size
    ends = np.zeros(number + 1 + items + 1, np.int64)
    for p in range(number):
        length = others if types[p] == main else 1
        for place in range(starts[p], starts[p + 1]):
            length += row_of_class[classes[place]] >= 0
        ends[p + 1] = ends[p] + length
    ends[number + 1] = ends[number] + others
    ends[number + 2 :] = ends[number + 1] + np.arange(1, items + 1)
    rows = np.empty(ends[ends.size - 1], np.int64)
    entries = np.empty(rows.size, np.float64)
    for p in range(number):
        at = ends[p]
        for place in range(starts[p], starts[p + 1]):
            row = row_of_class[classes[place]]
            if row >= 0:
                rows[at], entries[at] = row, copies[place]
                at += 1
        if types[p] == main:
            rows[at : ends[p + 1]] = items + np.arange(others)
            entries[at : ends[p + 1]] = shares
        else:
            rows[at], entries[at] = row_of_type[types[p]], -1.0
    rows[ends[number] : ends[number + 1]] = items + np.arange(others)
    entries[ends[number] : ends[number + 1]] = shares
    rows[ends[number + 1] :] = np.arange(items)
    entries[ends[number + 1] :] = 1.0
    return ends, rows, entries
