"""The claim of one row of a trade-off, as text for the stand-alone checker.

The format and the argument are in ``docs/certificate.md``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.certificates.evidence import SolverClaim
from kvpr_opt.operate.relocation.problem import NOWHERE, RelocationProblem
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.exact import fraction_text
from kvpr_opt.result import Result
from kvpr_opt.verify import LIMITS, RELOCATION_SCHEMA, row_bytes
from kvpr_opt.verify import Limits as CheckerLimits

if TYPE_CHECKING:
    from kvpr_opt.operate.relocation.tradeoff import BudgetRow


@dataclass(frozen=True)
class RelocationCertificate:
    """The claims about one budget of moves.

    Attributes
    ----------
    data
        As in the file: plain data, numbers as text.
    """

    data: Mapping[str, Any]

    def to_json(self) -> str:
        """Write it as text."""
        return json.dumps(self.data, ensure_ascii=False, indent=2) + "\n"


def certify_row(
    problem: RelocationProblem, row: BudgetRow, optimum: Result
) -> RelocationCertificate:
    """Collect what is known about one budget.

    Parameters
    ----------
    problem
        The fleet, homes and costs.
    row
        The budget, its placement and its bounds.
    optimum
        The run without a budget, whose bounds hold for every budget.
    """
    instance, unit = problem.instance, problem.cost_unit
    homes = {
        model.name: instance.gpus[gpu].name
        for model, gpu in zip(instance.models, problem.home, strict=True)
        if gpu != NOWHERE
    }
    costs = {
        model.name: fraction_text(cost * unit)
        for model, cost in zip(instance.models, problem.costs, strict=True)
    }
    value = row.value
    return RelocationCertificate(
        {
            "schema": RELOCATION_SCHEMA,
            "instance_sha256": digest(instance),
            "home": homes,
            "costs": costs,
            "budget": fraction_text(row.budget * unit),
            "max_kvpr": None if value is None else fraction_text(value),
            "placement": None if row.placement is None else row.placement.assignment,
            "bounds": _bounds(problem, row, optimum),
        }
    )


def within_checker(
    problem: RelocationProblem, row: BudgetRow, limits: CheckerLimits = LIMITS
) -> bool:
    """Whether the certificate has the points of a row, and the checker the time for them.

    The checker keeps, for each GPU, a row of sizes or of points, and changes it once for each
    model. It counts that work as here, but leaves out models that are worth nothing there.
    """
    scaled = problem.instance.scaled
    if row.points is None or scaled.rounding is not None:
        return False
    value, points = row.points
    threshold = scaled.finite() if isinstance(value, float) else scaled.below(value)
    capacities = scaled.packing(threshold).capacities
    lines = [
        row_bytes(most, capacity) for most, capacity in zip(points.gpus, capacities, strict=True)
    ]
    grouped = scaled.rules_checked[1] if isinstance(scaled, ConstrainedInstance) else 0
    models = len(points.models)
    return (
        max(lines) <= limits.row_bytes
        and sum(lines) * models <= limits.row_work
        and len(lines) * (models + grouped) <= limits.pairs
    )


def _bounds(problem: RelocationProblem, row: BudgetRow, optimum: Result) -> list[dict[str, Any]]:
    """The best proved bound and, if a solver claims a better one, that one too."""
    found: list[tuple[Fraction | float, dict[str, Any]]] = []
    certificate = optimum.certificate
    for bound in certificate.bounds if certificate is not None else ():
        found.append((bound.value, dict(bound.proof)))
    if row.points is not None and problem.instance.scaled.rounding is None:
        value, points = row.points
        found.append(
            (
                value,
                {
                    "kind": "moves",
                    "models": " ".join(map(str, points.models)),
                    "gpus": " ".join(map(str, points.gpus)),
                    "price": fraction_text(points.price / problem.cost_unit),
                },
            )
        )
    if isinstance(row.evidence, SolverClaim):
        claim = row.evidence
        found.append(
            (
                row.lower_bound,
                {
                    "kind": "solver",
                    "solver": claim.solver,
                    "version": claim.version,
                    "threshold": _text(claim.threshold),
                    "parameters": {name: _setting(s) for name, s in claim.parameters.items()},
                },
            )
        )
    best: list[tuple[Fraction | float, dict[str, Any]]] = []
    for word in (False, True):
        graded = [entry for entry in found if (entry[1]["kind"] == "solver") is word]
        strongest = max(graded, key=lambda entry: entry[0], default=None)
        if strongest and strongest[0] > max((value for value, _ in best), default=0):
            best.append(strongest)
    return [{"value": _text(value), "proof": proof} for value, proof in best]


def _setting(setting: object) -> str:
    return setting if isinstance(setting, str) else json.dumps(setting)


def _text(value: Fraction | float) -> str:
    if value == math.inf:
        return "infinite"
    assert isinstance(value, Fraction)
    return fraction_text(value)
