"""The runs of a record as a report needs them: by fleet and method, with the best known values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

from kvpr_opt.result import Status
from kvpr_opt.study.analysis.table import best_values
from kvpr_opt.study.recorded_run import Answer, TrajectoryPoint

#: What all runs on a fleet together say about it.
Kind = Literal["feasible", "infeasible", "undecided"]

#: The values of :data:`Kind`, in the order of the report.
KINDS: tuple[Kind, ...] = ("feasible", "infeasible", "undecided")


@dataclass(frozen=True)
class StudyFleet:
    """A fleet of a study.

    Attributes
    ----------
    name
        Its cell and seed, as text.
    family
        The family that it was drawn from; else where it came from.
    digest
        SHA-256 of its canonical form; empty if every run on it failed.
    """

    name: str
    family: str
    digest: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of one run, under the names of the report.

    Attributes
    ----------
    fleet, method
        What was solved, and the method's name in the report.
    limit
        Seconds, ``None`` for no limit.
    answer
        What came out; ``None`` if the run failed.
    error
        Why it failed, on one line; empty if it did not.
    """

    fleet: StudyFleet
    method: str
    limit: float | None
    answer: Answer | None = None
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether it ended with an error."""
        return self.answer is None

    @property
    def closed(self) -> bool:
        """Whether it proved the fleet optimally placed, or infeasible."""
        return self.answer is not None and self.answer.proved

    @property
    def certified(self) -> bool:
        """Whether the checker has repeated the proof of its bound."""
        return self.answer is not None and self.answer.certified

    @property
    def infeasible(self) -> bool:
        """Whether it proved that the fleet has no placement."""
        return self.answer is not None and self.answer.status is Status.INFEASIBLE

    @property
    def at_limit(self) -> bool:
        """Whether the limit ended it, or Ctrl-C before."""
        return self.answer is not None and self.answer.cut_short

    @property
    def seconds(self) -> float:
        """Wall time; 0 for a failed run, of which none is recorded."""
        return 0.0 if self.answer is None else self.answer.seconds

    @property
    def counted_seconds(self) -> float | None:
        """Its time in means: a run that failed or hit its limit counts with the limit.

        ``None`` for a failed run without a limit, whose time is unknown.
        """
        if self.limit is not None and (self.failed or self.at_limit):
            return self.limit
        return None if self.answer is None else self.answer.seconds

    @property
    def incumbent(self) -> Fraction | None:
        """The exact maximum KVPR at the end."""
        return None if self.answer is None else self.answer.max_kvpr

    @property
    def bound(self) -> Fraction | None:
        """The exact lower bound at the end."""
        return None if self.answer is None else self.answer.lower_bound

    @property
    def gap(self) -> float:
        """Relative gap at the end; ``math.inf`` without a placement or a bound."""
        gap = None if self.answer is None else self.answer.gap
        return math.inf if gap is None else float(gap)

    @cached_property
    def events(self) -> tuple[TrajectoryPoint, ...]:
        """All changes of incumbent and bound, by time; the last is the end of the run."""
        if self.answer is None:
            return ()
        value, bound = self.answer.max_kvpr, self.answer.lower_bound
        end = TrajectoryPoint(
            self.answer.seconds,
            None if value is None else float(value),
            None if bound is None else float(bound),
        )
        return (*self.answer.trajectory, end)


@dataclass(frozen=True)
class Outcomes:
    """All runs of a record.

    Attributes
    ----------
    all
        In the order of the record.
    """

    all: tuple[Outcome, ...]

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in the order in which they were first recorded."""
        return tuple(dict.fromkeys(outcome.method for outcome in self.all))

    @cached_property
    def fleets(self) -> tuple[StudyFleet, ...]:
        """The fleets, in the order in which they were first recorded."""
        return tuple(dict.fromkeys(outcome.fleet for outcome in self.all))

    @cached_property
    def shared(self) -> tuple[StudyFleet, ...]:
        """The fleets that every method was run on."""
        return tuple(
            fleet
            for fleet in self.fleets
            if all((fleet, method) in self._by_pair for method in self.methods)
        )

    @cached_property
    def _by_pair(self) -> dict[tuple[StudyFleet, str], Outcome]:
        return {(outcome.fleet, outcome.method): outcome for outcome in self.all}

    def of(self, method: str, fleets: Iterable[StudyFleet]) -> list[Outcome]:
        """The runs of a method on those of the given fleets that it was run on."""
        pairs = ((fleet, method) for fleet in fleets)
        return [self._by_pair[pair] for pair in pairs if pair in self._by_pair]

    def on(self, fleet: StudyFleet) -> list[Outcome]:
        """The runs on a fleet, by method."""
        return [found for method in self.methods for found in self.of(method, [fleet])]

    @cached_property
    def _best(self) -> dict[StudyFleet, Fraction]:
        """The smallest incumbent; by digest, since a fleet may be in several cells."""
        found = best_values(outcome.answer for outcome in self.all)
        return {fleet: found[fleet.digest] for fleet in self.fleets if fleet.digest in found}

    def best(self, fleet: StudyFleet) -> Fraction | None:
        """The smallest maximum KVPR that any run found: the optimum, if one proved it."""
        return self._best.get(fleet)

    @cached_property
    def _proved_infeasible(self) -> frozenset[str]:
        return frozenset(run.fleet.digest for run in self.all if run.infeasible)

    def kind(self, fleet: StudyFleet) -> Kind:
        """What all runs on a fleet together say about it."""
        if fleet in self._best:
            return "feasible"
        return "infeasible" if fleet.digest in self._proved_infeasible else "undecided"

    def horizon(self, fleet: StudyFleet) -> float:
        """The longest time limit of a run on a fleet, or time of a run without a limit."""
        times = (run.seconds if run.limit is None else run.limit for run in self.on(fleet))
        return max(times, default=0.0)

    def contradictions(self) -> list[str]:
        """Claims of runs that another run refutes: there should never be any."""
        found = []
        for outcome in self.all:
            best = self.best(outcome.fleet)
            if best is None:
                continue
            if outcome.infeasible:
                claim = "called infeasible"
            elif outcome.bound is not None and outcome.bound > best:
                claim = f"given the lower bound {float(outcome.bound):.9g}"
            else:
                continue
            found.append(
                f"{outcome.fleet.name} was {claim} by {outcome.method}, "
                f"but a placement of max KVPR {float(best):.9g} is known"
            )
        return found
