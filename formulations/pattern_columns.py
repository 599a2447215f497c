"""The patterns of a threshold as the columns of an integer program.

Shared by the formulations whose variables are patterns: what the columns are,
and how a choice of them becomes a placement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.cover.bitpacking import BitPacking
from kvpr_opt.patterns.cover.enumeration import WasteBudget, enumerate_patterns
from kvpr_opt.patterns.lp.dual import refuted_at_once
from kvpr_opt.patterns.problem import NoPacking, Packing, PackingQuestion, beyond_patterns
from kvpr_opt.patterns.proofs.evidence import dual_proof, exhaustion, placement_of
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.oracle import Feasible, Infeasible, Unknown, Verdict

# Half patterns and patterns that the enumeration may visit to find the columns.
_MAX_ENUMERATED = 100_000


@dataclass(frozen=True)
class Columns:
    """Patterns, and the requirements on a choice of them.

    Attributes
    ----------
    counts
        Models by pattern and class.
    types
        GPU type by pattern.
    demand
        How many models of each class are to be placed; 0 for a class without size.
    multiplicities
        How many GPUs there are of each type.
    """

    counts: NDArray[np.int16]
    types: NDArray[np.int64]
    demand: NDArray[np.int64]
    multiplicities: NDArray[np.int64]

    @property
    def most(self) -> NDArray[np.int64]:
        """The maximum number of times each pattern can be chosen."""
        most = np.broadcast_to(self.multiplicities[self.types][:, None], self.counts.shape).copy()
        np.floor_divide(self.demand, self.counts, out=most, where=self.counts > 0)
        return np.asarray(np.minimum(most.min(axis=1), self.multiplicities[self.types]))

    def chosen(self, times: NDArray[np.int64]) -> Packing:
        """The packing that uses each pattern the given number of times."""
        return Packing(np.repeat(self.counts, times, axis=0), np.repeat(self.types, times))


def waste_bounded(
    instance: Instance, threshold: Threshold, limits: LimitsView, most: int
) -> Columns | Verdict:
    """Every pattern that a packing can use, or the answer if it is settled without them.

    Parameters
    ----------
    instance
        The fleet.
    threshold
        The question.
    limits
        When to give up.
    most
        With more patterns, the answer is "unknown". Higher thresholds have at least
        as many.
    """
    question = PackingQuestion.of(instance.scaled, threshold)
    refuted = refuted_at_once(question)
    if refuted is not None:
        return Infeasible(dual_proof(instance.scaled, threshold, refuted))
    if not question.counts.any():
        return placed(instance, threshold, Packing.empty(len(question.counts)))
    beyond = beyond_patterns(question.counts.tolist(), len(question.capacities))
    if beyond:
        return Unknown(beyond, final=True)
    bits = BitPacking.of(question.counts)
    waste = WasteBudget.of(question, question.sizes, question.capacities)
    found = enumerate_patterns(question, bits, [waste], max(most, _MAX_ENUMERATED), limits)
    if limits.stopped:
        return Unknown("stopped while the patterns were enumerated")
    if found is None or len(found.types) > most:
        return Unknown(f"more than {most} patterns, or too many to enumerate", final=True)
    if not len(found.types):
        return Infeasible(exhaustion(threshold, NoPacking(0)))
    counts = bits.unpack(found.words, len(question.counts))
    return Columns(counts, found.types, question.counts, question.multiplicities)


def placed(instance: Instance, threshold: Threshold, packing: Packing) -> Verdict:
    """The placement that a packing stands for, checked exactly.

    Numbers beyond 64 bits are rounded in the packing, so the check can fail.
    """
    try:
        placement = placement_of(instance, packing)
    except InvalidPlacementError as error:
        return Unknown(f"the packing holds in rounded numbers only: {error}", final=True)
    if not placement.meets(threshold):
        return Unknown("the packing holds in rounded numbers only", final=True)
    return Feasible(placement)
