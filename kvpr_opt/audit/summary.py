"""An audit as text: the lines shared by the terminal view and the HTML page."""

from __future__ import annotations

from statistics import median

from kvpr_opt.audit.outcome import Audit, CaseAudit, Score
from kvpr_opt.audit.verdict import listed

# The remark on a score when no fleet has pressure.
_UNDEFINED = "not defined: no fleet has pressure"


def headline(audit: Audit) -> str:
    """How many cases are valid, and whether the audit is complete."""
    valid = len(audit.cases) - audit.faulty
    runs = {1: "one run each", 2: "two runs each"}.get(audit.runs, f"{audit.runs} runs each")
    said = f"{valid} of {len(audit.cases)} cases valid, {runs}"
    return said if audit.complete else f"stopped: {said}, of {audit.total} in the suite"


def problems(audit: Audit) -> list[tuple[str, str]]:
    """What is wrong, as pairs of a name and a text."""
    return [("wrong", text) for text in _problems(audit)]


def scores(audit: Audit) -> list[tuple[str, str, str]]:
    """The honest, the naive and the best possible score: name, value and a remark."""
    closed = all(case.case.optimal for case in audit.cases)
    bounds = "by certified optima" if closed else "by certified bounds, not all of them optima"
    return [
        ("honest score", _score(audit.honest), _honest(audit)),
        ("naive score", _score(audit.naive), _naive(audit)),
        ("best possible", _score(audit.best), bounds if audit.best else _UNDEFINED),
    ]


def facts(audit: Audit) -> list[tuple[str, str]]:
    """Gaps, times and other remarks, as pairs of a name and a text."""
    notes = [("note", text) for text in _notes(audit)]
    return [("gap", _gaps(audit)), ("time", _times(audit)), *notes]


def _problems(audit: Audit) -> list[str]:
    """Each problem, with the number of its cases and the detail of the first one."""
    lines = []
    for problem, count in audit.problems.items():
        name, detail = next(
            (case.case.name, finding.detail)
            for case in audit.cases
            for finding in case.findings
            if finding.problem is problem
        )
        cases = f"{count} case{'' if count == 1 else 's'}"
        lines.append(f"{problem.value} in {cases}, first in {name}: {detail}")
    return lines


def _score(score: Score | None) -> str:
    return "none" if score is None else f"{score.combined:.4f}"


def _honest(audit: Audit) -> str:
    if audit.faulty:
        return "not every case is valid"
    if not audit.complete:
        return "not every case has been run"
    return "exact, every case valid" if audit.honest else _UNDEFINED


def _naive(audit: Audit) -> str:
    if audit.impossible:
        return "impossible: no placement can have it"
    share = audit.naive.success_rate
    return (
        f"over {share * 100:.0f} % of the cases" if share < 1 else "by an evaluator without checks"
    )


def _gaps(audit: Audit) -> str:
    if audit.mean_gap is None or audit.worst is None:
        return "none: no case is valid"
    count = len(audit.gaps)
    worst = f"worst {percent(audit.worst)} ({audit.worst.case.name})"
    mean = f"mean {float(audit.mean_gap) * 100:.3g} %"
    return f"{mean}, {worst}; optimal in {audit.optimal} of {count} valid cases"


def percent(case: CaseAudit) -> str:
    """The gap of a case; only an exact 0 is written as 0."""
    gap = case.gap
    if gap is None:
        return ""
    return "0 %" if gap == 0 else f"{float(gap) * 100:.3g} %"


def _times(audit: Audit) -> str:
    seconds = audit.seconds
    return f"median {_clock(median(seconds))}, longest {_clock(max(seconds))}"


def outcome(audit: Audit) -> str:
    """The verdict in a word or two."""
    if audit.valid:
        return "VALID"
    return "NOT VALID" if audit.faulty else "STOPPED"


def _clock(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _notes(audit: Audit) -> list[str]:
    notes = []
    if audit.unrepeatable:
        names = listed(audit.unrepeatable)
        notes.append(f"random without a seed: the second run went another way in {names}")
    if audit.failed_imports:
        names = listed(audit.failed_imports)
        notes.append(f"imports that failed, so it may have run as another program: {names}")
    if audit.uses_package:
        notes.append("it imports kvpr_opt, whose solver could do its work")
    if audit.patched:
        notes.append(f"it replaces built-in functions: {listed(audit.patched)}")
    return notes


def verdict_text(case: CaseAudit) -> str:
    """What is wrong with a case, or that it is valid, in a few words."""
    if not case.valid:
        return ", ".join(finding.problem.value for finding in case.findings)
    return "valid" if case.repeatable else "valid, random"
