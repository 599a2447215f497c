"""The comparison of formulations: what each closes, how fast, and how strong its relaxation is.

    kvpr-opt study run docs/studies/formulations.toml --jobs 2
    python -m kvpr_opt.study.experiments.formulations formulations

reads the record of the study in the folder ``formulations`` and prints two tables in
Markdown. A fleet is closed when placement and bound are within a relative gap of
:data:`CLOSED`; the time this took is read from the run's own events. The heuristic and
the simple bounds come first in every run, so the rows differ only in the formulation.
The root is the smallest threshold that the linear relaxation meets, found by bisection
in floating point: good enough for the table, but not a proof.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.result import Status
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.study.analysis.statistics import shifted_geometric_mean
from kvpr_opt.study.analysis.table import best_values, markdown, provenance
from kvpr_opt.study.record import read_record
from kvpr_opt.study.recorded_run import Answer, RecordedRun
from kvpr_opt.study.runs import Run

#: Relative gap at which a fleet counts as closed; the direct models stop at about 1e-6.
CLOSED = 1e-5

#: Seconds at which the closed fleets are counted.
MARKS = (10.0, 60.0)

# Steps of the bisection for the root; each halves the gap.
_STEPS = 16


@dataclass
class Tally:
    """All runs of one formulation, on some fleets.

    Attributes
    ----------
    times
        Seconds until closed; ``math.inf`` if the run ended before that.
    limit
        The largest time limit among the runs, in seconds.
    roots
        Relative gaps between the best known placement and the root.
    """

    times: list[float] = field(default_factory=list)
    limit: float = 0.0
    roots: list[float] = field(default_factory=list)

    def closed(self, mark: float) -> str:
        """How many of the fleets were closed within `mark` seconds."""
        return f"{sum(time <= mark for time in self.times)}/{len(self.times)}"

    def mean(self) -> str:
        """The shifted geometric mean of the times; a run that did not close counts its limit."""
        mean = shifted_geometric_mean([min(time, self.limit) for time in self.times])
        return "-" if mean is None else f"{mean:.2f}"

    def root(self) -> str:
        """The mean gap of the root in percent."""
        return f"{100 * sum(self.roots) / len(self.roots):.2g}" if self.roots else "-"


def seconds_to_close(answer: Answer | None) -> float:
    """When placement and bound of a run first were within :data:`CLOSED`; else ``math.inf``."""
    if answer is None:
        return math.inf
    for point in answer.trajectory:
        value, bound = point.max_kvpr, point.lower_bound
        if value is not None and bound is not None and value - bound <= CLOSED * value:
            return point.seconds
    # Proved infeasible, which no point of the trajectory shows.
    return answer.seconds if answer.status is Status.INFEASIBLE else math.inf


def root(name: str, instance: Instance, best: Fraction, limits: Limits) -> float | None:
    """The smallest KVPR that a formulation's linear relaxation meets, to a few digits.

    Parameters
    ----------
    name
        The formulation.
    instance
        The fleet.
    best
        The maximum KVPR of a placement.
    limits
        When to give up.

    Returns
    -------
    float or None
        ``None`` if the formulation cannot tell, or not in time.
    """
    from formulations.registry import relaxation_meets

    scaled = instance.scaled
    bound = volume_bound(scaled).value
    low = bound if isinstance(bound, Fraction) else Fraction(0)
    high = best
    for step in range(_STEPS):
        # First ask whether the relaxation gives no more than the volume bound.
        middle = low + (high - low) * (Fraction(1, 1000) if step == 0 else Fraction(1, 2))
        met = relaxation_meets(name, instance, scaled.at_most(middle), limits)
        if met is None:
            return None
        low, high = (low, middle) if met else (middle, high)
    return float(low)


def report(runs: Sequence[RecordedRun], *, seconds_for_root: float = 30.0) -> str:
    """Both tables of a record, followed by its provenance.

    Parameters
    ----------
    runs
        As in :class:`~kvpr_opt.study.record.RecordContent`, on fleets of families.
    seconds_for_root
        Time limit for the root of one formulation on one fleet.
    """
    overall: dict[str, Tally] = {}
    by_fleet: dict[str, dict[str, Tally]] = {}
    best = best_values(recorded.answer for recorded in runs)
    for recorded in runs:
        run, answer = recorded.run, recorded.answer
        name = run.method.name
        tallies = (
            overall.setdefault(name, Tally()),
            by_fleet.setdefault(str(run.cell), {}).setdefault(name, Tally()),
        )
        value = None if answer is None else best.get(answer.fleet_sha256)
        gap = _root_gap(name, run, value, Limits(seconds_for_root))
        for tally in tallies:
            tally.times.append(seconds_to_close(answer))
            tally.limit = max(tally.limit, run.method.time_limit or 0.0)
            tally.roots += [] if gap is None else [gap]
    marks = [f"closed at {mark:g} s" for mark in MARKS]
    first = [["formulation", *marks, "mean s", "root gap %"]] + [
        [name, *map(tally.closed, MARKS), tally.mean(), tally.root()]
        for name, tally in overall.items()
    ]
    second = [["fleet", *overall]] + [
        [fleet, *(_short(tallies.get(name)) for name in overall)]
        for fleet, tallies in by_fleet.items()
    ]
    return "\n\n".join([markdown(first), markdown(second), "\n".join(provenance(runs))]) + "\n"


def _short(tally: Tally | None) -> str:
    return "-" if tally is None else f"{tally.closed(MARKS[-1])}, {tally.mean()} s"


def _root_gap(name: str, run: Run, best: Fraction | None, limits: Limits) -> float | None:
    if not best or name not in _names():
        return None
    value = root(name, run.fleet, best, limits)
    return None if value is None else max(0.0, 1 - value / float(best))


def _names() -> tuple[str, ...]:
    from formulations.registry import NAMES

    return NAMES


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", help="folder of the study")
    print(report(read_record(parser.parse_args().folder).runs), end="")


if __name__ == "__main__":
    main()
