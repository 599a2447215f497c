"""An audit as JSON, with everything that it found, and as CSV, one line per case."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

from kvpr_opt.audit.outcome import Audit, CaseAudit, Score
from kvpr_opt.audit.verdict import RunVerdict
from kvpr_opt.certificates.canonical import digest
from kvpr_opt.environment import versions
from kvpr_opt.problem.exact import fraction_text
from kvpr_opt.problem.placement import Kvpr
from kvpr_opt.text import printable

#: The value of the key ``schema`` in the JSON document.
SCHEMA = "kvpr-opt/audit/1"

_COLUMNS = (
    "case",
    "gpus",
    "models",
    "valid",
    "problems",
    "max_kvpr",
    "lower_bound",
    "optimal",
    "gap",
    "naive_kvpr",
    "repeatable",
    "seconds",
)


def audit_text(audit: Audit, path: str | os.PathLike[str]) -> str:
    """The text of an audit for a file: CSV if its name ends in ``.csv``, else JSON."""
    if Path(path).suffix.lower() == ".csv":
        return _csv(audit)
    return json.dumps(audit_data(audit), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def audit_data(audit: Audit) -> dict[str, Any]:
    """All of an audit as plain data; exact values as text beside their decimals."""
    worst = audit.worst
    return {
        "schema": SCHEMA,
        "program": {
            "path": printable(audit.program.path),
            "sha256": audit.program.sha256,
            "interface": audit.program.contract,
            "python": printable(audit.program.python) or None,
        },
        "suite": printable(audit.suite),
        "complete": audit.complete,
        "time_limit": audit.limits.seconds,
        "memory_limit": audit.limits.memory,
        "valid": audit.valid,
        "problems": {problem.value: count for problem, count in audit.problems.items()},
        "score": {
            "honest": _score(audit.honest),
            "naive": _score(audit.naive),
            "best_possible": _score(audit.best),
            "naive_is_impossible": audit.impossible,
        },
        "gap": {
            "mean": _decimal(audit.mean_gap),
            "worst": None if worst is None else _decimal(worst.gap),
            "worst_case": None if worst is None else worst.case.name,
            "valid_cases": len(audit.gaps),
            "optimal_cases": audit.optimal,
        },
        "not_repeatable": list(audit.unrepeatable),
        "replaced_builtins": [printable(name) for name in audit.patched],
        "failed_imports": [printable(name) for name in audit.failed_imports],
        "imports_kvpr_opt": audit.uses_package,
        "cases": [_case(case) for case in audit.cases],
        "versions": versions(),
    }


def _score(score: Score | None) -> dict[str, float | None] | None:
    if score is None:
        return None
    return {
        "combined": _finite(score.combined),
        "inverse_mean": _finite(score.inverse_mean),
        "success_rate": score.success_rate,
    }


def _case(case: CaseAudit) -> dict[str, Any]:
    fleet = case.case
    return {
        "name": printable(fleet.name),
        "gpus": len(fleet.instance.gpus),
        "models": len(fleet.instance.models),
        "instance_sha256": digest(fleet.instance),
        "valid": case.valid,
        "max_kvpr": _value(case.max_kvpr),
        "lower_bound": _value(fleet.lower_bound),
        "bound_is_optimum": fleet.optimal,
        "gap": _decimal(case.gap),
        "repeatable": case.repeatable,
        "runs": [_run(run) for run in case.runs],
    }


def _run(run: RunVerdict) -> dict[str, Any]:
    return {
        "valid": run.valid,
        "findings": [
            {"problem": finding.problem.value, "detail": finding.detail} for finding in run.findings
        ],
        "max_kvpr": _value(run.max_kvpr),
        "naive_kvpr": _finite(run.reading.naive),
        "seconds": round(run.reading.seconds, 6),
        "assignment": run.assignment,
    }


def _value(value: Kvpr | None) -> dict[str, Any] | None:
    """As in a result file; ``null`` also for an infinite value, which a finding names."""
    if not isinstance(value, Fraction):
        return None
    return {"exact": fraction_text(value), "decimal": _decimal(value)}


def _finite(value: float | None) -> float | None:
    """The number for JSON; ``null`` if JSON cannot represent it."""
    return None if value is None or not math.isfinite(value) else value


def _decimal(value: Fraction | None) -> float | None:
    """The nearest double; ``null`` if there is no value or it exceeds the largest double."""
    try:
        return None if value is None else float(value)
    except OverflowError:
        return None


def _csv(audit: Audit) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for case in audit.cases:
        fleet, value = case.case, case.max_kvpr
        writer.writerow(
            [
                printable(fleet.name),
                len(fleet.instance.gpus),
                len(fleet.instance.models),
                "yes" if case.valid else "no",
                "; ".join(finding.problem.value for finding in case.findings),
                fraction_text(value) if isinstance(value, Fraction) else "",
                fraction_text(fleet.lower_bound),
                "yes" if fleet.optimal else "no",
                _decimal(case.gap),
                case.runs[0].reading.naive,
                "yes" if case.repeatable else "no",
                f"{case.runs[0].reading.seconds:.6f}",
            ]
        )
    return stream.getvalue()
