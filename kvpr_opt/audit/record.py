"""The record of published programs: the score of each, from audits that anyone can repeat.

Run on files that you have (nothing is fetched, and no program is part of this package)::

    python -m kvpr_opt.audit.record PROGRAM.py... > measured.json

``docs/record.json`` has these measurements for published programs, with their source and
the digest by which to check that your file is the same; ``docs/record.md`` shows them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kvpr_opt.audit.cases import prove_cases
from kvpr_opt.audit.evaluator.evaluation import ProgramEvaluation
from kvpr_opt.audit.evaluator.evaluator import HELD_OUT, TRAINING, Evaluator
from kvpr_opt.audit.outcome import Audit
from kvpr_opt.audit.program import Program
from kvpr_opt.audit.resource_limits import ResourceLimits
from kvpr_opt.audit.runner import audit
from kvpr_opt.environment import usable_cores
from kvpr_opt.suites import catalogue

#: The public benchmark, and the seconds that its evaluator allows per case.
BENCHMARK, TIME_LIMIT = "prism50", 10.0

_MEMORY = 4 << 30

_HEAD = (
    "program",
    "published in",
    "honest score",
    "naive score",
    "optimal",
    "mean gap",
    "training",
    "held out",
)


def measured(path: str, *, jobs: int) -> dict[str, Any]:
    """Audit a program on the public benchmark, and evaluate it on two other suites.

    Parameters
    ----------
    path
        The file.
    jobs
        Number of parallel processes.

    Returns
    -------
    dict
        Its digest, and what was measured, as plain data.

    Raises
    ------
    InputError
        If it is not a program.
    """
    program = Program.at(path)
    cases = prove_cases(catalogue.load(BENCHMARK), None)
    found = audit(program, BENCHMARK, cases, ResourceLimits(TIME_LIMIT, _MEMORY), jobs=jobs)
    return {
        "sha256": program.sha256,
        "benchmark": _benchmark(found),
        **{
            name: _elsewhere(Evaluator(name, time_limit=TIME_LIMIT, jobs=jobs).evaluate(path))
            for name in (TRAINING, HELD_OUT)
        },
    }


def _benchmark(found: Audit) -> dict[str, Any]:
    return {
        "valid": found.valid,
        "problems": {problem.value: count for problem, count in found.problems.items()},
        "honest": None if found.honest is None else found.honest.combined,
        "naive": found.naive.combined,
        "optimal": found.optimal,
        "mean_gap": None if found.mean_gap is None else float(found.mean_gap),
        "not_repeatable": len(found.unrepeatable),
    }


def _elsewhere(evaluation: ProgramEvaluation) -> dict[str, Any]:
    failed = [case.problem for case in evaluation.cases if case.problem]
    return {
        "score": evaluation.score,
        "valid": evaluation.valid,
        "fleets": len(evaluation.cases),
        "optimal": evaluation.optimal,
        "failed": len(failed),
        "problem": failed[0].partition(":")[0] if failed else "",
    }


def table(entries: Sequence[Mapping[str, Any]]) -> str:
    """The programs as a table in Markdown, the best honest score first, those without last.

    Parameters
    ----------
    entries
        As in ``docs/record.json``.
    """
    ordered = sorted(
        entries, key=lambda entry: (-(entry["benchmark"]["honest"] or 0), entry["name"])
    )
    lines = [f"| {' | '.join(_HEAD)} |", f"|{' --- |' * len(_HEAD)}"]
    lines += [f"| {' | '.join(_cells(entry))} |" for entry in ordered]
    return "\n".join(lines)


def _cells(entry: Mapping[str, Any]) -> list[str]:
    benchmark = entry["benchmark"]
    problems = ", ".join(f"{name} in {count}" for name, count in benchmark["problems"].items())
    honest, gap = benchmark["honest"], benchmark["mean_gap"]
    return [
        entry["name"],
        entry["source"],
        f"{honest:.5f}" if honest is not None else f"none: {problems}",
        f"{benchmark['naive']:.5f}",
        str(benchmark["optimal"]),
        "-" if gap is None else f"{gap:.3%}",
        _score(entry[TRAINING]),
        _score(entry[HELD_OUT]),
    ]


def _score(suite: Mapping[str, Any]) -> str:
    if suite["valid"]:
        return f"{suite['score']:.4f}"
    return f"0: {suite['problem']} in {suite['failed']} of {suite['fleets']}"


if __name__ == "__main__":
    entries = {
        Path(path).name: measured(path, jobs=usable_cores()) for path in sorted(sys.argv[1:])
    }
    print(json.dumps(entries, indent=1))
