"""Proofs by points and cases: results of exhaustive search in a form the checker can repeat.

The duals of the pattern LP, rounded to integers, are points for the models. If they
do not refute a threshold by themselves, they leave few sets of models that can be
part of a packing, and the checker tries all ways to combine these. The checker's own
routine is run here first: a proof that it cannot follow within its limits is not
offered.
"""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction

from kvpr_opt._types import Ints
from kvpr_opt.certificates import evidence
from kvpr_opt.certificates.evidence import LowerBound
from kvpr_opt.limits import Limits, LimitsView
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.pool import PatternPool
from kvpr_opt.patterns.lp.pricing import Precision
from kvpr_opt.patterns.problem import DualValues, PackingQuestion, beyond_patterns
from kvpr_opt.patterns.proofs.evidence import dual_proof, points_by_model
from kvpr_opt.patterns.proofs.shortening import Refutation, shorten_dual
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.scaled import ScaledInstance, Threshold
from kvpr_opt.search.tracker import Tracker
from kvpr_opt.verify import LIMITS, refute

#: The name under which a run reports the proving stage.
PROVING = "proof for the checker"

#: Cases and steps a second of the checker's routine on a slow machine, and the maximum seconds
#: that it may take.
_CASES_A_SECOND, _STEPS_A_SECOND, _LONGEST = 15_000, 500_000, 3_600


def tree_proof(
    scaled: ScaledInstance,
    threshold: Threshold,
    duals: tuple[Ints, Ints],
    limits: Limits,
    *,
    seconds: float = math.inf,
) -> evidence.DualVector | evidence.Tree | None:
    """Return a proof by points that a threshold cannot be met, if the checker can follow it.

    Parameters
    ----------
    scaled
        The fleet.
    threshold
        What is refuted.
    duals
        Points by class, and the most that a GPU can hold by type.
    limits
        When to give up; only what fits in the time left is tried.
    seconds
        Approximate maximum time to try.
    """
    if isinstance(scaled, ConstrainedInstance):
        return None  # the routine does not handle constraints
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
        return None if vector.row_work(problem.sizes, max(capacities)) is None else vector
    items = tuple(zip(problem.sizes, points, strict=True))
    bins = tuple(zip(numbers, capacities, most, strict=True))
    # The checker's routine checks neither clock nor stop flag.
    cases = min(LIMITS.cases, math.floor(left * _CASES_A_SECOND))
    steps = min(LIMITS.steps, math.floor(left * _STEPS_A_SECOND))

    def look() -> str:
        # It refuses if this proves nothing or is too much work.
        with suppress(ValueError, TimeoutError):
            return refute(items, bins, cases, steps)
        return ""

    said = limits.call_interruptibly(look, seconds=limits.remaining)
    return evidence.Tree(points, most, evidence.Refuted(items, bins, said)) if said else None


def prove_bound(
    tracker: Tracker,
    lp: PatternLP | None = None,
    refutation: Refutation | None = None,
) -> None:
    """Try, in the time left, to prove a bound of the run that rests on a solver's claim.

    Parameters
    ----------
    tracker
        The run; a proof that is found replaces the claim.
    lp
        The pattern LP of the fleet, if there is one that already has patterns.
    refutation
        What the LP refuted; used if the bound, a finite one, follows from it.
    """
    bound, scaled, limits = tracker.bound, tracker.instance.scaled, tracker.limits
    if bound is None or bound.evidence.certified or limits.stopped:
        return
    if beyond_patterns([len(group.models) for group in scaled.classes], len(scaled.types)):
        return
    tracker.enter(PROVING)
    value = bound.value
    lp = PatternLP(scaled) if lp is None else lp
    finite = value != math.inf
    if refutation and finite and bound_after(scaled, refutation.question.threshold) == value:
        proof = shortened(tracker, refutation, limits)
        if _offer(tracker, value, proof):
            return
    threshold = scaled.below(value)
    question = PackingQuestion.of(scaled, threshold)
    if not question.counts.any():
        return  # nothing takes any room, so there is a packing
    duals = lp.duals(question, limits, Precision.FULL)
    if isinstance(duals, DualValues):
        found = Refutation(question, duals, lp.pool)
        _offer(tracker, value, shortened(tracker, found, limits))
    elif duals is not None:
        _offer(tracker, value, tree_proof(scaled, threshold, duals, limits))


def shortened(tracker: Tracker, refutation: Refutation, limits: LimitsView) -> evidence.Evidence:
    """The proof by values that refute a question, shortened if there is time.

    Unless the limits cut that off, the run knows that it need not be tried again.
    """
    shorter = shorten_dual(*refutation, limits)
    proof = dual_proof(tracker.instance.scaled, refutation.question.threshold, shorter)
    if shorter is not refutation.vector or not limits.stopped:
        tracker.shortened = proof
    return proof


def _offer(tracker: Tracker, value: Fraction | float, proof: evidence.Evidence | None) -> bool:
    """Give the run a proof of its bound; whether the checker can follow it."""
    if proof is None or not proof.certified:
        return False
    tracker.raise_bound(LowerBound(value, proof), PROVING)
    return True


def bound_after(scaled: ScaledInstance, refuted: Threshold) -> Fraction | float:
    """The bound that follows when a threshold is refuted."""
    if scaled.total_pressure > 0 and refuted != scaled.finite():
        return scaled.next_value(refuted)
    return math.inf


def shorten_proof(tracker: Tracker, lp: PatternLP | None, limits: Limits) -> None:
    """Look for smaller numbers that prove the best certified bound, unless that was done.

    Parameters
    ----------
    tracker, lp
        As in :func:`prove_bound`.
    limits
        When to give up and keep the proof as it is.
    """
    bound, scaled = tracker.certified_bound, tracker.instance.scaled
    vectors = evidence.DualVector | evidence.ConstrainedVector
    if bound is None or not isinstance(bound.evidence, vectors):
        return
    if bound.evidence is tracker.shortened:
        return
    value, points = bound.value, bound.evidence
    threshold = scaled.below(value)
    question = PackingQuestion.of(scaled, threshold)
    tracker.enter(PROVING)
    by_class = tuple(points.models[group.models[0]] for group in scaled.classes)
    pool = PatternPool(len(scaled.classes)) if lp is None else lp.pool
    proof = shortened(
        tracker, Refutation(question, DualValues(by_class, points.gpus), pool), limits
    )
    if isinstance(proof, vectors):
        tracker.restate(proof)
