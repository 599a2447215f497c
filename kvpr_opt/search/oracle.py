"""The questions put to a formulation, and its possible answers.

An :class:`Oracle` decides thresholds, one question after another; an
:class:`Optimiser` looks for the smallest one by itself. What each formulation
can do beyond that is stated by its :class:`Capabilities`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, runtime_checkable

from kvpr_opt.certificates.evidence import Evidence, LowerBound
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold


@dataclass(frozen=True)
class Capabilities:
    """What a formulation can do; known before its module, or any solver, is loaded.

    Attributes
    ----------
    answers
        ``"threshold"`` for an :class:`Oracle`, ``"optimum"`` for an :class:`Optimiser`.
    mixed_memory
        Whether it handles GPUs of different memory. If not, its answer to such a
        fleet is :class:`Unknown`.
    classes
        Whether models of equal size and pressure share variables, so that the model
        does not grow with their number.
    hints
        Whether a placement given as a hint is used. Hints are always accepted.
    proof
        What its "no" rests on: ``"solver"`` for a solver's claim, ``"certified"`` for
        evidence that the checker verifies. A model that fits no GPU is certified
        either way.
    export
        Whether the model is written in PuLP: it can be written to a file as LP or
        MPS, and solved by any solver that PuLP knows, as ``NAME:SOLVER``.
    complete
        Whether every question is answered, given time. A relaxation is not
        complete: it either refutes a threshold or answers :class:`Unknown`.
    compiled
        Whether it runs compiled kernels; they are prepared before it is timed.
    constraints
        Whether it respects the constraints of a fleet (pins, groups, replicas, shards,
        nodes). If not, it is not created for a fleet that has any.
    """

    answers: Literal["threshold", "optimum"] = "threshold"
    mixed_memory: bool = True
    classes: bool = False
    hints: bool = False
    proof: Literal["solver", "certified"] = "solver"
    export: bool = False
    complete: bool = True
    compiled: bool = False
    constraints: bool = False


@dataclass(frozen=True)
class Feasible:
    """A placement that meets the threshold, checked exactly."""

    placement: Placement


@dataclass(frozen=True)
class Infeasible:
    """No placement meets the threshold."""

    evidence: Evidence


@dataclass(frozen=True)
class Unknown:
    """Undecided: stopped, out of budget, or the answer did not hold exactly.

    Attributes
    ----------
    reason
        For the log.
    final
        Whether a larger budget would not help.
    """

    reason: str
    final: bool = False


Verdict = Feasible | Infeasible | Unknown


class Oracle(Protocol):
    """Decides whether a threshold can be met. One object serves one instance."""

    name: str

    def decide(
        self,
        threshold: Threshold,
        limits: LimitsView,
        *,
        budget: float | None = None,
        hint: Placement | None = None,
    ) -> Verdict:
        """Answer one threshold.

        Parameters
        ----------
        threshold
            The question.
        limits
            When to give up; the answer is then :class:`Unknown`.
        budget
            Work allowed, in the solver's own deterministic unit (about a second
            of one core); ``None`` for no limit other than `limits`.
        hint
            A good placement to start from; it need not meet the threshold.
        """
        ...


@dataclass(frozen=True)
class Improvement:
    """The result of an optimiser when it is done or stopped.

    Attributes
    ----------
    placement
        The best one it knows; it need not be better than the incumbent.
    bound
        What it proved.
    reason
        Why it ended, for the log.
    """

    placement: Placement | None = None
    bound: LowerBound | None = None
    reason: str = ""


@runtime_checkable
class Optimiser(Protocol):
    """Minimises the maximum KVPR in one go. One object serves one instance."""

    name: str

    def improve(
        self,
        limits: LimitsView,
        *,
        incumbent: Placement | None,
        bound: Fraction | float | None,
        gap: Fraction,
    ) -> Improvement:
        """Narrow the gap as far as possible.

        Parameters
        ----------
        limits
            When to stop; the answer is whatever was found by then.
        incumbent
            The best placement so far. Without one, the answer may be any placement.
        bound
            The best proved lower bound so far.
        gap
            The relative gap at which to stop.
        """
        ...
