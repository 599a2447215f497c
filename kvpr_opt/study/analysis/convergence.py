"""How a run approaches the best known value: gaps as functions of time, and their integrals.

The primal gap of a placement of value v, where the best known value is b, is
|v - b| / max(|v|, |b|), 0 if both are 0, and 1 while there is no placement; the
primal integral is its integral over time (Berthold 2013,
doi:10.1016/j.orl.2013.08.007). The dual gap is the same with the lower bound in
the placement's place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvpr_opt.study.analysis.outcomes import Outcome, Outcomes

Floats = NDArray[np.float64]


def distance(value: float | None, best: float) -> float:
    """The gap function of the integral, between 0 and 1; 1 for ``None``."""
    if value is None:
        return 1.0
    if value == best:
        return 0.0
    return min(1.0, abs(value - best) / max(abs(value), abs(best)))


@dataclass(frozen=True)
class Steps:
    """A function of time that is constant between its steps.

    Attributes
    ----------
    times
        Seconds at which it steps, ascending; the first is 0.
    values
        From each of these times on.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]]) -> Steps:
        """The function that starts at 1 and then steps as given, in the order of time."""
        times, values = [0.0], [1.0]
        for time, value in points:
            times.append(max(time, times[-1]))
            values.append(value)
        return cls(tuple(times), tuple(values))

    def integral(self, horizon: float) -> float:
        """The integral from 0 to `horizon` seconds; the last value continues."""
        ends = [*self.times[1:], max(horizon, self.times[-1])]
        return sum(
            value * (min(end, horizon) - min(start, horizon))
            for start, end, value in zip(self.times, ends, self.values, strict=True)
        )

    def at(self, times: Floats) -> Floats:
        """Its values at given times."""
        places = np.searchsorted(self.times, times, side="right") - 1
        return np.asarray(self.values)[places]


def primal_gap(outcome: Outcome, best: float) -> Steps:
    """The primal gap of a run over time."""
    return Steps.of((event.seconds, distance(event.max_kvpr, best)) for event in outcome.events)


def dual_gap(outcome: Outcome, best: float) -> Steps:
    """The dual gap of a run over time."""
    return Steps.of((event.seconds, distance(event.lower_bound, best)) for event in outcome.events)


def primal_integrals(outcomes: Outcomes, runs: Sequence[Outcome]) -> list[float]:
    """The primal integrals of runs on fleets that have a placement, in seconds.

    All runs on one fleet are integrated over the same time, see
    :meth:`~kvpr_opt.study.analysis.outcomes.Outcomes.horizon`. Runs on other fleets
    are ignored. A failed run has a gap of 1 throughout.
    """
    found = []
    for run in runs:
        best = outcomes.best(run.fleet)
        if best is not None:
            found.append(primal_gap(run, float(best)).integral(outcomes.horizon(run.fleet)))
    return found


def mean_gaps(
    outcomes: Outcomes, runs: Sequence[Outcome], times: Floats
) -> tuple[Floats, Floats] | None:
    """Primal and dual gap at given times, each the mean over runs.

    ``None`` if none of the runs is on a fleet that has a placement.
    """
    primal, dual = np.zeros_like(times), np.zeros_like(times)
    count = 0
    for run in runs:
        best = outcomes.best(run.fleet)
        if best is not None:
            primal += primal_gap(run, float(best)).at(times)
            dual += dual_gap(run, float(best)).at(times)
            count += 1
    return (primal / count, dual / count) if count else None
