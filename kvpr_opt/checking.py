"""The last step of a run: the checker goes over the answer, as far as there is time for it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from kvpr_opt.certificate import Certificate, verify
from kvpr_opt.errors import SolverError
from kvpr_opt.evidence import DualVector, LowerBound, Tree
from kvpr_opt.instance import Instance
from kvpr_opt.limits import Limits
from kvpr_opt.verify import MAX_TABLE, Report

#: Seconds that a check may take when the time is up.
AFTER_LIMIT = 0.5

#: What the checker does in a second, by the work that it counts itself: bits of a table of
#: points and sizes, once for each model; and models and GPUs read.
_BITS, _NAMES = 2e9, 50_000

#: What that may take in the worst case.
_SETS_SECONDS = 2

# Exit codes of the checker.
_ALL_PROVED, _REJECTED = 0, 5


class Checked(NamedTuple):
    """What the checker says of an answer.

    Attributes
    ----------
    certified
        Whether it can repeat the proof of every claim.
    remark
        Why the answer was not checked; empty where it was.
    """

    certified: bool
    remark: str


def checked(instance: Instance, certificate: Certificate, limits: Limits, work: float) -> Checked:
    """Let the checker go over a certificate, unless that takes longer than is left.

    Parameters
    ----------
    instance, certificate
        The fleet and what is claimed about it.
    limits
        Of the run. A Ctrl-C ends the check at once.
    work
        Seconds that the check takes, of :func:`seconds_to_check`.

    Raises
    ------
    SolverError
        If the checker finds a claim that is false.
    """
    left = (0.0 if limits.stopped else limits.remaining) + AFTER_LIMIT
    if work > left:
        return Checked(False, f"not checked: that takes about {work:.1f} s, by kvpr-opt verify")
    report: Report | None = None
    with limits.interruptible_at_once():
        report = verify(instance, certificate)
    if report is None:
        return Checked(False, "not checked: interrupted")
    if not report.readable:
        return Checked(False, f"not checked: {report.checks[0].detail}")
    if report.exit_code == _REJECTED:
        raise SolverError(f"the checker rejects the answer:\n{report}")
    return Checked(report.exit_code == _ALL_PROVED, "")


def seconds_to_check(instance: Instance, bounds: list[LowerBound]) -> float:
    """About how long the checker takes for the bounds of a fleet, from the work that it counts."""
    bits = sum(
        _table_bits(instance, bound.value, bound.evidence)
        for bound in bounds
        if isinstance(bound.evidence, DualVector)
    )
    cases = sum(bound.evidence.seconds for bound in bounds if isinstance(bound.evidence, Tree))
    return cases + bits / _BITS + (len(instance.models) + len(instance.gpus)) / _NAMES


def _table_bits(instance: Instance, value: Fraction | float, vector: DualVector) -> int:
    """Bits of the table of points and sizes, times the models, as the checker counts them."""
    scaled = instance.scaled
    threshold = scaled.finite() if value == math.inf else scaled.below(Fraction(value))
    nowhere = max(scaled.packing(threshold).capacities) + 1
    width = (2 * nowhere).bit_length() // 8 * 8 + 8
    rows = len(vector.models) + 50
    bits = rows * (max(vector.gpus) + 2) * width
    # A larger table is made coarser, and what it leaves open is looked at set by set.
    return bits if bits <= 8 * MAX_TABLE else 8 * MAX_TABLE + int(_SETS_SECONDS * _BITS)
