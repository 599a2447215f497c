"""Placements of nearly continuous data, constructed ever closer to the bound."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from kvpr_opt.patterns.effort import Effort
from kvpr_opt.patterns.steps import CONTINUOUS, EngineSteps
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.scaled import ScaledInstance
from kvpr_opt.search.bounds import volume_bound

#: GPUs from which a beam search pays off, and models a GPU up to which; with more models, GPUs
#: from which filling and a dive pay off.
_BEAM_FROM, _BEAM_TO, _CONSTRUCT_FROM = 12, 6, 28

#: The largest distance from the volume bound that is tried, as a share of it.
_FURTHEST = Fraction(1, 1000)

#: How often the work of a construction is doubled, by kind, and the ways from the bound to the
#: incumbent that are tried with each.
_DOUBLINGS, _DOUBLINGS_OF_DIVES = 7, 1
_WAYS = (Fraction(1, 2), Fraction(3, 4), Fraction(7, 8), Fraction(15, 16))


def constructs(scaled: ScaledInstance) -> bool:
    """Whether beam search is the way to good placements of a fleet."""
    gpus = len(scaled.capacities)
    plain = not isinstance(scaled, ConstrainedInstance)
    few = gpus >= _BEAM_FROM and len(scaled.sizes) <= _BEAM_TO * gpus
    return plain and few and scaled.largest_capacity >= CONTINUOUS


def construct(steps: EngineSteps, number: int) -> None:
    """Construct placements, if that suits the fleet.

    At each distance a little work is done first: below some distance nothing succeeds, and
    just above it, little suffices.

    Parameters
    ----------
    steps
        The tools; their findings go to the tracker of the run.
    number
        How often this was done before: more work is done each time.
    """
    scaled = steps.scaled
    beam = constructs(scaled)
    large = len(scaled.capacities) >= _CONSTRUCT_FROM
    if not beam and not (large and scaled.largest_capacity >= CONTINUOUS):
        return
    volume = volume_bound(scaled).value
    assert isinstance(volume, Fraction), "fleets that cannot be placed are not constructed"
    attempt = steps.search_by_beam if beam else steps.fill_and_dive
    most = _DOUBLINGS if beam else _DOUBLINGS_OF_DIVES
    effort, way, doublings = Effort.of_round(number).hasty(), 0, 0
    while not steps.tracker.done and doublings <= most:
        low = max(volume, steps.low)
        high = min(steps.high, volume * (1 + _FURTHEST))
        threshold = scaled.at_most(low + (high - low) * _WAYS[way])
        if threshold.value < steps.high and attempt(threshold, effort):
            way = max(0, way - 1)
            continue
        way += 1
        if way == len(_WAYS):
            way, doublings = 0, doublings + 1
            effort = replace(effort, beam=2 * effort.beam)
