"""Proofs by points and cases: what an exhaustive search found, so that the checker can repeat it.

The duals of the pattern LP, rounded to integers, are points for the models.
Where they do not refute a threshold by themselves, they leave few sets of
models that can be part of a packing, and the checker tries all ways to combine
them. Its own routine is run here first: what it cannot do within its limits is
not offered as a proof.
"""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction

from kvpr_opt._types import Ints
from kvpr_opt.certificates import evidence
from kvpr_opt.certificates.evidence import LowerBound
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.pricing import Precision
from kvpr_opt.patterns.problem import DualValues, PackingQuestion
from kvpr_opt.patterns.proofs.evidence import dual_proof, points_by_model
from kvpr_opt.patterns.proofs.shortening import shorten_dual
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.scaled import ScaledInstance, Threshold
from kvpr_opt.search.tracker import Tracker
from kvpr_opt.verify import LIMITS, refute

#: The stage in which proofs are made, as a run reports it.
PROVING = "proof for the checker"

#: What the checker's routine does in a second, on a slow machine; and longer than it may take.
_CASES_A_SECOND, _STEPS_A_SECOND, _LONGEST = 15_000, 500_000, 3_600

#: How far, in parts of the incumbent, proofs may stay behind the bound while the search goes on.
_MAX_LAG = Fraction(3, 100_000)

#: The share of the time that proofs on the way may take, and seconds below which none is tried.
_SHARE, _TOO_SHORT = 0.1, 0.02


def proving_seconds(tracker: Tracker, value: Fraction | float, spent: float) -> float:
    """How long to try to prove a bound: as long as it takes, for a while, or not at all.

    A bound that ends the run gets all the time left. On the way up, only one that has
    left the last proved bound behind gets a part, so that a run which a limit ends has
    a proof of nearly all that it claims.

    Parameters
    ----------
    tracker, value
        The run, and the bound.
    spent
        Seconds that proofs on the way have taken so far.
    """
    incumbent, proved = tracker.value_to_beat, tracker.certified_bound
    if isinstance(value, float) or incumbent is None:
        return math.inf
    if (incumbent - value) <= tracker.target_gap * incumbent:
        return math.inf
    lag = value - (Fraction(0) if proved is None else Fraction(proved.value))
    left = _SHARE * tracker.limits.elapsed - spent
    return left if lag > _MAX_LAG * incumbent and left > _TOO_SHORT else 0.0


def tree_proof(
    scaled: ScaledInstance,
    threshold: Threshold,
    duals: tuple[Ints, Ints],
    limits: Limits,
    *,
    seconds: float = math.inf,
) -> evidence.DualVector | evidence.Tree | None:
    """A proof by points that a threshold cannot be met, if the checker can follow it.

    Parameters
    ----------
    scaled
        The fleet.
    threshold
        What is refuted.
    duals
        Points by class, and the most that a GPU can hold by type.
    limits
        When to give up: no more is tried than the time left allows.
    seconds
        Try about so long at most.
    """
    if isinstance(scaled, ConstrainedInstance):
        return None  # the routine knows no constraints
    points = points_by_model(scaled, duals[0].tolist())
    most = tuple(duals[1].tolist())
    if max((*points, *most)) >= 10**LIMITS.point_digits:
        return None
    problem = scaled.packing(threshold)
    capacities = [problem.capacities[gpu_type.gpus[0]] for gpu_type in scaled.types]
    numbers = [len(gpu_type.gpus) for gpu_type in scaled.types]
    left = min(limits.remaining, seconds, _LONGEST)
    spare = sum(n * limit for n, limit in zip(numbers, most, strict=True)) - sum(
        value for value, size in zip(points, problem.sizes, strict=True) if size
    )
    if spare < 0:
        vector = evidence.DualVector(points, most)
        return None if vector.row_work(max(capacities)) is None else vector
    items = tuple(zip(problem.sizes, points, strict=True))
    bins = tuple(zip(numbers, capacities, most, strict=True))
    # The checker's routine looks at no clock and no flag.
    cases = min(LIMITS.cases, math.floor(left * _CASES_A_SECOND))
    steps = min(LIMITS.steps, math.floor(left * _STEPS_A_SECOND))

    def look() -> str:
        # It refuses where this proves nothing, or is too much work.
        with suppress(ValueError, TimeoutError):
            return refute(items, bins, cases, steps)
        return ""

    said = limits.call_interruptibly(look, seconds=limits.remaining)
    return evidence.Tree(points, most, evidence.Refuted(items, bins, said)) if said else None


def prove_bound(tracker: Tracker, lp: PatternLP | None = None) -> None:
    """Try to prove the bound of a run that rests on a solver's word, in the time left.

    Parameters
    ----------
    tracker
        The run; a proof found takes the place of the word.
    lp
        The pattern LP of the fleet, where there is one that knows patterns already.
    """
    bound, scaled, limits = tracker.bound, tracker.instance.scaled, tracker.limits
    if bound is None or bound.evidence.certified or limits.stopped:
        return
    tracker.enter(PROVING)
    value = bound.value
    threshold = scaled.below(value)
    question = PackingQuestion.of(scaled, threshold)
    if not question.counts.any():
        return  # nothing takes any room: there is a packing
    lp = PatternLP(scaled) if lp is None else lp
    duals = lp.duals(question, limits, Precision.FULL)
    proof: evidence.Evidence | None = None
    if isinstance(duals, DualValues):
        proof = dual_proof(scaled, threshold, shorten_dual(question, duals, lp.pool, limits))
    elif duals is not None:
        proof = tree_proof(scaled, threshold, duals, limits)
    if proof is not None and proof.certified:
        tracker.raise_bound(LowerBound(value, proof), PROVING)


def shorten_proof(tracker: Tracker, lp: PatternLP | None, limits: Limits) -> None:
    """Look for smaller numbers that prove the best certified bound.

    Parameters
    ----------
    tracker, lp
        As in :func:`prove_bound`.
    limits
        When to leave it as it is.
    """
    bound, scaled = tracker.certified_bound, tracker.instance.scaled
    vectors = evidence.DualVector | evidence.ConstrainedVector
    if bound is None or not isinstance(bound.evidence, vectors):
        return
    value, points = bound.value, bound.evidence
    threshold = scaled.below(value)
    question = PackingQuestion.of(scaled, threshold)
    tracker.enter(PROVING)
    by_class = tuple(points.models[group.models[0]] for group in scaled.classes)
    pool = PatternPool(len(scaled.classes)) if lp is None else lp.pool
    shorter = shorten_dual(question, DualValues(by_class, points.gpus), pool, limits)
    proof = dual_proof(scaled, threshold, shorter)
    if isinstance(proof, vectors):
        tracker.restate(proof)
