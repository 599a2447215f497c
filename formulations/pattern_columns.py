"""The patterns of a threshold as the columns of an integer program.

Shared by the formulations whose variables are patterns: what the columns are,
and how a choice of them becomes a placement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.instance import Instance
from kvpr_opt.limits import Limits
from kvpr_opt.oracle import Feasible, Infeasible, Unknown, Verdict
from kvpr_opt.patterns.answers import NoPacking, Packing
from kvpr_opt.patterns.dual import refuted_at_once
from kvpr_opt.patterns.enumeration import Budget, enumerate_patterns
from kvpr_opt.patterns.fields import Fields
from kvpr_opt.patterns.proof import dual_proof, exhaustion, placement_of
from kvpr_opt.patterns.question import Question
from kvpr_opt.scaled import Threshold

# Copies of one class in one pattern are counted in 16 bits.
_MOST_COPIES = int(np.iinfo(np.int16).max)

# Entries (models, GPU types, classes) of the patterns that one round of pricing may find.
_MOST_ENTRIES = 100_000_000

# Halves of patterns, and patterns, that the enumeration may go through to find the columns.
_MOST_ENUMERATED = 100_000


@dataclass(frozen=True)
class Columns:
    """Patterns, and what is asked of a choice of them.

    Attributes
    ----------
    counts
        Models by pattern and class.
    kinds
        GPU type by pattern.
    demand
        How many models of each class are to be placed; 0 for a class without size.
    numbers
        How many GPUs there are of each type.
    """

    counts: NDArray[np.int16]
    kinds: NDArray[np.int64]
    demand: NDArray[np.int64]
    numbers: NDArray[np.int64]

    @property
    def most(self) -> NDArray[np.int64]:
        """How often each pattern can be chosen, at most."""
        most = np.broadcast_to(self.numbers[self.kinds][:, None], self.counts.shape).copy()
        np.floor_divide(self.demand, self.counts, out=most, where=self.counts > 0)
        return np.asarray(np.minimum(most.min(axis=1), self.numbers[self.kinds]))

    def chosen(self, times: NDArray[np.int64]) -> Packing:
        """The packing that takes each pattern so many times."""
        return Packing(np.repeat(self.counts, times, axis=0), np.repeat(self.kinds, times))


def waste_bounded(
    instance: Instance, threshold: Threshold, limits: Limits, most: int
) -> Columns | Verdict:
    """Every pattern that a packing can use, or the answer where none is needed.

    Parameters
    ----------
    instance
        The fleet.
    threshold
        The question.
    limits
        When to give up.
    most
        Where there are more patterns, the answer is "unknown". Higher thresholds
        have no fewer.
    """
    question = Question.of(instance.scaled, threshold)
    refuted = refuted_at_once(question)
    if refuted is not None:
        return Infeasible(dual_proof(instance.scaled, threshold, refuted))
    if not question.counts.any():
        return placed(instance, threshold, Packing.empty(len(question.counts)))
    beyond = beyond_patterns(question)
    if beyond:
        return Unknown(beyond, final=True)
    fields = Fields.of(question.counts)
    waste = Budget.of(question, question.sizes, question.capacities)
    found = enumerate_patterns(question, fields, [waste], max(most, _MOST_ENUMERATED), limits)
    if limits.stopped:
        return Unknown("stopped while the patterns were enumerated")
    if found is None or len(found.kinds) > most:
        return Unknown(f"more than {most} patterns, or too many to enumerate", final=True)
    if not len(found.kinds):
        return Infeasible(exhaustion(threshold, NoPacking(0)))
    counts = fields.unpack(found.words, len(question.counts))
    return Columns(counts, found.kinds, question.counts, question.numbers)


def beyond_patterns(question: Question) -> str:
    """Why the patterns of a question cannot be held; empty where they can."""
    copies = int(question.counts.max(initial=0))
    if copies > _MOST_COPIES:
        return f"{copies} identical models, more than {_MOST_COPIES}"
    entries = int(question.counts.sum()) * len(question.capacities) * len(question.sizes)
    if entries > _MOST_ENTRIES:
        return f"tables of {entries} entries, more than {_MOST_ENTRIES}"
    return ""


def placed(instance: Instance, threshold: Threshold, packing: Packing) -> Verdict:
    """The placement that a packing stands for, checked exactly.

    Numbers beyond 64 bits are rounded in the packing, so that the check can fail.
    """
    try:
        placement = placement_of(instance, packing)
    except InvalidPlacementError as error:
        return Unknown(f"the packing holds in rounded numbers only: {error}", final=True)
    if not placement.meets(threshold):
        return Unknown("the packing holds in rounded numbers only", final=True)
    return Feasible(placement)
