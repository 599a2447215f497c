"""The result of an evaluation: a score for each fleet, one for the program, and feedback."""

from __future__ import annotations

import statistics
from fractions import Fraction

import msgspec

from kvpr_opt.audit.outcome import Audit, CaseAudit
from kvpr_opt.audit.verdict import Problem

#: The score of a program that is not valid.
FAILURE = 0.0

# Maximum number of fleets named in the feedback.
_MAX_NAMED = 5

# Problems that depend on the machine and its load, and may not recur.
_TRANSIENT = (Problem.TIMEOUT, Problem.NOT_RUN)


class CaseScore(msgspec.Struct, frozen=True):
    """The score of a program on one fleet.

    Attributes
    ----------
    name
        The fleet.
    score
        Certified lower bound / maximum KVPR, from 0 (not valid) to 1 (optimal).
    problem
        What is wrong, in one line; empty if the answer is valid.
    seconds
        Running time of the program.
    """

    name: str
    score: float
    problem: str
    seconds: float


class ProgramEvaluation(msgspec.Struct, frozen=True):
    """The score of a program on a suite.

    Attributes
    ----------
    suite
        The suite that it was evaluated on.
    score
        Mean of the scores of the fleets, as the nearest double below the exact value, for
        a program that is valid on each; else :data:`FAILURE`.
    valid
        Whether the program is valid on every fleet.
    optimal
        Number of fleets solved to the certified optimum.
    cases
        Fleet by fleet; empty for a program that could not be run at all.
    feedback
        Hints for improving the program, for people and language models.
    skipped
        Fleets that the program's contract cannot express; they are not scored.
    transient
        Whether a failure may be due to the machine.
    """

    suite: str
    score: float
    valid: bool
    optimal: int
    cases: tuple[CaseScore, ...]
    feedback: str
    skipped: tuple[str, ...] = ()
    transient: bool = False

    @property
    def seconds(self) -> float:
        """Median time of a call; 0 for a program that could not be run."""
        return statistics.median([case.seconds for case in self.cases] or [0.0])


def refused(suite: str, reason: str) -> ProgramEvaluation:
    """The evaluation of a program that could not be run at all."""
    return ProgramEvaluation(suite, FAILURE, False, 0, (), f"The program cannot be run: {reason}")


def evaluation_of(
    audit: Audit, skipped: tuple[str, ...], *, solver_allowed: bool
) -> ProgramEvaluation:
    """Turn an audit into an evaluation.

    Parameters
    ----------
    audit
        A complete audit.
    skipped
        Fleets that it left out.
    solver_allowed
        Whether the program may import this package.
    """
    cheats = audit.uses_package and not solver_allowed
    exact = [_exact(case) for case in audit.cases]
    valid = audit.valid and not cheats
    total = sum(exact, Fraction(0)) / len(exact)
    cases = tuple(
        CaseScore(
            case.case.name,
            FAILURE if cheats else _float(score),
            "; ".join(map(str, case.findings)),
            max(run.reading.seconds for run in case.runs),
        )
        for case, score in zip(audit.cases, exact, strict=True)
    )
    return ProgramEvaluation(
        suite=audit.suite,
        score=_float(total) if valid else FAILURE,
        valid=valid,
        optimal=sum(score == 1 for score in exact),
        cases=cases,
        feedback=_cheating() if cheats else _feedback(audit, cases),
        skipped=skipped,
        transient=any(problem in audit.problems for problem in _TRANSIENT),
    )


def _exact(case: CaseAudit) -> Fraction:
    """1 - gap of the worst run, so that luck earns nothing; 0 if not valid."""
    values = [run.max_kvpr for run in case.runs]
    if not case.valid:
        return Fraction(0)
    worst = max(value for value in values if value is not None)
    if worst == 0:
        return Fraction(1)
    return Fraction(case.case.lower_bound) / Fraction(worst)


def _float(score: Fraction) -> float:
    """The nearest double, but 1 only for exactly 1, and 0 only for exactly 0."""
    value = float(score)
    if value >= 1 and score < 1:
        return 1 - 2**-53
    return 2**-1074 if value == 0 and score else value


def _cheating() -> str:
    return (
        "The program is not valid: it imports kvpr_opt. The placement has to be computed by "
        "the program itself."
    )


def _feedback(audit: Audit, cases: tuple[CaseScore, ...]) -> str:
    if audit.faulty:
        failed = [case for case in cases if case.problem]
        lines = [
            f"The program is not valid: {len(failed)} of {len(cases)} fleets have no valid "
            "placement, so its score is 0. Each model has to be on exactly one GPU that exists, "
            "within memory, in time, and the inputs have to stay as they are."
        ]
        lines += [f"{case.name}: {case.problem}" for case in failed[:_MAX_NAMED]]
        more = len(failed) - _MAX_NAMED
        lines += [f"... and {more} more."] if more > 0 else []
    else:
        worst = sorted(cases, key=lambda case: case.score)[:_MAX_NAMED]
        optimal = sum(case.score == 1 for case in cases)
        lines = [
            f"The program is valid on all fleets ({len(cases)}) and optimal on {optimal}. The "
            "largest distances from the certified optimum:"
        ]
        lines += [
            f"{case.name}: maximum KVPR {1 / case.score - 1:.3%} above the bound"
            for case in worst
            if case.score < 1
        ]
        if optimal == len(cases):
            lines = [f"The program is valid and optimal on all fleets ({len(cases)})."]
    if audit.failed_imports:
        lines.append(f"Imports that failed: {', '.join(audit.failed_imports[:_MAX_NAMED])}.")
    return "\n".join(lines)
