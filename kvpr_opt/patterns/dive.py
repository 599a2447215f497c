"""Diving: round the pattern LP to a packing, bin by bin.

The patterns of largest weight are fixed and the LP of the remainder is solved again
by column generation, until few bins are left and an exhaustive search takes over.
If a dive ends in a refuted remainder, limited discrepancy search backtracks and
forbids its first choices (Sadykov, Vanderbeck, Pessoa, Tahiri and Uchoa 2019,
doi:10.1287/ijoc.2018.0822).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kvpr_opt._types import Floats, Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.cover.exact_cover import cover
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.pricing import Precision
from kvpr_opt.patterns.problem import DualValues, NoPacking, OutOfBudget, Packing, PackingQuestion

#: Patterns of at least this weight are fixed together with the one of largest weight.
_WEIGHTY = 0.6

#: At most one in this many of the remaining bins is fixed at once.
_SHARE = 5

#: Number of bins left at which the plan of the leaf takes over.
_LEAF_BINS = 20

#: Factor on the weight of a pattern that wastes more than its share.
_THRIFT = 0.4


@dataclass(frozen=True)
class DivePlan:
    """How much a dive may do.

    Attributes
    ----------
    discrepancies
        Second choices allowed on the way to one leaf.
    depth
        Levels from the top at which second choices are made.
    nodes
        Maximum number of LPs of remainders solved.
    last_items
        An exhaustive search takes over when at most this many items are left, and
        is tried again at every level below until it is conclusive.
    jitter
        Weights are changed by up to this share before they are compared, so
        that each dive takes a different path.
    last_patterns, last_work
        Budgets of that search.
    leaf
        The plan for the last bins of a large fleet, where alternatives cost little.
    """

    discrepancies: int = 1
    depth: int = 3
    nodes: int = 200
    last_items: int = 32
    jitter: float = 0.0
    last_patterns: int = 200_000
    last_work: int = 10_000_000
    leaf: DivePlan | None = None


class Dive:
    """One dive at one threshold.

    Parameters
    ----------
    lp
        The pattern LP of the fleet.
    plan
        Its budgets.
    seed
        Random seed of the jitter.
    """

    def __init__(self, lp: PatternLP, limits: LimitsView, plan: DivePlan, seed: int = 0) -> None:
        self._lp, self._limits, self._plan = lp, limits, plan
        self._nodes = 0
        self._seed = seed
        self._large = False
        self._random = np.random.default_rng(seed)

    def run(self, question: PackingQuestion) -> Packing | None:
        """Return a packing, if the dive finds one."""
        self._large = question.bins > _LEAF_BINS
        return self._below(question, 0, self._plan.discrepancies, frozenset())

    def _below(
        self, question: PackingQuestion, depth: int, discrepancies: int, tabu: frozenset[int]
    ) -> Packing | None:
        """Pack what is left, without rounding up the patterns in `tabu`."""
        ended = self._finish(question)
        if isinstance(ended, Packing):
            return ended
        if isinstance(ended, NoPacking):
            return None
        if self._large and self._plan.leaf is not None and question.bins <= _LEAF_BINS:
            # A separate LP, without the patterns of items already packed, is fast.
            part = self._lp.part(question)
            return Dive(part, self._limits, self._plan.leaf, self._seed).run(question)
        self._nodes += 1
        if self._nodes > self._plan.nodes:
            return None
        answer = self._lp.decide(question, self._limits, precision=Precision.COARSE)
        if isinstance(answer, DualValues):
            return None
        choices = 1 + (discrepancies if depth <= self._plan.depth else 0)
        for choice in range(choices):
            picked = self._pick(question, answer.weights, tabu)
            if picked is None or self._limits.stopped:
                return None
            bins, patterns = picked
            counts = question.counts - bins.counts.sum(axis=0)
            used = np.bincount(bins.types, minlength=len(question.multiplicities))
            left = question.left(counts, question.multiplicities - used)
            rest = self._below(left, depth + 1, discrepancies - choice, tabu)
            if rest is not None:
                return bins.with_bins(rest)
            tabu |= patterns
        return None

    def _finish(self, question: PackingQuestion) -> Packing | NoPacking | OutOfBudget:
        """Search exhaustively if little is left."""
        if int(question.counts.sum()) > self._plan.last_items and question.bins > 2:
            return OutOfBudget(patterns=True)
        return cover(
            question, self._limits, most_patterns=self._plan.last_patterns,
            work=self._plan.last_work,
        )  # fmt: skip

    def _waste(self, question: PackingQuestion, patterns: int) -> Ints:
        """Capacity left over by the first `patterns` patterns, counting only unpacked items."""
        known = self._lp.pool.patterns
        counted = known._replace(copies=np.minimum(known.copies, question.counts[known.classes]))
        packed = counted.sums(question.sizes)
        return np.asarray(question.capacities[known.types] - packed)[:patterns]

    def _pick(
        self, question: PackingQuestion, weights: Floats, tabu: frozenset[int]
    ) -> tuple[Packing, frozenset[int]] | None:
        """The patterns to fix, as bins, and their numbers in the pool."""
        most = max(1, question.bins // _SHARE)
        left, numbers = question.counts.copy(), question.multiplicities.copy()
        bins, types = [], []
        chosen: list[int] = []
        # Capacity saved on the first bins is available to the last ones.
        thrifty = self._waste(question, len(weights)) <= question.slack / question.bins
        noise = 1 - self._plan.jitter * self._random.random(len(weights))
        order = np.argsort(-weights * noise * np.where(thrifty, 1.0, _THRIFT), kind="stable")
        order = order[weights[order] > 1e-6]
        pool = self._lp.pool
        for p, gpu_type, counts in zip(
            order.tolist(), pool.patterns.types[order].tolist(), pool.counts(order), strict=True
        ):
            if chosen and (weights[p] < _WEIGHTY or len(chosen) >= most):
                break
            # A covering row may be covered twice: only what is still to pack counts.
            whole = np.minimum(counts, question.counts)
            pattern = np.minimum(whole, left)
            clash = bool(chosen) and bool((pattern != whole).any())
            if p in tabu or clash or numbers[gpu_type] == 0 or not pattern.any():
                continue
            left -= pattern
            numbers[gpu_type] -= 1
            bins.append(pattern)
            types.append(gpu_type)
            chosen.append(p)
        if not chosen:
            return None
        packing = Packing(np.array(bins, dtype=np.int16), np.array(types, dtype=np.int64))
        return packing, frozenset(chosen)
