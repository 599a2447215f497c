"""Placements of nearly continuous data, constructed ever closer to the bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

from kvpr_opt.patterns.effort import Effort
from kvpr_opt.patterns.steps import CONTINUOUS, EngineSteps
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.scaled import ScaledInstance, Threshold
from kvpr_opt.search.bounds import volume_bound

#: GPUs from which a beam search pays off, and models a GPU up to which; with more models, GPUs
#: from which filling and a dive pay off.
_BEAM_FROM, _BEAM_TO, _CONSTRUCT_FROM = 12, 6, 28

#: The largest distance from the volume bound that is tried, as a share of it.
_FURTHEST = Fraction(1, 1000)

#: Doublings of the work of a beam search: all of them; the first ones, if the LP comes next, and
#: how many follow each time.
_DOUBLINGS, _FIRST, _EACH = 8, 5, 2

#: How often a dive is tried with the same work.
_DIVES = 2

#: The ways from the bound to the incumbent that are tried with the same work.
_WAYS = (Fraction(1, 2), Fraction(3, 4), Fraction(7, 8), Fraction(15, 16))


def constructs(scaled: ScaledInstance) -> bool:
    """Whether beam search is the way to good placements of a fleet."""
    gpus = len(scaled.capacities)
    plain = not isinstance(scaled, ConstrainedInstance)
    few = gpus >= _BEAM_FROM and len(scaled.sizes) <= _BEAM_TO * gpus
    return plain and few and scaled.largest_capacity >= CONTINUOUS


def construct_by_beam(steps: EngineSteps) -> None:
    """Construct placements by beam search, with ever more work."""
    _construct(steps, range(_DOUBLINGS), Effort.of_round(0), steps.search_by_beam)


def construct(steps: EngineSteps, number: int) -> None:
    """Construct placements of a large fleet, if that suits it.

    Parameters
    ----------
    steps
        The tools; their findings go to the tracker of the run.
    number
        How often this was done before: more work is done each time.
    """
    if constructs(steps.scaled):
        first = _FIRST + _EACH * (number - 1) if number else 0
        doublings = range(first, first + _EACH if number else _FIRST)
        _construct(steps, doublings, Effort.of_round(0), steps.search_by_beam)
    elif (
        len(steps.scaled.capacities) >= _CONSTRUCT_FROM
        and steps.scaled.largest_capacity >= CONTINUOUS
    ):
        _construct(steps, range(_DIVES), Effort.of_round(number), steps.fill_and_dive)


def _construct(
    steps: EngineSteps,
    doublings: Iterable[int],
    effort: Effort,
    attempt: Callable[[Threshold, Effort], bool],
) -> None:
    """Construct nearer and nearer to the bound.

    At each distance a little work is done first: below some distance nothing succeeds, and
    just above it, little suffices.
    """
    volume = volume_bound(steps.scaled).value
    assert isinstance(volume, Fraction), "fleets that cannot be placed are not constructed"
    for doubled in doublings:
        tried, way = replace(effort.hasty(), beam=effort.beam << doubled), 0
        while way < len(_WAYS) and not steps.tracker.done:
            low = max(volume, steps.low)
            high = min(steps.high, volume * (1 + _FURTHEST))
            threshold = steps.scaled.at_most(low + (high - low) * _WAYS[way])
            lower = threshold.value < steps.high and attempt(threshold, tried)
            way = max(0, way - 1) if lower else way + 1
