"""Construction for hundreds and thousands of GPUs.

For a threshold a little above the volume bound, GPU after GPU is filled from a
pool of models so that almost nothing is wasted. All spare capacity is then left
to the last few GPUs, where a local search packs the remaining models. The
distance to the bound is halved and doubled until the smallest one that works is
known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.limits import Limits
from kvpr_opt.local_search.bins import Bins, empty_bins
from kvpr_opt.local_search.descent import descend
from kvpr_opt.local_search.incumbent import Incumbent, OnImprovement
from kvpr_opt.local_search.perturbation import choose_some, worst_fit
from kvpr_opt.local_search.rebuild import fill_gpus
from kvpr_opt.local_search.rng import seeded
from kvpr_opt.local_search.search import round_work
from kvpr_opt.local_search.workspace import Workspace, new_workspace
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement

#: Size of the pool of models from which a GPU is filled.
POOL = 250

#: GPUs left to the local search.
TAIL = 64

#: GPUs filled between checks of the limits.
_AT_ONCE = 25

#: Rounds of local search on the last GPUs before a distance is given up.
_TAIL_ROUNDS = 60

#: The first distance tried, as the spare capacity it leaves to each of the last GPUs.
_FIRST_SPARE = 1e-3

#: The search for the distance ends when success and failure are this close.
_CLOSE = 1.25


def construct(
    instance: Instance,
    *,
    seed: int = 0,
    limits: Limits,
    attempts: int | None = 12,
    bound: Fraction | float | None = None,
    on_improvement: OnImprovement | None = None,
) -> Placement | None:
    """Construct a placement close to the volume bound.

    Meant for fleets of many more than :data:`TAIL` GPUs; on smaller ones it amounts
    to a local search at thresholds near the bound.

    Parameters
    ----------
    instance
        The fleet.
    seed
        Seed of the random choices. The same seed and `attempts` give the same answer
        unless a limit stops the run.
    limits
        When to stop; checked every few milliseconds.
    attempts
        Maximum number of constructions; ``None`` for as many as the distance needs.
    bound
        A proven lower bound: a placement of this value ends the construction.
    on_improvement
        Called with better placements.

    Returns
    -------
    Placement or None
        The best placement of finite KVPR found, or ``None``.
    """
    incumbent = Incumbent(instance, bound, on_improvement)
    volume = incumbent.volume
    if instance.models and isinstance(volume, Fraction) and not incumbent.done:
        random = seeded(seed)
        for number, distance in enumerate(_distances(incumbent)):
            if incumbent.done or limits.stopped or number == attempts:
                break
            _attempt(incumbent, distance, random, limits)
    elif not instance.models:
        incumbent.offer(np.zeros(0, np.int64))
    incumbent.report()
    return incumbent.placement()


def _distances(incumbent: Incumbent) -> Iterator[float]:
    """Relative distances to the volume bound, each chosen after the previous one was tried."""
    gpus = len(incumbent.instance.gpus)
    failed, distance = 0.0, _FIRST_SPARE * min(gpus, TAIL) / gpus
    while True:
        yield distance
        reached = _gap(incumbent)
        if reached > distance:
            failed = distance
        if reached == math.inf:
            distance = 4 * distance
        elif failed == 0:
            distance = reached / 4
        elif reached > failed * _CLOSE:
            distance = math.sqrt(failed * min(reached, 16 * failed))
        else:
            # No closer distance is likely: try other draws at one that worked.
            failed, distance = failed / 2, reached / _CLOSE


def _gap(incumbent: Incumbent) -> float:
    """How far the incumbent is above the volume bound, relative to it."""
    value, volume = incumbent.value, incumbent.volume
    if not isinstance(value, Fraction) or not isinstance(volume, Fraction):
        return math.inf
    return float(value / volume - 1) if volume else 0.0


def _attempt(incumbent: Incumbent, distance: float, random: Ints, limits: Limits) -> None:
    """Run one construction at the volume bound times 1 + `distance`."""
    scaled = incumbent.instance.scaled
    assert isinstance(incumbent.volume, Fraction), "checked by the caller"
    limit = incumbent.volume * (1 + Fraction(distance).limit_denominator(10**9))
    threshold = scaled.at_most(limit)
    if not threshold.numerator:
        threshold = scaled.finite()
    bins = empty_bins(*incumbent.weights.at(threshold))
    workspace = new_workspace(len(bins.weights))
    order = choose_some(random, len(bins.loads), len(bins.loads))
    queue = choose_some(random, len(bins.weights), len(bins.weights))
    body = len(order) - min(len(order), TAIL)
    # Filling prefers some models to others. To keep the last GPUs from getting only
    # the unwanted ones, half of their models are set aside beforehand.
    aside = len(queue) * (len(order) - body) // (2 * len(order))
    queue, aside_models = queue[aside:], queue[:aside]
    spare = int(bins.capacities.sum() - bins.weights.sum())
    allowed = max(0, spare // (2 * len(order)))
    for first in range(0, body, _AT_ONCE):
        if limits.stopped:
            return
        gpus = order[first : min(first + _AT_ONCE, body)]
        fill_gpus(bins, workspace, random, gpus, queue, POOL, allowed)
        queue = queue[bins.gpu_of[queue] < 0]
    queue = np.concatenate([queue, aside_models])
    tail = order[body:]
    gpu_of = bins.gpu_of.copy()
    for packed in _tail_packings(bins, tail, queue, random, limits):
        gpu_of[queue] = tail[packed]
        incumbent.offer(gpu_of)


def _tail_packings(
    bins: Bins, tail: Ints, models: Ints, random: Ints, limits: Limits
) -> Iterator[Ints]:
    """Yield ever better packings of some models on the last GPUs, as positions in `tail`."""
    last = empty_bins(bins.weights[models], bins.capacities[tail])
    worst_fit(last, np.argsort(-last.weights, kind="stable"))
    hopeless = bool(last.weights.sum() > last.capacities.sum())
    workspace: Workspace = new_workspace(len(models))
    for number in range(1 if hopeless else _TAIL_ROUNDS):
        met = descend(last, workspace, random, round_work(last), number % 2 == 0)
        yield last.gpu_of
        if met or limits.stopped:
            return
