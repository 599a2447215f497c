"""Who takes the conformance suite: every formulation of the registry, and the template."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from formulations import template
from formulations.registry import ENTRIES, create
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold, fit_range
from kvpr_opt.search.oracle import Capabilities, Optimiser, Oracle

#: Sums of integers below this power of two are answered exactly by every formulation.
SAFE_BITS = 22

#: Bits of (pressure) x (memory)**3 in whole numbers up to which an optimiser loses nothing.
LONGEST_PRODUCT = 50


@dataclass(frozen=True)
class Candidate:
    """A formulation under test."""

    name: str
    make: Callable[..., Oracle | Optimiser]
    capabilities: Capabilities

    def __str__(self) -> str:
        return self.name

    def takes(self, instance: Instance) -> bool:
        """Whether it claims to answer for such a fleet."""
        return self.capabilities.mixed_memory or len(instance.scaled.types) == 1

    def answers(self, instance: Instance, threshold: Threshold) -> bool:
        """Whether it has to answer this question, given time."""
        exact = fit_range(instance.scaled.packing(threshold), SAFE_BITS).exact
        return self.capabilities.complete and exact and self.takes(instance)

    def optimises(self, instance: Instance) -> bool:
        """Whether it has to come near to the optimum of this fleet, given time."""
        scaled = instance.scaled
        finest = scaled.total_pressure * scaled.largest_capacity**3
        return self.takes(instance) and finest.bit_length() <= LONGEST_PRODUCT


def _registered(name: str) -> Candidate:
    def make(instance: Instance, *, seed: int = 0, threads: int = 1) -> Oracle | Optimiser:
        return create(name, instance, seed=seed, threads=threads)

    return Candidate(name, make, ENTRIES[name].capabilities)


#: Registered nowhere, but as good as the others.
TEMPLATE = Candidate("template", template.Formulation, template.CAPABILITIES)

CANDIDATES = [*map(_registered, ENTRIES), TEMPLATE]

ORACLES = [each for each in CANDIDATES if each.capabilities.answers == "threshold"]

OPTIMISERS = [each for each in CANDIDATES if each.capabilities.answers == "optimum"]


def highest_kvpr(instance: Instance, placement: Placement) -> Fraction | float:
    """Straight from the definition and the names, with nothing of the package but the data."""
    gpus = {gpu.name: (gpu.memory - gpu.reserved, Fraction(0)) for gpu in instance.gpus}
    assert set(placement.assignment) == {model.name for model in instance.models}
    for model in instance.models:
        free, pressure = gpus[placement.assignment[model.name]]
        gpus[placement.assignment[model.name]] = free - model.size, pressure + model.pressure
    assert all(free >= 0 for free, _ in gpus.values())
    return max(_kvpr(free, pressure) for free, pressure in gpus.values())


def _kvpr(free: Fraction, pressure: Fraction) -> Fraction | float:
    if pressure == 0:
        return Fraction(0)
    return pressure / free if free else math.inf


def thresholds(instance: Instance, optimum: Fraction) -> Iterator[Threshold]:
    """Questions on both sides of the optimum, the two nearest to it among them."""
    scaled = instance.scaled
    yield scaled.at_most(optimum)
    if optimum > 0:
        yield scaled.below(optimum)
        for factor in (Fraction(1, 2), Fraction(19, 20), Fraction(21, 20)):
            yield scaled.at_most(optimum * factor)
