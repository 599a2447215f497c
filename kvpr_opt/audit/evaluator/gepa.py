"""The adapter for GEPA (PyPI ``gepa``).

GEPA evolves the texts of a candidate, here one text, the program::

    import gepa
    from kvpr_opt.audit.evaluator.gepa import COMPONENT, PlacementAdapter

    adapter = PlacementAdapter()
    gepa.optimize(
        seed_candidate={COMPONENT: open("seed.py").read()},
        trainset=list(adapter.names), adapter=adapter, reflection_lm=...,
    )
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kvpr_opt.audit.evaluator.evaluation import FAILURE, CaseScore, ProgramEvaluation
from kvpr_opt.audit.evaluator.evaluator import Evaluator

#: The name of the one component of a candidate.
COMPONENT = "program"


class PlacementAdapter:
    """A ``GEPAAdapter`` in GEPA's terms; a data instance is the name of a fleet.

    Parameters
    ----------
    evaluator
        The evaluator of programs; one on the training suite if not given.
    """

    # GEPA looks for a proposal function here; without one, it uses its own.
    propose_new_texts = None

    def __init__(self, evaluator: Evaluator | None = None) -> None:
        self._evaluator = evaluator or Evaluator()

    @property
    def names(self) -> tuple[str, ...]:
        """The data instances: the names of all fleets."""
        return self._evaluator.names

    def evaluate(
        self, batch: list[str], candidate: Mapping[str, str], capture_traces: bool = False
    ) -> Any:
        """The scores of a candidate on a batch of fleets, as GEPA's ``EvaluationBatch``.

        Parameters
        ----------
        batch
            Names of fleets.
        candidate
            The program under :data:`COMPONENT`.
        capture_traces
            Whether to keep what :meth:`make_reflective_dataset` needs.

        Notes
        -----
        GEPA compares sums of scores over batches. A program that fails on one fleet of
        the batch scores 0 on all of them: otherwise it could leave models out of one
        fleet to gain time or a better value on another.
        """
        from gepa.core.adapter import EvaluationBatch

        evaluation = self._evaluator.evaluate_source(candidate[COMPONENT], batch)
        scores = {case.name: case for case in evaluation.cases}
        found = [scores.get(name, _absent(name, evaluation)) for name in batch]
        return EvaluationBatch(
            outputs=found,
            scores=[case.score if evaluation.valid else FAILURE for case in found],
            trajectories=found if capture_traces else None,
        )

    def make_reflective_dataset(
        self,
        candidate: Mapping[str, str],
        eval_batch: Any,
        components_to_update: Sequence[str],
    ) -> dict[str, list[dict[str, Any]]]:
        """What a language model is told about a candidate: one record per fleet."""
        records = [
            {
                "Inputs": {"fleet": case.name},
                "Generated Outputs": f"score {score:.6f} of at most 1",
                "Feedback": case.problem or _remark(case),
            }
            for case, score in zip(eval_batch.trajectories or (), eval_batch.scores, strict=True)
        ]
        return {component: records for component in components_to_update}


def _absent(name: str, evaluation: ProgramEvaluation) -> CaseScore:
    """The score on a fleet that the program was not run on."""
    reason = evaluation.feedback
    if name in evaluation.skipped:
        reason = "the function cannot be told of this fleet"
    return CaseScore(name, FAILURE, reason, 0.0)


def _remark(case: CaseScore) -> str:
    if case.score == 1:
        return "optimal: the maximum KVPR is the certified optimum"
    return f"valid; the maximum KVPR is {1 / case.score - 1:.3%} above the certified bound"
