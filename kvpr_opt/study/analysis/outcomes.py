"""The runs of a record as a report needs them: by fleet and method, beside what is best known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.result import Status
from kvpr_opt.study.analysis.table import CUT_SHORT, PROVED

#: What is known of a fleet, by all of its runs together.
Kind = Literal["feasible", "infeasible", "undecided"]

#: The values of :data:`Kind` in the order of the report.
KINDS: tuple[Kind, ...] = ("feasible", "infeasible", "undecided")


@dataclass(frozen=True)
class Fleet:
    """A fleet of a study.

    Attributes
    ----------
    name
        Its cell and seed, as text.
    family
        The family that it was drawn from.
    digest
        SHA-256 of its canonical form; empty if every run on it failed.
    """

    name: str
    family: str
    digest: str


@dataclass(frozen=True)
class Event:
    """Incumbent and bound from `seconds` after the start on; ``None`` where there is none."""

    seconds: float
    incumbent: float | None
    bound: float | None


@dataclass(frozen=True)
class Outcome:
    """How one run went.

    Attributes
    ----------
    fleet, method
        What was solved, by what (the method's name in the report).
    limit
        Seconds, ``None`` for no limit.
    error
        Why it failed; ``None`` if it did not. Of a failed run nothing below is known.
    status, stop_reason
        As in the record.
    seconds
        Wall time.
    certified
        Whether the checker has repeated the proof of the bound.
    incumbent, bound
        Exact values at the end.
    events
        All changes of the two, in the order of time; the last is the end of the run.
    """

    fleet: Fleet
    method: str
    limit: float | None
    error: str | None = None
    status: str = ""
    stop_reason: str = ""
    seconds: float = 0.0
    certified: bool = False
    incumbent: Fraction | None = None
    bound: Fraction | None = None
    events: tuple[Event, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it ended with an error."""
        return self.error is not None

    @property
    def closed(self) -> bool:
        """Whether it proved the fleet optimally placed, or infeasible."""
        return self.status in PROVED

    @property
    def at_limit(self) -> bool:
        """Whether the limit ended it, or Ctrl-C before."""
        return not self.closed and self.stop_reason in CUT_SHORT

    @property
    def counted_seconds(self) -> float | None:
        """Its time in means: the limit for a run that hit it or failed.

        ``None`` for a failed run without a limit, of which no time is known.
        """
        if self.limit is not None and (self.failed or self.at_limit):
            return self.limit
        return None if self.failed else self.seconds

    @property
    def gap(self) -> float:
        """Relative gap at the end; ``math.inf`` without a placement or a bound."""
        gap = relative_gap(self.incumbent, self.bound)
        return math.inf if gap is None else float(gap)


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
    def fleets(self) -> tuple[Fleet, ...]:
        """The fleets, in the order in which they were first recorded."""
        return tuple(dict.fromkeys(outcome.fleet for outcome in self.all))

    @cached_property
    def shared(self) -> tuple[Fleet, ...]:
        """The fleets that every method was run on."""
        return tuple(
            fleet
            for fleet in self.fleets
            if all((fleet, method) in self._by_pair for method in self.methods)
        )

    @cached_property
    def _by_pair(self) -> dict[tuple[Fleet, str], Outcome]:
        return {(outcome.fleet, outcome.method): outcome for outcome in self.all}

    def of(self, method: str, fleets: Iterable[Fleet]) -> list[Outcome]:
        """The runs of a method, on those of the fleets that it was run on."""
        pairs = ((fleet, method) for fleet in fleets)
        return [self._by_pair[pair] for pair in pairs if pair in self._by_pair]

    def on(self, fleet: Fleet) -> list[Outcome]:
        """The runs on a fleet, by method."""
        return [found for method in self.methods for found in self.of(method, [fleet])]

    @cached_property
    def _best(self) -> dict[Fleet, Fraction]:
        """The least incumbent by digest: a fleet may stand in several cells."""
        found: dict[str, Fraction] = {}
        for outcome in self.all:
            value = outcome.incumbent
            if value is not None:
                digest = outcome.fleet.digest
                found[digest] = min(value, found.get(digest, value))
        return {fleet: found[fleet.digest] for fleet in self.fleets if fleet.digest in found}

    def best(self, fleet: Fleet) -> Fraction | None:
        """The least maximum KVPR that any run found: the optimum, if one proved it."""
        return self._best.get(fleet)

    @cached_property
    def _proved_infeasible(self) -> frozenset[str]:
        infeasible = Status.INFEASIBLE.value
        return frozenset(run.fleet.digest for run in self.all if run.status == infeasible)

    def kind(self, fleet: Fleet) -> Kind:
        """What all runs together know of a fleet."""
        if fleet in self._best:
            return "feasible"
        return "infeasible" if fleet.digest in self._proved_infeasible else "undecided"

    def horizon(self, fleet: Fleet) -> float:
        """The longest time that any run on a fleet was given, or took without a limit."""
        times = (run.seconds if run.limit is None else run.limit for run in self.on(fleet))
        return max(times, default=0.0)

    def contradictions(self) -> list[str]:
        """Claims of runs that another run refutes: there should be none, ever."""
        found = []
        for outcome in self.all:
            best = self.best(outcome.fleet)
            if best is None:
                continue
            if outcome.status == Status.INFEASIBLE.value:
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
