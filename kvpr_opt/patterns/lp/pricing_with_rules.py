"""Pricing when constraints restrict the patterns: one knapsack per profile of types.

Types that allow the same classes share a table, whatever their capacities. If a class
is in several groups, the table respects only the largest; sets that break another group
are not patterns and are dropped. So what is priced is a relaxation, and every
refutation is still a proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kvpr_opt._types import BoolArray, Counts, Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.lp.knapsack_by_load import MAX_LOADS, MAX_VALUE
from kvpr_opt.patterns.lp.knapsack_by_value import best_value, value_limit
from kvpr_opt.patterns.lp.knapsack_of_groups import (
    best_by_load,
    best_by_value,
    best_through_options,
    least_loads_by_stage,
    most_by_load,
    most_of_stages,
)
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.problem.rules import Rules

#: Maximum entries of two whole tables, of one with the choice of each entry, and of a single
#: row times the options that change it.
_WHOLE_ENTRIES, _CHOICE_ENTRIES, _ROW_ENTRIES = 8_000_000, 150_000_000, 1_000_000_000

#: Options of a stage that a table by load can distinguish, in a byte.
_MAX_OPTIONS = 127

#: Sets looked for between two checks of the limits: a tenth of a second.
_SETS_AT_ONCE = 500

#: Patterns per type and round from a table with choices.
_FEW = 100


@dataclass(frozen=True)
class Stages:
    """The options of a knapsack, stage by stage.

    Attributes
    ----------
    sizes, owner, copies
        By option: its size, its class, and its number of items.
    starts
        By stage, its first option; then the total number of options.
    """

    sizes: Ints
    owner: Ints
    copies: Ints
    starts: Ints

    @classmethod
    def of(cls, question: PackingQuestion, wanted: BoolArray, capacity: int) -> Stages:
        """The stages of the `wanted` classes, largest items first."""
        rules = _rules(question)
        grouped: dict[int, list[tuple[int, int]]] = {}
        falling = np.argsort(-question.sizes, kind="stable")
        for c in falling[wanted[falling] & (question.sizes[falling] <= capacity)]:
            size, group = int(question.sizes[c]), int(rules.group_of[c])
            most = min(int(question.counts[c]), capacity // max(size, 1))
            if group >= 0:
                grouped.setdefault(group, []).append((int(c), 1))
            else:
                grouped[-1 - int(c)] = [(int(c), n) for n in range(1, most + 1)]
        options = [option for stage in grouped.values() for option in stage]
        owner = np.array([c for c, _ in options], dtype=np.int64)
        copies = np.array([n for _, n in options], dtype=np.int64)
        lengths = [0, *map(len, grouped.values())]
        return cls(
            sizes=question.sizes[owner] * copies,
            owner=owner,
            copies=copies,
            starts=np.cumsum(lengths, dtype=np.int64),
        )

    def worth(self, values: Ints) -> Ints:
        """The values of the options, from those of each class."""
        return np.asarray(values[self.owner] * self.copies)

    def limit(self, values: Ints, capacity: int) -> int:
        """An upper bound on the value of any set within the capacity."""
        # Here n copies count as n items, and items of a group may all be taken if they fit.
        size_of_one = self.sizes // self.copies
        return int(value_limit(size_of_one, values[self.owner], capacity))

    @property
    def number(self) -> int:
        """The number of stages."""
        return len(self.starts) - 1


@dataclass(frozen=True)
class _Knapsack:
    """The types of one profile, and what they may hold."""

    types: Ints
    capacities: Ints
    stages: Stages
    usable: Ints


def best_sets(
    question: PackingQuestion, values: Ints, wanted: Ints, limits: LimitsView, *, by_load: bool
) -> tuple[Counts, Ints, Ints] | None:
    """The most valuable sets for integer values by class, their types, and the maximum by type.

    Parameters
    ----------
    question, values
        A question with rules, and values by class.
    wanted
        By type; only sets worth more are returned.
    by_load
        Whether tables are by load, where :func:`fits_by_load` says so; else by value.
    limits
        ``None`` is returned if they stop the work.
    """
    rules = _rules(question)
    patterns: list[Counts] = []
    types: list[Ints] = []
    best = np.zeros(len(question.capacities), dtype=np.int64)
    for knapsack in _knapsacks(question, values > 0):
        if limits.stopped:
            return None
        if knapsack.stages.number == 0:
            continue
        of_profile = wanted[knapsack.types]
        solved = _solve(question, rules, values, knapsack, of_profile, limits, by_load)
        if solved is None:
            return None
        found, bins, most = solved
        best[knapsack.types] = most
        of_type = knapsack.types[bins]
        kept = rules.keep(found, of_type)
        patterns.append(found[kept])
        types.append(of_type[kept])
    if not patterns:
        return np.zeros((0, len(values)), np.int16), np.zeros(0, np.int64), best
    return np.concatenate(patterns), np.concatenate(types), best


def _solve(
    question: PackingQuestion,
    rules: Rules,
    values: Ints,
    knapsack: _Knapsack,
    wanted: Ints,
    limits: LimitsView,
    by_load: bool,
) -> tuple[Counts, Ints, Ints] | None:
    stages, capacities = knapsack.stages, knapsack.capacities
    options = (stages.sizes, stages.worth(values), stages.owner, stages.copies, stages.starts)
    largest = int(capacities.max())
    if by_load:
        return best_by_load(*options, len(values), capacities, wanted, _FEW)
    top = stages.limit(values, largest)
    sets = (question.sizes, knapsack.usable, question.counts, rules.member, capacities, wanted)
    if (top + 1) * (stages.number + 1) <= _WHOLE_ENTRIES:
        first, last = (
            least_loads_by_stage(*options[:2], stages.starts, backwards, top, largest)
            for backwards in (False, True)
        )
        best = np.array([best_value(first[-1], each) for each in capacities], dtype=np.int64)
        parts = []
        for begin, end in _parts(stages.starts, _SETS_AT_ONCE // len(capacities)):
            if limits.stopped:
                return None
            parts.append(best_through_options(*options, first, last, *sets, begin, end))
        patterns, bins = zip(*parts, strict=True)
        return np.concatenate(patterns), np.concatenate(bins), best
    return best_by_value(*options, *sets, top, _FEW)


def _parts(starts: Ints, options: int) -> Iterator[tuple[int, int]]:
    """Divide stages into parts of about so many options: the first of each, and where it ends."""
    begin = 0
    while begin < len(starts) - 1:
        end = int(np.searchsorted(starts, starts[begin] + options, side="right")) - 1
        end = max(begin + 1, end)
        yield begin, end
        begin = end


def most_worth(question: PackingQuestion, values: Ints) -> int:
    """An upper bound on the worth of any pattern."""
    return max(
        each.stages.limit(values, int(each.capacities.max()))
        for each in _knapsacks(question, values > 0)
    )


def fits_by_load(question: PackingQuestion) -> bool:
    """Whether tables by load have a sensible size."""
    return all(
        int(np.diff(each.stages.starts).max(initial=0)) <= _MAX_OPTIONS
        and (int(each.capacities.max()) + 1) * each.stages.number <= _CHOICE_ENTRIES
        and (int(each.capacities.max()) + 1) * len(each.stages.owner) <= _ROW_ENTRIES
        for each in _knapsacks(question, question.counts > 0)
    )


def longest_scale(question: PackingQuestion) -> int:
    """The largest worth of a full bin, in units, that keeps tables by value at a sensible size."""
    stages = [each.stages for each in _knapsacks(question, question.counts > 0)]
    most, options = (max(each.number for each in stages), max(len(each.owner) for each in stages))
    return min(_CHOICE_ENTRIES // (most + 1), _ROW_ENTRIES // max(1, options))


def most_with_rules(question: PackingQuestion, values: Ints) -> Ints | None:
    """The exact maximum worth of a pattern of each type; ``None`` if it takes too long."""
    best = np.zeros(len(question.capacities), dtype=np.int64)
    for knapsack in _knapsacks(question, values > 0):
        stages, largest = knapsack.stages, int(knapsack.capacities.max())
        if stages.number == 0:
            continue
        worth = stages.worth(values)
        top = stages.limit(values, largest)
        # An entry by load takes a fraction of the time of an entry by value.
        short = largest < MAX_LOADS and largest * len(worth) <= _ROW_ENTRIES
        if short and largest < 4 * top < 4 * MAX_VALUE:
            best[knapsack.types] = most_by_load(
                stages.sizes, worth, stages.starts, knapsack.capacities
            )
            continue
        if top * len(worth) > _ROW_ENTRIES:
            return None
        loads = most_of_stages(stages.sizes, worth, stages.starts, top, largest)
        best[knapsack.types] = [best_value(loads, capacity) for capacity in knapsack.capacities]
    return best


def _knapsacks(question: PackingQuestion, wanted: BoolArray) -> list[_Knapsack]:
    """One for each profile of types."""
    rules = _rules(question)
    made = []
    for profile in range(int(rules.profile_of.max()) + 1):
        types = np.flatnonzero(rules.profile_of == profile)
        capacities = question.capacities[types]
        usable = wanted & rules.allowed[types[0]] & (question.counts > 0)
        stages = Stages.of(question, usable, int(capacities.max()))
        falling = np.argsort(-question.sizes, kind="stable")
        addable = rules.allowed[types[0]] & (question.counts > 0)
        made.append(_Knapsack(types, capacities, stages, falling[addable[falling]]))
    return made


def _rules(question: PackingQuestion) -> Rules:
    assert question.rules is not None, "for questions with rules"
    return question.rules
