"""Pricing: the most valuable patterns for given duals, on increasingly fine grids.

The duals are rounded to integers, and the knapsack problem of each GPU type is
solved exactly for them: its optimum turns rounded duals that refute the question
into a proof, and its best sets are the patterns that the LP lacks. Coarse values
find patterns in a millisecond. Fine ones decide what coarse ones leave open: near
the optimum the pattern LP is often millionths of a GPU short of a packing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from kvpr_opt._types import Counts, Floats, Ints
from kvpr_opt.kernels import are_interpreted
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.lp.dual import Bundles, rounded
from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.lp.knapsack_by_load import (
    MAX_LOADS,
    MAX_VALUE,
    best_loads,
    most_by_load,
    sets_of_loads,
)
from kvpr_opt.patterns.lp.knapsack_by_value import best_of_all, best_through_each, value_limit
from kvpr_opt.patterns.lp.pricing_with_rules import (
    best_sets,
    fits_by_load,
    longest_scale,
    most_worth,
)
from kvpr_opt.patterns.problem import DualValues, PackingQuestion

#: Maximum entries of a whole table by value on a coarse grid and on a finer one, and of a table
#: with one bit per entry.
_COARSE_ENTRIES, _TABLE_ENTRIES, _BIT_ENTRIES = 40_000_000, 16_000_000, 500_000_000

#: Entries of a table by load that take as long as a whole table by value, and the maximum; and
#: the loads up to which it is worth that while rounds are to stay short.
_SHORT_LOAD, _LONG_LOAD, _FEW_LOADS = 600_000_000, 3_000_000_000, 5_000_000

#: How much shorter tables by load have to be without compiled code.
_INTERPRETED = 3_000

#: Patterns per type and round if there is no whole table by value.
_FEW = 100

#: From a table by load: sets taken for each class, and how far from full they may be, as a
#: share of the capacity.
_THROUGH, _NEAR_FULL = 4, 0.02


class Precision(Enum):
    """How finely duals are rounded before a question is left undecided."""

    #: For a dive, where a near miss is good enough.
    COARSE = auto()
    #: As finely as possible while rounds stay short.
    FINE = auto()
    #: For a final decision on a threshold.
    FULL = auto()


@dataclass(frozen=True)
class Grid:
    """The integer worth of a full GPU, and how the knapsack table is laid out."""

    scale: int
    by_load: bool = False


#: Cheap grids, tried first.
COARSE = (Grid(2_000), Grid(20_000))
_BY_VALUE = (Grid(250_000), Grid(400_000), Grid(900_000))
_BY_LOAD = tuple(Grid(scale, by_load=True) for scale in (10**6, 10**7, 5 * 10**8))


def grids(question: PackingQuestion, precision: Precision) -> tuple[Grid, ...]:
    """The grids for a question, the coarsest first."""
    if precision is Precision.COARSE:
        return COARSE
    items = Bundles.of(question, question.counts > 0)
    loads = int(question.capacities.max()) + 1
    full = precision is Precision.FULL
    most, longest = (_LONG_LOAD, MAX_LOADS) if full else (_SHORT_LOAD, _FEW_LOADS)
    if are_interpreted():
        most //= _INTERPRETED
    if loads <= longest and loads * len(items.sizes) <= most:
        return COARSE + _BY_LOAD
    return COARSE + (_BY_VALUE if full else _BY_VALUE[:1])


def unrounded(question: PackingQuestion, values: Ints, full: int) -> Grid | None:
    """The grid that prices integer values unrounded; ``None`` if its table is too long.

    Parameters
    ----------
    question, values
        A question, and values by class.
    full
        The worth of a full GPU.
    """
    items = Bundles.of(question, values > 0)
    room = int(question.capacities.max())
    top = value_limit(items.sizes, items.worth(values), room)
    if top * len(items.sizes) <= _TABLE_ENTRIES and top <= room:
        return Grid(full)
    short = room < MAX_LOADS and room * len(items.sizes) <= _LONG_LOAD
    return Grid(full, by_load=True) if short else None


@dataclass(frozen=True)
class Duals:
    """Values by class and by type."""

    by_class: Floats
    by_type: Floats

    @classmethod
    def of_volume(cls, question: PackingQuestion) -> Duals:
        """Items and bins worth their size, all bins together 1."""
        sizes = np.where(question.counts > 0, question.sizes.astype(np.float64), 0.0)
        full = question.capacities.astype(np.float64)
        total = float(full @ question.multiplicities)
        return cls(sizes / total, full / total)

    def bound(self, question: PackingQuestion) -> float:
        """The worth of all items; a lower bound on the factor if all bins are worth 1."""
        return float(self.by_class @ question.counts)

    def gains(self, patterns: ItemLists) -> Floats:
        """By how much each pattern is worth more than its bin."""
        return np.asarray(patterns.sums(self.by_class) - self.by_type[patterns.types])

    def towards(self, other: Duals, share: float) -> Duals:
        """Move these duals a share of the way towards others."""
        return Duals(
            share * other.by_class + (1 - share) * self.by_class,
            share * other.by_type + (1 - share) * self.by_type,
        )


@dataclass(frozen=True)
class Priced:
    """The most valuable patterns for some duals, and the duals as priced.

    Includes the proof that there is no packing, if the duals give one.
    """

    patterns: ItemLists
    duals: Duals
    refutation: DualValues | None = None


def price(
    question: PackingQuestion, duals: Duals, grid: Grid, limits: LimitsView
) -> Priced | DualValues | None:
    """The most valuable patterns, or a proof that there is no packing; ``None`` if stopped."""
    priced = price_on(question, duals, grid, limits)
    return priced if priced is None or priced.refutation is None else priced.refutation


def price_on(
    question: PackingQuestion, duals: Duals, grid: Grid, limits: LimitsView
) -> Priced | None:
    """The most valuable patterns, and a proof if there is one; ``None`` if stopped."""
    if question.rules is not None:
        return _price_with_rules(question, duals, grid, limits)
    items = Bundles.of(question, duals.by_class > 0)
    worth_of_full = float(duals.by_type.max()) or float(question.capacities.max())
    scale = _scale(grid, len(items.sizes)) / worth_of_full
    whole, top = _in_integers(question, duals, items, scale)
    if top >= MAX_VALUE and grid.by_load:
        scale *= MAX_VALUE / (2 * top)
        whole, top = _in_integers(question, duals, items, scale)
    # Ask for slightly less than needed: patterns hidden by rounding are judged in floats later.
    wanted = np.floor(duals.by_type * scale).astype(np.int64) - 2
    if grid.by_load:
        found = _best_by_load(question, items, whole, wanted, limits)
    else:
        knapsack = (
            items.sizes, items.worth(whole), items.owner, items.copies,
            question.counts, question.capacities, wanted,
        )  # fmt: skip
        entries = _COARSE_ENTRIES if grid in COARSE else _TABLE_ENTRIES
        if top * len(items.sizes) <= entries:
            found = best_through_each(*knapsack, top)
        else:
            found = best_of_all(*knapsack, top, _FEW)
    if found is None:
        return None
    return _priced(question, whole, *found)


def _price_with_rules(
    question: PackingQuestion, duals: Duals, grid: Grid, limits: LimitsView
) -> Priced | None:
    """As :func:`price_on`, when not every set that fits is a pattern."""
    worth_of_full = float(duals.by_type.max()) or float(question.capacities.max()) or 1.0
    by_load = grid.by_load and fits_by_load(question)
    units = grid.scale if by_load else min(grid.scale, longest_scale(question))
    scale = units / worth_of_full
    whole = rounded(duals.by_class, scale)
    top = most_worth(question, whole) if by_load else 0
    if top >= MAX_VALUE:
        scale *= MAX_VALUE / (2 * top)
        whole = rounded(duals.by_class, scale)
    wanted = np.floor(duals.by_type * scale).astype(np.int64) - 2
    found = best_sets(question, whole, wanted, limits, by_load=by_load)
    if found is None:
        return None
    return _priced(question, whole, *found)


def _priced(
    question: PackingQuestion, values: Ints, patterns: Counts, types: Ints, best: Ints
) -> Priced:
    """The result for integer values; `best` is the maximum worth of a set of each type."""
    refuted = int(values @ question.counts) > int(best @ question.multiplicities)
    proof = DualValues(tuple(values.tolist()), tuple(best.tolist())) if refuted else None
    total = float(best @ question.multiplicities) or 1.0  # where all is rounded to nothing
    found = ItemLists.of(patterns, types)
    return Priced(found, Duals(values / total, best / total), proof)


def _scale(grid: Grid, items: int) -> int:
    """The worth of a full GPU, reduced if the table would be too large."""
    if grid.by_load:
        return grid.scale
    # Whole tables up to the first grid by value; above, one bit per entry.
    entries = _TABLE_ENTRIES * 9 // 10 if grid == _BY_VALUE[0] else _BIT_ENTRIES
    if grid in COARSE:
        entries = _COARSE_ENTRIES * 9 // 10
    return min(grid.scale, max(COARSE[0].scale, entries // max(1, items)))


def _in_integers(
    question: PackingQuestion, duals: Duals, items: Bundles, scale: float
) -> tuple[Ints, int]:
    """The class duals as multiples of 1 / `scale`, and an upper bound on the worth of a set."""
    whole = rounded(duals.by_class, scale)
    return whole, value_limit(items.sizes, items.worth(whole), int(question.capacities.max()))


def _best_by_load(
    question: PackingQuestion, items: Bundles, values: Ints, wanted: Ints, limits: LimitsView
) -> tuple[Counts, Ints, Ints] | None:
    """For each type, valuable sets of different loads; ``None`` if stopped.

    These are the best sets overall and, for each class, the best sets that leave room
    for one item of it, with that item added.
    """
    largest = int(question.capacities.max())
    table = most_by_load(items.sizes, items.worth(values), largest, limits)
    if table is None:
        return None
    row, taken = table
    classes = np.unique(items.owner)
    patterns, types, best = [], [], []
    for gpu_type, capacity in enumerate(question.capacities.tolist()):
        best.append(int(row[: capacity + 1].max()))
        least = max(int(wanted[gpu_type]), 0)
        loads, added = [best_loads(row, 0, capacity, least, _FEW)], []
        for c in classes:
            room = capacity - int(question.sizes[c])
            near = room - int(_NEAR_FULL * capacity)
            loads.append(best_loads(row, near, room, least - int(values[c]), _THROUGH))
            added.append(np.full(len(loads[-1]), c))
        first, through = len(loads[0]), np.concatenate([np.zeros(0, dtype=np.int64), *added])
        some, place = np.unique(np.concatenate(loads), return_inverse=True)
        sets = sets_of_loads(taken, items.sizes, items.owner, items.copies, some, len(values))
        sets = sets[place]
        sets[np.arange(first, len(sets)), through] += 1
        sets = sets[(sets <= question.counts).all(axis=1)]
        patterns.append(sets)
        types.append(np.full(len(sets), gpu_type))
    return np.concatenate(patterns), np.concatenate(types), np.array(best, dtype=np.int64)
