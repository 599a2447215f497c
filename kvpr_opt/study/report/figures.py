"""The figures of a report, drawn from the outcomes of a record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from kvpr_opt.drawing.palette import AXIS
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.study.analysis.convergence import dual_gap, mean_gaps, primal_gap, primal_integrals
from kvpr_opt.study.analysis.outcomes import Outcome, Outcomes, StudyFleet
from kvpr_opt.study.analysis.statistics import (
    SHORTEST,
    bootstrap,
    distribution,
    mean,
    performance_ratios,
)
from kvpr_opt.study.report.axes import (
    count_axis,
    percent_axis,
    ratio_axis,
    share_axis,
    time_axis,
)
from kvpr_opt.study.report.drawing import Chart, Drawing, settings

#: Fleets whose trajectories are drawn, at most.
MAX_TRAJECTORIES = 4

_DISTANCE = f"bound{8 * chr(0xA0)}placement\nfrom the best known, %"
_TIME = "time since the start, s"

# Times at which a mean over fleets is taken.
_SAMPLES = 200

# Seconds; shorter integrals are drawn here.
_LEAST_INTEGRAL = 1e-4


def draw(outcomes: Outcomes) -> list[Drawing]:
    """All figures for which the outcomes have data.

    Methods are compared on the fleets that all of them were run on; if there are other
    fleets, two further figures include them.
    """
    if all(outcome.failed for outcome in outcomes.all):
        return []
    with settings():
        return [drawing for drawing in _all(outcomes) if drawing is not None]


def _all(outcomes: Outcomes) -> Iterator[Drawing | None]:
    every, shared = outcomes.fleets, outcomes.shared
    if shared != every:
        own = "Each method on all fleets that it was run on."
        yield _closed(outcomes, every, "closed_all", own)
        yield _gaps(outcomes, every, "gaps_all", own)
    if shared:
        one = len(outcomes.methods) == 1
        which = f"On the {len(shared)} fleets that all methods were run on."
        if shared == every:
            which = f"On all {len(shared)} fleets." if len(shared) > 1 else "On the one fleet."
        yield _closed(outcomes, shared, "closed", which)
        yield None if one else _profile(outcomes, shared, which)
        yield _gaps(outcomes, shared, "gaps", which)
        yield None if one else _distances(outcomes, shared, which)
        yield from _mean_gaps(outcomes, shared, which)
        yield _integrals(outcomes, shared, which)
    for number, fleet in enumerate(_hardest(outcomes), start=1):
        yield _trajectories(outcomes, fleet, f"trajectory_{number}")


def _closed(outcomes: Outcomes, fleets: Sequence[StudyFleet], name: str, which: str) -> Drawing:
    runs = {method: outcomes.of(method, fleets) for method in outcomes.methods}
    legend = {
        place: f"{sum(run.closed for run in found)} of {len(found)}: {method}"
        for place, (method, found) in enumerate(runs.items())
    }
    chart = Chart(legend, _TIME, "fleets closed")
    ends = [run.seconds for found in runs.values() for run in found]
    low, high = time_axis(chart.axes, ends)
    for place, found in enumerate(runs.values()):
        times = sorted(max(run.seconds, low) for run in found if run.closed)
        x = [low, *times, high]
        chart.line(place, x, [*range(len(times) + 1), len(times)], steps=True)
    count_axis(chart.axes, max(map(len, runs.values())))
    caption = (
        f"{which} How many a method has closed, that is proved optimally placed or infeasible, "
        "within a time. Time is on a logarithmic scale. The legend begins with the count at the "
        "end."
    )
    return chart.finished(name, "Fleets closed over time" + _scope(name), caption)


def _profile(outcomes: Outcomes, fleets: Sequence[StudyFleet], which: str) -> Drawing | None:
    times = {
        method: [run.seconds if run.closed else math.inf for run in outcomes.of(method, fleets)]
        for method in outcomes.methods
    }
    ratios = performance_ratios(times)
    finite = [ratio for row in ratios.values() for ratio in row if ratio < math.inf]
    if not finite:
        return None
    ratio = "time / time of the fastest method (ratio)"
    chart = Chart(dict(enumerate(outcomes.methods)), ratio, "share of the fleets, %")
    end = ratio_axis(chart.axes, finite)
    for place, row in enumerate(ratios.values()):
        x, shares = distribution(row)
        chart.line(place, *_as_steps(x, shares, 1.0, end), steps=True)
    share_axis(chart.axes)
    caption = (
        f"{which} The share that a method closes within a multiple of the time of the method "
        "that is fastest on the fleet; a fleet that is not closed is never reached. "
        f"Times below {SHORTEST * 1000:g} ms count as {SHORTEST * 1000:g} ms."
    )
    return chart.finished("profile", "Performance profile", caption)


def _gaps(
    outcomes: Outcomes, fleets: Sequence[StudyFleet], name: str, which: str
) -> Drawing | None:
    gaps = {
        method: [
            100 * run.gap
            for run in outcomes.of(method, fleets)
            if outcomes.kind(run.fleet) != "infeasible"
        ]
        for method in outcomes.methods
    }
    caption = (
        f"{which} The share of runs that end with at most a gap, (placement - bound) / "
        "placement. Runs without a placement or a bound are never reached; fleets proved "
        f"infeasible are left out. {_SCALE}"
    )
    title = "Gaps at the end" + _scope(name)
    return _shares(gaps, name, title, "relative gap at the end, %", caption)


def _distances(outcomes: Outcomes, fleets: Sequence[StudyFleet], which: str) -> Drawing | None:
    """How far placements are from the best one known, which the gap of a heuristic hides."""
    feasible = [fleet for fleet in fleets if outcomes.kind(fleet) == "feasible"]
    distances = {
        method: [100 * _distance(outcomes, run) for run in outcomes.of(method, feasible)]
        for method in outcomes.methods
    }
    optimal = sum(any(run.closed for run in outcomes.on(fleet)) for fleet in feasible)
    caption = (
        f"{which} The share of runs whose placement is at most so far from the best one that "
        "any method found, as a share of its own value; on "
        f"{optimal} of the {len(feasible)} fleets that have a placement, that one is proved "
        f"optimal. Runs without a placement are never reached. {_SCALE}"
    )
    label = "distance from the best known, %"
    return _shares(distances, "distance", "Distance from the best placement", label, caption)


def _distance(outcomes: Outcomes, run: Outcome) -> float:
    gap = relative_gap(run.incumbent, outcomes.best(run.fleet))
    return math.inf if gap is None else float(gap)


_SCALE = "The scale is logarithmic except next to 0."


def _shares(
    percentages: Mapping[str, list[float]], name: str, title: str, label: str, caption: str
) -> Drawing | None:
    """For each method the share of its runs with at most a percentage."""
    finite = [value for row in percentages.values() for value in row if value < math.inf]
    if not finite:
        return None
    chart = Chart(dict(enumerate(percentages)), label, "share of the runs, %")
    start, end = percent_axis(chart.axes, "x", finite)
    for place, row in enumerate(percentages.values()):
        x, shares = distribution(row)
        chart.line(place, *_as_steps(x, shares, start, end), steps=True)
    share_axis(chart.axes)
    return chart.finished(name, title, caption)


def _mean_gaps(outcomes: Outcomes, fleets: Sequence[StudyFleet], which: str) -> Iterator[Drawing]:
    feasible = [fleet for fleet in fleets if outcomes.kind(fleet) == "feasible"]
    if not feasible:
        return
    runs = [outcomes.of(method, feasible) for method in outcomes.methods]
    times = [second for found in runs for run in found for second in _times(run)]
    for index, (name, title, what) in enumerate(
        (
            ("primal", "Primal gap over time", "placement"),
            ("dual", "Dual gap over time", "lower bound"),
        )
    ):
        chart = Chart(dict(enumerate(outcomes.methods)), _TIME, f"mean {name} gap, %")
        low, high = time_axis(chart.axes, times)
        grid = np.geomspace(low, high, _SAMPLES, dtype=np.float64)
        curves = [mean_gaps(outcomes, found, grid) for found in runs]
        lines = [100 * curve[index] for curve in curves if curve is not None]
        percent_axis(chart.axes, "y", [value for line in lines for value in line.tolist()])
        for place, line in enumerate(lines):
            chart.line(place, grid.tolist(), line.tolist(), steps=True)
        caption = (
            f"{which} The distance of the {what} from the best placement that any method found, "
            f"as a share of the larger of the two, in the mean over the {len(feasible)} fleets "
            f"that have a placement; 100 % before there is a {what}."
        )
        yield chart.finished(name, title, caption)


def _integrals(outcomes: Outcomes, fleets: Sequence[StudyFleet], which: str) -> Drawing | None:
    intervals = [
        bootstrap([primal_integrals(outcomes, outcomes.of(method, fleets))], mean)
        for method in outcomes.methods
    ]
    known = [interval for interval in intervals if interval is not None]
    if not known:
        return None
    ends = [
        (
            max(found.estimate if found.low is None else found.low, _LEAST_INTEGRAL),
            max(found.estimate if found.high is None else found.high, _LEAST_INTEGRAL),
        )
        for found in known
    ]
    height = 0.24 * len(known) + 0.3
    legend = {place: f"{place + 1}: {name}" for place, name in enumerate(outcomes.methods)}
    chart = Chart(legend, "mean primal integral, s", "method", height=height)
    time_axis(chart.axes, [value for pair in ends for value in pair])
    for place, (found, (low, high)) in enumerate(zip(known, ends, strict=True)):
        chart.dot(place, max(found.estimate, _LEAST_INTEGRAL), place, low, high)
    chart.axes.set_ylim(len(known) - 0.4, -0.6)
    chart.axes.set_yticks(range(len(known)), [str(place) for place in range(1, len(known) + 1)])
    caption = (
        f"{which} The area under the primal gap of a run up to the limit, in the mean over the "
        "fleets that have a placement, with its 95 % bootstrap interval: how long, and how far, "
        "a method was away from the best placement known."
    )
    return chart.finished("integral", "Primal integral", caption)


def _hardest(outcomes: Outcomes) -> list[StudyFleet]:
    """For each of the first families, the fleet on which all runs together took longest."""
    hardest: dict[str, tuple[float, StudyFleet]] = {}
    for fleet in outcomes.fleets:
        if outcomes.kind(fleet) == "feasible":
            seconds = sum(run.seconds for run in outcomes.on(fleet))
            if fleet.family not in hardest or seconds > hardest[fleet.family][0]:
                hardest[fleet.family] = (seconds, fleet)
    return [fleet for _, fleet in hardest.values()][:MAX_TRAJECTORIES]


def _trajectories(outcomes: Outcomes, fleet: StudyFleet, name: str) -> Drawing:
    best = outcomes.best(fleet)
    assert best is not None
    runs = [(outcomes.methods.index(run.method), run) for run in outcomes.on(fleet)]
    legend = {place: run.method for place, run in runs}
    chart = Chart(legend, _TIME, _DISTANCE)
    low, _ = time_axis(chart.axes, [second for _, run in runs for second in _times(run)])
    lines = []
    for place, run in runs:
        for steps, sign, first in (
            (primal_gap(run, float(best)), 100, _first(run, "max_kvpr")),
            (dual_gap(run, float(best)), -100, _first(run, "lower_bound")),
        ):
            points = list(zip(steps.times, steps.values, strict=True))[1:][first:]
            x = [max(time, low) for time, _ in points]
            lines.append((place, x, [sign * value for _, value in points]))
    percent_axis(chart.axes, "y", [abs(v) for _, _, y in lines for v in y], below=True)
    for place, x, y in lines:
        if x:
            chart.line(place, x, y, steps=True)
    chart.axes.axhline(0, color=AXIS, linewidth=0.8)
    caption = (
        "Above 0 the best placement so far, below 0 the lower bound, each as its distance from "
        f"the best placement that any method found (max KVPR {float(best):.6g}); where both "
        "meet, the fleet is closed. Of its family it is the fleet that took longest."
    )
    return chart.finished(name, f"Trajectories: {fleet.name}", caption)


def _scope(name: str) -> str:
    return ", all fleets" if name.endswith("_all") else ""


def _first(run: Outcome, what: str) -> int:
    """The place of the first event with an incumbent, or a bound."""
    places = (i for i, event in enumerate(run.events) if getattr(event, what) is not None)
    return next(places, len(run.events))


def _times(run: Outcome) -> list[float]:
    """The times that an axis for a run has to hold: its end and its first event."""
    return [] if run.failed else [run.seconds, *(event.seconds for event in run.events[:1])]


def _as_steps(
    x: Sequence[float], shares: Sequence[float], start: float, end: float
) -> tuple[list[float], list[float]]:
    """A distribution in percent as a line from the one end of an axis to the other."""
    percent = [100 * share for share in shares]
    last = percent[-1] if percent else 0.0
    return [start, *x, end], [0.0, *percent, last]
