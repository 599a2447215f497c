"""Exact cover by patterns under budgets of waste, depth first.

Every packing splits the items into one pattern a bin, and the waste of its
patterns adds up to the slack of the question, whether waste is measured by size
or by any other value of the items (see :mod:`patterns.enumeration`). As in Knuth's
exact cover (arXiv:cs/0011047), the search branches on the class left in fewest
patterns, least waste first. At every node it drops the patterns that no longer
fit, bounds the waste still to come from below, and drops what the bound excludes.
The waste allowed follows from the items and the bins left, so a state that failed
once always fails again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kvpr_opt._types import Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.cover.bitpacking import BitPacking
from kvpr_opt.patterns.cover.enumeration import CHUNK, Patterns, WasteBudget, enumerate_patterns
from kvpr_opt.patterns.cover.kernel import (
    EXHAUSTED,
    FOUND,
    PAUSED,
    CoverTable,
    State,
    search,
    start,
)
from kvpr_opt.patterns.problem import Covered, NoPacking, OutOfBudget, Packing, PackingQuestion

#: List entries read between checks of the clock: some tens of milliseconds.
_SLICE = 5_000_000

#: Maximum size of the array of pattern lists, in entries.
_LIST_ENTRIES = 200_000_000

#: Maximum number of failed states remembered.
_MEMORY = 1 << 18

_Number = TypeVar("_Number", np.int64, np.float64)


def cover(
    question: PackingQuestion,
    limits: LimitsView,
    *,
    most_patterns: int,
    work: int,
    duals: tuple[tuple[Ints, Ints], ...] = (),
) -> Covered:
    """Pack a question by exhaustive search.

    Parameters
    ----------
    question
        A whole fleet at a threshold or a part of one.
    limits
        When to give up.
    most_patterns
        Budget of the enumeration, in patterns.
    work
        Budget of the search, in list entries read (about 1e8 a second).
    duals
        Item values by class, each with the largest value of a pattern by type:
        additional budgets of waste. Good duals of the pattern LP help most.
    """
    if question.slack < 0:
        return NoPacking(0)
    if not question.counts.any():
        return Packing.empty(len(question.counts))
    if question.bins == 0:
        return NoPacking(0)
    budgets = [WasteBudget.of(question, question.sizes, question.capacities)]
    budgets += [WasteBudget.of(question, values, most) for values, most in duals]
    if min(budget.slack for budget in budgets) < 0:
        return NoPacking(0)
    bits = BitPacking.of(question.counts)
    found = enumerate_patterns(question, bits, budgets, most_patterns, limits)
    if found is None or len(found.types) * (question.bins + 2) > _LIST_ENTRIES:
        return OutOfBudget(patterns=True)
    table = _table(question, bits, found, limits)
    if table is None:
        return OutOfBudget(patterns=False)
    room = np.array([budget.slack for budget in budgets], dtype=np.int64)
    memory = min(_MEMORY, max(work // 1000, 16))
    state = start(
        table, bits.pack(question.counts[None, :])[0], question.multiplicities, room, memory
    )
    verdict = _run(table, state, limits, work)
    if verdict == FOUND:
        chosen = state.chosen[: state.cursor[0]]
        return Packing(bits.unpack(found.words[chosen], len(question.counts)), found.types[chosen])
    return NoPacking(int(state.cursor[2])) if verdict == EXHAUSTED else OutOfBudget(patterns=False)


def _run(table: CoverTable, state: State, limits: LimitsView, work: int) -> int:
    while work > 0 and not limits.stopped:
        verdict = search(table, state, min(work, _SLICE))
        if verdict != PAUSED:
            return verdict
        work -= _SLICE
    return PAUSED


def _table(
    question: PackingQuestion, bits: BitPacking, found: Patterns, limits: LimitsView
) -> CoverTable | None:
    """The data for the kernel to search; ``None`` if stopped by the limits."""
    sizes = question.sizes[bits.classes].astype(np.float64)
    lengths, members, shares = [], [], []
    for first in range(0, len(found.types), CHUNK):
        if limits.stopped:
            return None
        words = found.words[first : first + CHUNK]
        counts = bits.unpack(words, len(question.counts))[:, bits.classes]
        pattern, member = np.nonzero(counts)
        lengths.append(np.count_nonzero(counts, axis=1))
        members.append(member)
        shares.append(sizes[member] * counts[pattern, member])
    loads = (question.capacities[found.types] - found.waste[:, 0]).astype(np.float64)
    return CoverTable(
        words=found.words,
        types=found.types,
        starts=_joined([np.zeros(1, np.int64), *lengths], np.int64).cumsum(),
        members=_joined(members, np.int64),
        shares=_joined(shares, np.float64),
        waste=found.waste,
        ratios=found.waste / loads[:, None],
        sizes=sizes,
        word_of=bits.word,
        shift_of=bits.shift,
        mask_of=bits.mask,
        guards=bits.guards,
    )


def _joined(parts: Sequence[NDArray[Any]], dtype: type[_Number]) -> NDArray[_Number]:
    """Concatenate arrays; an empty array if there are none."""
    return np.concatenate([np.zeros(0, dtype), *parts], dtype=dtype)
