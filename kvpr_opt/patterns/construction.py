"""Placements of nearly continuous data, constructed ever closer to the bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

from kvpr_opt.patterns.continuous import is_nearly_continuous, suits_beam_search
from kvpr_opt.patterns.effort import Effort
from kvpr_opt.patterns.steps import EngineSteps
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.bounds import volume_bound

#: GPUs from which filling and a dive pay off, where a beam search does not.
_CONSTRUCT_FROM = 28

#: The largest distance from the bound that is tried, as a share of it.
_FURTHEST = Fraction(1, 1000)

#: Passes of beam searches, each with twice the work of the last: in all on small fleets; on large
#: ones before the LP is asked, and after it each time.
_PASSES, _PASSES_FIRST, _PASSES_EACH = 8, 5, 2

#: How often a dive is tried with the same work.
_DIVES = 2

#: The ways from the bound to the incumbent that are tried with the same work.
_WAYS = (Fraction(1, 2), Fraction(3, 4), Fraction(7, 8), Fraction(15, 16))


def construct_by_beam(steps: EngineSteps) -> None:
    """Construct placements by beam search, with ever more work."""
    _construct(steps, range(_PASSES), Effort.of_round(0), steps.search_by_beam)


def construct(steps: EngineSteps, number: int) -> None:
    """Construct placements of a large fleet, if that suits it.

    Parameters
    ----------
    steps
        The tools; their findings go to the tracker of the run.
    number
        How often this was done before: more work is done each time.
    """
    large = len(steps.scaled.capacities) >= _CONSTRUCT_FROM
    if suits_beam_search(steps.scaled):
        stop = _PASSES_FIRST + _PASSES_EACH * number
        passes = range(stop - _PASSES_EACH if number else 0, stop)
        _construct(steps, passes, Effort.of_round(0), steps.search_by_beam)
    elif large and is_nearly_continuous(steps.scaled):
        _construct(steps, range(_DIVES), Effort.of_round(number), steps.fill_and_dive)


def _construct(
    steps: EngineSteps,
    passes: Iterable[int],
    effort: Effort,
    attempt: Callable[[Threshold, Effort], bool],
) -> None:
    """Construct nearer and nearer to the bound.

    At each distance a little work is done first: below some distance nothing succeeds, and
    just above it, little suffices.
    """
    volume = volume_bound(steps.scaled).value
    assert isinstance(volume, Fraction), "fleets that cannot be placed are not constructed"
    for number in passes:
        tried, way = replace(effort.hasty(), beam=effort.beam << number), 0
        while way < len(_WAYS) and not steps.tracker.done:
            low = max(volume, steps.low)
            high = min(steps.high, low * (1 + _FURTHEST))
            threshold = steps.scaled.at_most(low + (high - low) * _WAYS[way])
            lower = threshold.value < steps.high and attempt(threshold, tried)
            way = max(0, way - 1) if lower else way + 1
