"""Compiled local search: a driver in exact numbers around kernels in machine integers.

Every round picks a threshold below the incumbent and lets a kernel lower the
largest overload at it. The threshold starts halfway to the lower bound and rises
to "just below the incumbent" as rounds fail to reach it. When rounds stop
helping, the kind of neighbourhood changes; after that, a part of the best
placement is dealt out again.

Kernels look constraints up in tables (:mod:`kvpr_opt.local_search.rules`). Shards and
replicas stay in the nodes of the starting placement, and there are no rebuilds.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.limits import Limits
from kvpr_opt.local_search.bins import Bins, empty_bins, fill_in, reweigh, take
from kvpr_opt.local_search.descent import descend
from kvpr_opt.local_search.incumbent import Incumbent, OnImprovement
from kvpr_opt.local_search.perturbation import best_fit, ruin_and_recreate, worst_fit
from kvpr_opt.local_search.rng import seeded
from kvpr_opt.local_search.rules import FREE, RuleTables, rules_of
from kvpr_opt.local_search.workspace import new_workspace
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold

#: Maximum work of one round: 2 to 10 ms.
_ROUND = 1_000_000

#: Rounds without a better placement before something is changed.
_PATIENCE = 20

#: Rebuilds pay off where the volume is what limits: below this gap to the volume bound.
_TIGHT = Fraction(1, 1000)

#: Fleets of at least this many GPUs try rebuilds before groups.
_FEW_GPUS, _MANY_GPUS = 8, 24

#: GPUs whose models are dealt out again at once.
_MAX_SCATTERED = 32

#: Thresholds, as multiples of the volume bound, tried while there is no placement
#: at all; the last one means "any finite KVPR".
_SEARCH_FEASIBLE = (Fraction(11, 10), Fraction(3, 2), Fraction(2), Fraction(4), Fraction(16), None)


def search(
    instance: Instance,
    *,
    start: Placement | None = None,
    seed: int = 0,
    limits: Limits,
    rounds: int | None = None,
    bound: Fraction | float | None = None,
    on_improvement: OnImprovement | None = None,
) -> Placement | None:
    """Search for a placement of small maximum KVPR, from a given placement or from scratch.

    Parameters
    ----------
    instance
        The fleet.
    start
        A placement to improve; the answer is never worse. A fleet with constraints needs
        one: without it nothing is found.
    seed
        Seed of the random choices. The same seed and `rounds` give the same answer
        unless a limit stops the run.
    limits
        When to stop; checked after each round.
    rounds
        Maximum number of rounds, of a few milliseconds each; ``None`` for as many as
        the limits allow.
    bound
        A proven lower bound: a placement of this value ends the search.
    on_improvement
        Called with better placements, at most about twenty times a second.

    Returns
    -------
    Placement or None
        The best placement of finite KVPR found, or ``None``.
    """
    if instance.constraints and start is None:
        return None
    incumbent = Incumbent(instance, bound, on_improvement)
    if instance.models and not incumbent.done:
        _Searcher(incumbent, start, seed).run(limits, rounds)
    elif not incumbent.done or not instance.models:
        incumbent.offer(np.zeros(0, np.int64))
    incumbent.report()
    return incumbent.placement()


def _rules(start: Placement | None) -> RuleTables:
    """The rules of a fleet, with nodes fixed to those of a placement."""
    if start is None or not start.instance.constraints:
        return FREE
    instance, constraints = start.instance, start.instance.constraints
    if constraints.uses_nodes:
        instance = instance.under(constraints.within_nodes(start.gpu_of))
    return rules_of(instance.scaled)


def round_work(bins: Bins) -> int:
    """The work of one round on a packing: less for small packings."""
    return min(_ROUND, 2000 * len(bins.weights) * len(bins.loads))


class _Searcher:
    """The state of one search between rounds."""

    def __init__(self, incumbent: Incumbent, start: Placement | None, seed: int) -> None:
        self.incumbent = incumbent
        self.scaled = incumbent.instance.scaled
        self.random = seeded(seed)
        self.workspace = new_workspace(len(self.scaled.sizes))
        self.aim = Fraction(1, 2)
        self.stale = 0
        self.turns = 0
        weights, capacities = incumbent.weights.at(self._loose(Fraction(1)))
        self.rules = _rules(start)
        self.bins = empty_bins(weights, capacities, self.rules)
        if start is not None:
            fill_in(self.bins, np.array(start.gpu_of, dtype=np.int64))
        else:
            worst_fit(self.bins, np.argsort(-weights, kind="stable"))
        incumbent.offer(self.bins.gpu_of)

    def run(self, limits: Limits, rounds: int | None) -> None:
        """Run rounds until the limits, the number of rounds or the bound stops it."""
        done = 0
        while not (self.incumbent.done or limits.stopped) and (rounds is None or done < rounds):
            done += 1
            self.stale = 0 if self._round() else self.stale + 1
            if self.stale >= _PATIENCE:
                self.stale = 0
                self._turn()

    def _round(self) -> bool:
        """Call the kernel once; return whether the placement is better, or closer to it."""
        reweigh(self.bins, *self.incumbent.weights.at(self._threshold()))
        before = self._over()
        met = descend(
            self.bins, self.workspace, self.random, round_work(self.bins), self._rebuilding
        )
        if not met:
            self.aim = min(Fraction(1), (1 + self.aim) / 2 + Fraction(1, 20))
        return self.incumbent.offer(self.bins.gpu_of) or self._over() < before

    def _over(self) -> int:
        """How many GPUs are over capacity at the last threshold."""
        return int((self.bins.loads > self.bins.capacities).sum())

    def _threshold(self) -> Threshold:
        """The next threshold: between bound and incumbent, strictly below the incumbent."""
        value, low = self.incumbent.value, self.incumbent.bound
        if not isinstance(value, Fraction):
            return self._loose(_SEARCH_FEASIBLE[self.stale % len(_SEARCH_FEASIBLE)])
        assert isinstance(low, Fraction), "an infinite bound ends the search"
        below = self.scaled.below(value)
        if self.aim == 1:
            return below
        between = self.scaled.at_most(low + (value - low) * self.aim)
        return between if between.value >= low else below

    def _loose(self, factor: Fraction | None) -> Threshold:
        """A multiple of the volume bound; without a factor, any finite KVPR."""
        volume = self.incumbent.volume
        if factor is None or not isinstance(volume, Fraction) or volume == 0:
            return self.scaled.finite()
        threshold = self.scaled.at_most(volume * factor)
        return threshold if threshold.numerator else self.scaled.finite()

    @property
    def _rebuilding(self) -> bool:
        value, volume = self.incumbent.value, self.incumbent.volume
        gpus = len(self.scaled.capacities)
        if self.rules is not FREE:
            return False
        if gpus < _FEW_GPUS or not isinstance(value, Fraction) or value > volume * (1 + _TIGHT):
            return False
        return self.turns % 2 == (0 if gpus >= _MANY_GPUS else 1)

    def _turn(self) -> None:
        """Change the neighbourhood; every second time perturb the packing as well."""
        self.turns += 1
        if self.turns % 2:
            return
        gpu_of = self.incumbent.gpu_of
        home = self.bins.gpu_of.copy() if gpu_of is None else gpu_of
        if gpu_of is not None:
            self._return_to(gpu_of)
        idle = [model for model, n in enumerate(self.scaled.pressures) if n == 0]
        if self.rules is not FREE:
            idle = [model for model in idle if not self.rules.pinned[model]]
        if idle and self.turns % 4:
            broken_up = self._refill(np.array(idle, dtype=np.int64))
        else:
            gpus = len(self.scaled.capacities)
            some = max(2, min(gpus // 2, _MAX_SCATTERED))
            some = gpus if gpu_of is None else some
            broken_up = ruin_and_recreate(self.bins, self.random, some)
        if not broken_up:
            self._return_to(home)  # the rules left a model no GPU

    def _return_to(self, gpu_of: Ints) -> None:
        self.bins = empty_bins(self.bins.weights, self.bins.capacities, self.rules)
        fill_in(self.bins, gpu_of)

    def _refill(self, idle: Ints) -> bool:
        """Repack the models without pressure, best fit decreasing; return whether all fit.

        At a threshold t a GPU has C - M - N / t of memory for them, where M and N are the
        totals of its other models: its free capacity in the packing problem.
        """
        for model in idle:
            take(self.bins, model)
        weights = self.bins.weights[idle]
        return best_fit(self.bins, idle[np.argsort(-weights, kind="stable")])
