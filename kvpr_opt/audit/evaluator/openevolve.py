"""The evaluation function of OpenEvolve (PyPI ``openevolve``).

OpenEvolve calls ``evaluate(program_path)`` in a user's file::

    from kvpr_opt.audit.evaluator import evaluate

Its settings go into ``evaluator_args`` of the section ``evaluator`` of OpenEvolve's
configuration, for example ``{"suite": "prism50", "time_limit": 5}``. The ``timeout`` there
must be long enough for all fleets.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from kvpr_opt.audit.evaluator.evaluation import ProgramEvaluation
from kvpr_opt.audit.evaluator.evaluator import TRAINING, Evaluator


def evaluate(
    program_path: str,
    *,
    suite: str = TRAINING,
    time_limit: float = 10.0,
    runs: int = 1,
    jobs: int | None = None,
    cache_folder: str | None = None,
) -> Any:
    """Evaluate a program for OpenEvolve.

    Parameters
    ----------
    program_path
        The file of the program.
    suite, time_limit, runs, jobs
        As for :class:`~kvpr_opt.audit.evaluator.Evaluator`. OpenEvolve may evaluate several
        programs in parallel; their jobs should not add up to more than the cores.
    cache_folder
        Where to store results, since OpenEvolve evaluates in several processes.

    Returns
    -------
    EvaluationResult or dict
        If OpenEvolve is loaded, its result object, with the feedback as the artifact
        ``feedback``, which goes into the next prompt; otherwise the metrics alone.
        ``combined_score`` is the score; ``valid`` is 1 or 0.

    Raises
    ------
    InputError
        For invalid settings; never because of a program.
    """
    evaluation = _evaluator(suite, time_limit, runs, jobs, cache_folder).evaluate(program_path)
    metrics = metrics_of(evaluation)
    framework = sys.modules.get("openevolve.evaluation_result")
    if framework is None:
        return metrics
    return framework.EvaluationResult(metrics=metrics, artifacts={"feedback": evaluation.feedback})


def metrics_of(evaluation: ProgramEvaluation) -> dict[str, float]:
    """The metrics of an evaluation, by the names that OpenEvolve displays."""
    return {
        "combined_score": evaluation.score,
        "valid": float(evaluation.valid),
        "optimal_fleets": float(evaluation.optimal),
        "seconds": evaluation.seconds,
    }


@cache
def _evaluator(
    suite: str, time_limit: float, runs: int, jobs: int | None, folder: str | None
) -> Evaluator:
    return Evaluator(suite, time_limit=time_limit, runs=runs, jobs=jobs, cache=folder)
