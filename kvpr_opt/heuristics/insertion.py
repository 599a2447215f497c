"""Constructions that need no threshold: regret insertion and memory packing."""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import FloatArray
from kvpr_opt.heuristics.arrays import FleetArrays, kvpr_of
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.limits import Limits

#: The four ways of memory packing.
MEMORY_WAYS = ("mixed", "best_fit", "most_free", "first_fit")

#: Share of the models, largest first, that memory packing spreads out.
_SPREAD = 0.3


def regret_insertion(
    fleet: FleetArrays, threshold: float, *, limits: Limits | None = None
) -> Candidates:
    """Insert first the model that loses most if its best GPU is taken.

    The regret of a model is the difference between the second-best and the best
    maximum KVPR that placing it can result in; a model with a single GPU left
    has infinite regret. Ties go to the larger w(T) = n + T m, then to input
    order.

    Parameters
    ----------
    fleet
        The fleet.
    threshold
        T, used for ties only.
    limits
        Checked once per model; when stopped, nothing is built.

    Returns
    -------
    Candidates
        One placement, or none if a model found no room.

    Notes
    -----
    O(models^2 GPUs), in one numpy step per model.
    """
    order = np.argsort(-(fleet.pressures + threshold * fleet.sizes), kind="stable")
    free, load = fleet.capacities.copy(), np.zeros(fleet.gpus)
    assign = np.zeros((1, fleet.models), dtype=np.intp)
    while len(order):
        if limits and limits.stopped:
            return Candidates.joined(fleet, [])
        new_free = free - fleet.sizes[order][:, None]
        new_load = load + fleet.pressures[order][:, None]
        kvpr = np.where(new_free < 0, np.inf, kvpr_of(new_load, new_free))
        gpu = kvpr.argmin(axis=1)
        resulting = np.maximum(kvpr, kvpr_of(load, free).max())
        pick = int(_regret(resulting).argmax())
        model, target = order[pick], gpu[pick]
        if new_free[pick, target] < 0:
            return Candidates.joined(fleet, [])
        assign[0, model] = target
        free[target] -= fleet.sizes[model]
        load[target] += fleet.pressures[model]
        order = np.delete(order, pick)
    return Candidates(fleet, assign)


def _regret(resulting: FloatArray) -> FloatArray:
    """Second-lowest minus lowest value of each row; ``inf`` if there is no second."""
    regret = np.full(len(resulting), np.inf)
    if resulting.shape[1] > 1:
        two = np.partition(resulting, 1, axis=1)
        np.subtract(two[:, 1], two[:, 0], out=regret, where=np.isfinite(two[:, 1]))
    return regret


def memory_packing(
    fleet: FleetArrays, *, limits: Limits | None = None
) -> tuple[Candidates, tuple[str, ...]]:
    """Pack by memory alone, largest model first, in four ways.

    First, the largest 30 % of the models each go to the GPU with the most free memory
    and the rest by best fit; then plain best fit, most free memory and first fit.
    These find a placement when memory is too tight to take pressure into account.

    Returns
    -------
    candidates
        The placements of those ways that placed every model.
    ways
        Their names, of :data:`MEMORY_WAYS`.

    Notes
    -----
    O(models GPUs). Checks `limits` once per model; when stopped, nothing is built.
    """
    order = np.argsort(-fleet.sizes, kind="stable")
    free = np.repeat(fleet.capacities[None], 4, axis=0)
    load = np.zeros_like(free)
    assign = np.zeros((4, fleet.models), dtype=np.intp)
    legal = np.ones(4, dtype=bool)
    each = np.arange(4)
    for step, model in enumerate(order):
        if limits and limits.stopped:
            return Candidates.joined(fleet, []), ()
        new_free = free - fleet.sizes[model]
        full = (new_free == 0) & (load + fleet.pressures[model] > 0)
        score = _memory_score(new_free, spread=step < _SPREAD * fleet.models)
        # A full GPU under pressure is the last resort: legal, but of infinite KVPR.
        score[full] = 1e300
        score[new_free < 0] = np.inf
        gpu = score.argmin(axis=1)
        legal &= np.isfinite(score[each, gpu])
        assign[:, model] = gpu
        free[each, gpu] -= fleet.sizes[model]
        load[each, gpu] += fleet.pressures[model]
    ways = tuple(MEMORY_WAYS[way] for way in np.flatnonzero(legal))
    return Candidates(fleet, assign[legal]), ways


def _memory_score(new_free: FloatArray, *, spread: bool) -> FloatArray:
    """Scores, the lower the better, with one row for each of :data:`MEMORY_WAYS`."""
    index = np.arange(float(new_free.shape[1]))
    mixed = -new_free[0] if spread else new_free[0]
    return np.stack([mixed, new_free[1], -new_free[2], index])
