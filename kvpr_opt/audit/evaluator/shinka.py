"""The evaluation script of ShinkaEvolve (PyPI ``shinka-evolve``).

ShinkaEvolve runs a user's script for each program::

    from kvpr_opt.audit.evaluator.shinka import main

    if __name__ == "__main__":
        main(suite="prism50")

Its own runner, ``run_shinka_eval``, loads the program into the process of the evaluation.
It is therefore given this file instead, whose :func:`run_case` runs the program in another
process.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from typing import Any

from kvpr_opt.audit.evaluator.evaluation import ProgramEvaluation
from kvpr_opt.audit.evaluator.evaluator import TRAINING, Evaluator

#: Name of the function in this file that ``run_shinka_eval`` calls.
EXPERIMENT = "run_case"


def run_case(
    program: str, suite: str = TRAINING, time_limit: float = 10.0, runs: int = 1
) -> ProgramEvaluation:
    """Evaluate a program: the experiment that ``run_shinka_eval`` calls, once.

    Parameters
    ----------
    program
        Path of the program.
    suite, time_limit, runs
        As for :class:`~kvpr_opt.audit.evaluator.Evaluator`.
    """
    return _evaluator(suite, time_limit, runs).evaluate(program)


def validate(result: ProgramEvaluation) -> tuple[bool, str | None]:
    """The validation function of ``run_shinka_eval``: whether it is valid, or why not."""
    return result.valid, None if result.valid else result.feedback


def aggregate(results: Sequence[ProgramEvaluation]) -> dict[str, Any]:
    """The aggregation function of ``run_shinka_eval``: the metrics of its one experiment."""
    (result,) = results
    return {
        "combined_score": result.score,
        "public": {"valid": result.valid, "optimal_fleets": result.optimal},
        "private": {
            "seconds": result.seconds,
            "scores": {case.name: case.score for case in result.cases},
        },
        "text_feedback": result.feedback,
    }


def main(
    suite: str = TRAINING,
    time_limit: float = 10.0,
    runs: int = 1,
    arguments: Sequence[str] | None = None,
) -> tuple[dict[str, Any], bool, str | None]:
    """Evaluate the program that the command line names and write what ShinkaEvolve reads.

    Parameters
    ----------
    suite, time_limit, runs
        As for :class:`~kvpr_opt.audit.evaluator.Evaluator`.
    arguments
        ``--program_path FILE --results_dir FOLDER``; those of the process if not given.

    Returns
    -------
    tuple
        As ``run_shinka_eval``: metrics, whether the program is valid, and why not.
    """
    from shinka.core import run_shinka_eval

    parser = argparse.ArgumentParser(description="Evaluates a placement program.")
    parser.add_argument("--program_path", default="initial.py")
    parser.add_argument("--results_dir", default="results")
    given = parser.parse_args(arguments)
    settings = {"suite": suite, "time_limit": time_limit, "runs": runs}
    outcome: tuple[dict[str, Any], bool, str | None] = run_shinka_eval(
        program_path=__file__,
        results_dir=given.results_dir,
        experiment_fn_name=EXPERIMENT,
        num_runs=1,
        get_experiment_kwargs=lambda _: {"program": given.program_path, **settings},
        validate_fn=validate,
        aggregate_metrics_fn=aggregate,
    )
    return outcome


@cache
def _evaluator(suite: str, time_limit: float, runs: int) -> Evaluator:
    return Evaluator(suite, time_limit=time_limit, runs=runs)
