"""Rounding of large programs: many bins at a time, from a vertex of the optimal face.

A central solution of the pattern LP spreads over thousands of patterns. A vertex
restricted to the patterns of largest weight uses hardly more patterns than there are
classes, so on a fleet of many GPUs most bins can be fixed at once: a pattern of weight
2.7 fills two of them. The LP of the remainder is solved again, with fine pricing,
since whatever coarse pricing wastes is missing at the end. This repeats until few bins
are left for a dive (:mod:`kvpr_opt.patterns.dive`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Counts, Floats, Ints
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.dive import Dive, DivePlan
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.master import Master
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.pricing import Precision
from kvpr_opt.patterns.problem import Fractional, Packing, PackingQuestion

#: Columns per class of the LP whose vertex is taken, and the factor by which they grow
#: if these are not enough.
_COLUMNS_EACH, _MORE_COLUMNS = 12, 3

#: Fractional parts of at least this are rounded up, within the limit of a step.
_WEIGHTY = 0.3

#: A step fixes at least this share of the remaining bins. The share is halved when the LP
#: does not pass afterwards, down to the second value.
_STEP, _LEAST_STEP = 0.4, 0.05

#: Tolerance on the factor of the bins up to which a vertex counts as a fractional packing.
_TOLERANCE = 1e-7

#: Weights within this of a whole number count as whole.
_NEARLY = 1e-7


def round_by_vertices(
    lp: PatternLP,
    question: PackingQuestion,
    answer: Fractional | None,
    limits: LimitsView,
    plan: DivePlan,
    *,
    last_bins: int,
    seed: int,
) -> Packing | None:
    """Return a packing, if rounding finds one.

    Parameters
    ----------
    lp
        The pattern LP of the fleet.
    question, answer
        What is packed, and the LP's answer to it, if known.
    limits
        When to give up.
    plan
        The plan of the dive that packs the last bins.
    last_bins
        How many bins are left to the dive.
    seed
        The random seed of the dive.
    """
    packing = Packing.empty(len(question.counts))
    level: _Level | None = None
    step = _STEP
    while question.bins > last_bins:
        if answer is None:
            decided = lp.decide(question, limits, precision=Precision.FINE)
            answer = decided if isinstance(decided, Fractional) else None
        if limits.stopped:
            return None
        if answer is not None:
            vertex = _vertex(lp.pool, question, answer.weights, limits)
            if vertex is None:
                return None
            level = _Level(packing, question, vertex)
        elif level is None or step < _LEAST_STEP:
            return None
        else:
            step /= 2  # too much was rounded up at once
        fixed = _fix(level.question, level.vertex, step)
        if fixed is None:
            return None
        packing, answer = level.packing.with_bins(fixed), None
        question = _without(level.question, fixed)
    rest = Dive(lp.part(question), limits, plan, seed=seed).run(question)
    return None if rest is None else packing.with_bins(rest)


class _Vertex(NamedTuple):
    """Patterns, their types and their weights."""

    counts: Counts
    types: Ints
    weights: Floats


class _Level(NamedTuple):
    """What is fixed, what is left, and a vertex of the LP of what is left."""

    packing: Packing
    question: PackingQuestion
    vertex: _Vertex


def _without(question: PackingQuestion, fixed: Packing) -> PackingQuestion:
    """What is left once some bins are fixed."""
    used = np.bincount(fixed.types, minlength=len(question.multiplicities))
    counts = question.counts - fixed.counts.sum(axis=0, dtype=np.int64)
    return question.left(counts, question.multiplicities - used)


def _vertex(
    pool: PatternPool, question: PackingQuestion, weights: Floats, limits: LimitsView
) -> _Vertex | None:
    """A vertex on the columns of largest weight, as many as are needed."""
    present = question.counts > 0
    number = _COLUMNS_EACH * int(present.sum()) + len(question.multiplicities)
    columns = np.argsort(-weights, kind="stable")
    columns = columns[weights[columns] > 0]
    # Each item alone, in the largest bin it may go to, so that every row can be met.
    room = np.where(question.multiplicities > 0, question.capacities, -1)[:, None]
    if question.rules is not None:
        room = np.where(question.rules.allowed, room, -2)
    home = np.broadcast_to(room, (len(room), len(present))).argmax(axis=0)[present]
    alone = np.eye(len(present), dtype=np.int16)[present]
    while not limits.stopped:
        chosen = PatternPool(len(question.counts))
        counts = np.where(present, pool.counts[columns[:number]], 0).astype(np.int16)
        chosen.add(counts, pool.types[columns[:number]])
        chosen.add(alone, home)
        master = Master(chosen, len(question.counts), len(question.multiplicities))
        master.pose(question)
        solution = master.solve(limits)
        if solution.factor <= 1 + _TOLERANCE:
            return _Vertex(chosen.counts, chosen.types, solution.weights)
        if number >= len(columns):
            return None
        number *= _MORE_COLUMNS
    return None


def _fix(question: PackingQuestion, vertex: _Vertex, step: float) -> Packing | None:
    """Fix bins of a vertex: the whole part of each weight, then the largest fractional parts.

    The whole parts cost nothing: the rest of the vertex still packs the remaining items.
    """
    counts, types, values = vertex
    whole = np.floor(values + _NEARLY)
    rest = values - whole
    left, free = question.counts.copy(), question.multiplicities.copy()
    fixed: list[int] = []
    least = max(1, int(step * question.bins))
    for p in np.argsort(-values, kind="stable"):
        for _ in range(int(whole[p])):
            if not _fits(counts[p], types[p], left, free):
                break
            left -= counts[p]
            free[types[p]] -= 1
            fixed.append(int(p))
    for p in np.argsort(-rest, kind="stable"):
        if len(fixed) >= least or (fixed and rest[p] < _WEIGHTY) or rest[p] <= 0:
            break
        if _fits(counts[p], types[p], left, free):
            left -= counts[p]
            free[types[p]] -= 1
            fixed.append(int(p))
    return Packing(counts[fixed], types[fixed]) if fixed else None


def _fits(pattern: Counts, gpu_type: int, left: Ints, free: Ints) -> bool:
    """Whether the pattern is not empty and a bin and its items are left for one more."""
    return bool(free[gpu_type] > 0 and pattern.any() and (pattern <= left).all())
