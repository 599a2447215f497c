"""The last step of a run: the checker goes over the answer if there is time for it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from kvpr_opt.certificates.certificate import Certificate, verify
from kvpr_opt.certificates.evidence import (
    ConstrainedVector,
    DualVector,
    Evidence,
    LowerBound,
    Refuted,
    Rounded,
    Tree,
)
from kvpr_opt.errors import SolverError
from kvpr_opt.limits import Limits
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.scaled import ScaledInstance
from kvpr_opt.verify import LIMITS

#: Seconds that a check may take when the time is up.
AFTER_LIMIT = 0.3

#: A check that is likely to need less than this share of the time left gets no alarm.
_SOON_DONE = 0.01

#: What the checker does in a second: bytes of its rows of sizes that it changes; and models and
#: GPUs that it reads.
_BYTES, NAMES_CHECKED = 1_200_000_000, 45_000

#: What its search for sets may take, which is done where the rows would be too long.
_SETS_SECONDS = 3


class Checked(NamedTuple):
    """What the checker found.

    Attributes
    ----------
    certified
        Whether it can repeat the proof of every claim.
    remark
        Why the answer was not checked; empty where it was.
    """

    certified: bool
    remark: str


def self_check(
    instance: Instance, certificate: Certificate, bounds: list[LowerBound], limits: Limits
) -> Checked:
    """Run the checker on a certificate, unless that takes longer than the time left.

    Parameters
    ----------
    instance, certificate, bounds
        The fleet, what is claimed about it, and the bounds that the claims rest on. What the
        checker's routine has ruled out in the run is not done again.
    limits
        Of the run. A Ctrl-C ends the check at once.

    Raises
    ------
    SolverError
        If the checker finds a claim that is false.
    """
    left = (0.0 if limits.stopped else limits.remaining) + AFTER_LIMIT
    work = seconds_to_check(instance, bounds)
    if work > left:
        return Checked(False, f"not checked: that takes about {work:.1f} s, by kvpr-opt verify")
    # The checker looks at no clock; on a busy machine it may take longer than it should.
    report = limits.call_interruptibly(
        lambda: verify(instance, certificate, _refuted(bounds)),
        seconds=math.inf if work < _SOON_DONE * left else left,
    )
    if report is None:
        why = "interrupted" if limits.interrupted else "there was no time left for it"
        return Checked(False, f"not checked: {why}")
    if not report.readable:
        return Checked(False, f"not checked: {report.checks[0].detail}")
    if report.rejected:
        raise SolverError(f"the checker rejects the answer:\n{report}")
    return Checked(report.proved, "")


def too_long(instance: Instance, bounds: list[LowerBound]) -> bool:
    """Whether checking these bounds takes longer than is allowed after the time limit."""
    return seconds_to_check(instance, bounds) > AFTER_LIMIT


def seconds_to_check(instance: Instance, bounds: list[LowerBound]) -> float:
    """Estimate how long the checker takes for the bounds of a fleet, from the work it counts."""
    vectors = sum(
        _seconds_for_points(scaled, bound.value, evidence)
        for bound in bounds
        for scaled, evidence in [_counted_in(instance, bound.evidence)]
        if isinstance(evidence, DualVector | ConstrainedVector)
    )
    return vectors + (len(instance.models) + len(instance.gpus)) / NAMES_CHECKED


def _refuted(bounds: list[LowerBound]) -> list[Refuted]:
    proofs = [
        bound.evidence.proof if isinstance(bound.evidence, Rounded) else bound.evidence
        for bound in bounds
    ]
    trees = [proof for proof in proofs if isinstance(proof, Tree)]
    return [tree.refuted for tree in trees if tree.refuted is not None]


def _counted_in(instance: Instance, evidence: Evidence) -> tuple[ScaledInstance, Evidence]:
    """The fleet in the numbers that an argument is about, and the argument itself."""
    if isinstance(evidence, Rounded):
        return instance.rounded(evidence.unit), evidence.proof
    return instance.scaled, evidence


def _seconds_for_points(
    scaled: ScaledInstance, value: Fraction | float, vector: DualVector | ConstrainedVector
) -> float:
    """Estimate the time for points alone: one row, changed by each model, or a search."""
    threshold = scaled.below(value)
    problem = scaled.packing(threshold)
    room = max(problem.capacities)
    if isinstance(vector, ConstrainedVector):
        assert isinstance(scaled, ConstrainedInstance), "a vector of a fleet with constraints"
        work = vector.row_work(room, *scaled.rules_checked)
    else:
        work = vector.row_work(problem.sizes, room)
    return LIMITS.table_bytes / _BYTES + _SETS_SECONDS if work is None else work / _BYTES
