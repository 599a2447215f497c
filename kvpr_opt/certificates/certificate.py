"""What a run claims about a fleet, with the evidence: written here, checked in ``verify``.

The format and the arguments behind it are explained in ``docs/certificate.md``.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

from kvpr_opt.certificates.canonical import canonical_fleet, digest
from kvpr_opt.certificates.evidence import (
    ConstrainedVector,
    Counting,
    DualVector,
    Evidence,
    LowerBound,
    Pinned,
    Refuted,
    Rounded,
    SolverClaim,
    Tree,
    Volume,
)
from kvpr_opt.errors import InputError, SolverError
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.exact import fraction_text
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import ScaledInstance
from kvpr_opt.verify import (
    CERTIFICATE_SCHEMA,
    CONSTRAINED_CERTIFICATE,
    Bins,
    Item,
    check,
    check_either,
    read_certificate,
    refute,
)


@dataclass(frozen=True)
class BoundClaim:
    """No placement has a maximum KVPR below `value`, because of `proof`.

    Attributes
    ----------
    value
        ``math.inf`` where no placement has a finite KVPR.
    proof
        The evidence as in the file: plain data, models by name, numbers as text.
    """

    value: Fraction | float
    proof: Mapping[str, Any]


@dataclass(frozen=True)
class Certificate:
    """All that a run claims about one fleet, and why it should be believed.

    Attributes
    ----------
    instance_sha256
        Digest of the canonical fleet.
    status
        ``"optimal"``, ``"feasible"``, ``"infeasible"`` or ``"unknown"``.
    max_kvpr, placement
        The best placement, GPU name by model name, and its value; ``None`` without one.
    bounds
        The best bound that the checker can prove and, if a solver's word goes
        further, that one too. Empty where nothing is known but that no KVPR is
        negative.
    schema
        The version of the format: another one for fleets with constraints.
    """

    instance_sha256: str
    status: str
    max_kvpr: Fraction | None
    placement: Mapping[str, str] | None
    bounds: tuple[BoundClaim, ...]
    schema: str = CERTIFICATE_SCHEMA

    def to_json(self) -> str:
        """Write the certificate as text, in the format described in ``docs/certificate.md``."""
        data = {
            "schema": self.schema,
            "instance_sha256": self.instance_sha256,
            "status": self.status,
            "max_kvpr": None if self.max_kvpr is None else _number_text(self.max_kvpr),
            "placement": None if self.placement is None else dict(self.placement),
            "bounds": [
                {"value": _number_text(bound.value), "proof": dict(bound.proof)}
                for bound in self.bounds
            ],
        }
        return json.dumps(data, ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read what :meth:`to_json` wrote. :func:`verify` tells whether it is true.

        Raises
        ------
        InputError
            If the text is not a certificate of a known version.
        """
        try:
            claimed = read_certificate(text)
        except (ValueError, RecursionError) as refusal:
            raise InputError(f"not a certificate: {refusal}") from None
        return cls(
            instance_sha256=claimed.digest,
            status=claimed.status,
            max_kvpr=claimed.value,
            placement=claimed.placement,
            schema=claimed.schema,
            bounds=tuple(BoundClaim(bound.value, bound.proof) for bound in claimed.bounds),
        )


class Check(NamedTuple):
    """One claim of a certificate, what became of it, and why."""

    name: str
    outcome: str
    detail: str


class Report(NamedTuple):
    """What the checker says: its checks, and what they amount to as an exit code."""

    checks: list[Check]
    exit_code: ExitCode

    @property
    def readable(self) -> bool:
        """Whether the claims were looked at."""
        return self.exit_code != ExitCode.BAD_INPUT

    @property
    def proved(self) -> bool:
        """Whether every claim is proved."""
        return self.exit_code == ExitCode.DONE

    @property
    def rejected(self) -> bool:
        """Whether a claim is false."""
        return self.exit_code == ExitCode.REJECTED

    def __str__(self) -> str:
        return "\n".join(": ".join(made) for made in self.checks)


def certify(
    instance: Instance,
    *,
    status: str,
    incumbent: Placement | None,
    bounds: Iterable[LowerBound],
) -> Certificate:
    """Put together what is known about a fleet.

    Parameters
    ----------
    instance
        The fleet.
    status
        ``"optimal"``, ``"feasible"``, ``"infeasible"`` or ``"unknown"``.
    incumbent
        The best placement, of finite KVPR, if there is one.
    bounds
        All lower bounds known; the best ones are kept.

    Raises
    ------
    SolverError
        If the incumbent has a GPU that is full and under pressure.
    """
    value = None if incumbent is None else incumbent.max_kvpr
    if isinstance(value, float):
        raise SolverError("a placement of infinite KVPR was taken for an answer")
    return Certificate(
        instance_sha256=digest(instance),
        status=status,
        max_kvpr=value,
        placement=None if incumbent is None else incumbent.assignment,
        bounds=tuple(BoundClaim(bound.value, _proof(instance, bound)) for bound in _best(bounds)),
        schema=CONSTRAINED_CERTIFICATE if instance.constraints else CERTIFICATE_SCHEMA,
    )


class WrittenClaim(Protocol):
    """A claim that the checker reads: a certificate of a run, or of a row of a trade-off."""

    def to_json(self) -> str:
        """Write it as text."""
        ...


def verify(instance: Instance, certificate: WrittenClaim, known: Iterable[Refuted] = ()) -> Report:
    """Check every claim of a certificate about a fleet.

    Nothing that produced the certificate is believed: the stand-alone checker
    reads the canonical text of the fleet and the certificate as text.

    Parameters
    ----------
    instance
        The fleet.
    certificate
        What is claimed about it: of a result, or of a row of ``replan``.
    known
        Packings that the checker's own routine has already ruled out; they are not checked again.

    Returns
    -------
    Report
        Each check by name, passed, failed, or resting on a solver's word.
    """
    if not isinstance(certificate, Certificate):
        return verify_texts(canonical_fleet(instance), certificate.to_json())
    said = {(items, bins): said for items, bins, said in known}

    def remembered(items: Iterable[Item], bins: Iterable[Bins], cases: int) -> str:
        question = tuple(items), tuple(bins)
        return said.get(question) or refute(*question, cases)

    return _report(*check(canonical_fleet(instance), certificate.to_json(), remembered))


def verify_texts(canonical: str, certificate: str) -> Report:
    """Run the stand-alone checker on the texts of a canonical fleet and a certificate."""
    return _report(*check_either(canonical, certificate))


def _report(checks: Iterable[tuple[str, str, str]], exit_code: int) -> Report:
    return Report([Check(*made) for made in checks], ExitCode(exit_code))


def _best(bounds: Iterable[LowerBound]) -> list[LowerBound]:
    """Pick the best certified bound, and a better one on a solver's word if there is one."""
    # A bound of 0 says nothing: no KVPR is negative.
    useful = [bound for bound in bounds if bound.value > 0]
    best: list[LowerBound] = []
    for certified in (True, False):
        of_grade = [bound for bound in useful if bound.evidence.certified is certified]
        strongest = max(of_grade, key=lambda bound: bound.value, default=None)
        if strongest and all(strongest.value > bound.value for bound in best):
            best.append(strongest)
    return best


def _proof(instance: Instance, bound: LowerBound) -> dict[str, Any]:
    evidence, scaled = bound.evidence, instance.scaled
    if isinstance(evidence, Rounded):
        scaled = instance.rounded(evidence.unit)
        evidence = evidence.proof
    written = _written(instance, scaled, bound.value, evidence)
    if scaled.rounding is None:
        return written
    return {"kind": Rounded.kind, "unit": fraction_text(scaled.rounding), "proof": written}


def _written(
    instance: Instance, scaled: ScaledInstance, value: Fraction | float, evidence: Evidence
) -> dict[str, Any]:
    if isinstance(evidence, Counting):
        evidence = (
            as_constrained_points(scaled, value, evidence)
            if isinstance(scaled, ConstrainedInstance)
            else as_points(scaled, value, evidence)
        )
    proof: dict[str, Any] = {"kind": evidence.kind}
    if isinstance(evidence, DualVector | ConstrainedVector | Tree):
        proof["models"] = " ".join(map(str, evidence.models))
        proof["gpus"] = " ".join(map(str, evidence.gpus))
        if isinstance(evidence, ConstrainedVector):
            proof["types"] = " ".join(map(str, evidence.types))
    elif isinstance(evidence, Pinned):
        proof["gpu"] = instance.gpus[evidence.gpu].name
    elif isinstance(evidence, SolverClaim):
        proof["solver"] = evidence.solver
        proof["version"] = evidence.version
        proof["threshold"] = _number_text(evidence.threshold)
        proof["parameters"] = {
            name: setting if isinstance(setting, str) else json.dumps(setting)
            for name, setting in evidence.parameters.items()
        }
    elif not isinstance(evidence, Volume):
        raise TypeError(f"{type(evidence).__name__} has no written form")
    return proof


def as_points(scaled: ScaledInstance, value: Fraction | float, counting: Counting) -> DualVector:
    """Counting as a dual vector: one point a model, and as many as a GPU can hold."""
    problem = scaled.packing(scaled.below(value))
    points = [0] * len(problem.sizes)
    for model in counting.models:
        points[model] = 1
    # What one of the models takes with all smaller ones: as many fit as there are entries within.
    least = list(accumulate(sorted(problem.sizes[model] for model in counting.models)))
    rooms = [problem.capacities[gpu_type.gpus[0]] for gpu_type in scaled.types]
    return DualVector(tuple(points), tuple(bisect_right(least, room) for room in rooms))


def as_constrained_points(
    scaled: ConstrainedInstance, value: Fraction | float, counting: Counting
) -> ConstrainedVector:
    """The same for a fleet with constraints, by GPU: what is pinned takes its room there."""
    problem = scaled.packing(scaled.below(value))
    counted = [model for model in counting.models if model not in scaled.pinned]
    points = [0] * len(problem.sizes)
    for model in counted:
        points[model] = 1
    least = list(accumulate(sorted(problem.sizes[model] for model in counted)))
    limits = tuple(bisect_right(least, room) for room in problem.capacities)
    return ConstrainedVector(tuple(points), limits, tuple(range(len(limits))))


def _number_text(value: Fraction | float) -> str:
    if isinstance(value, float):
        if value != math.inf:
            raise TypeError(f"{value} is neither a fraction nor infinite")
        return "infinite"
    return fraction_text(value)
