"""Parametric packing: many placements built at once, one model of each per step.

At a threshold T the question "max KVPR <= T" is bin packing with item sizes
w_i(T) = n_i + T m_i and bins T C_g. A *recipe* is an order of the models and a
policy for the choice of a GPU; a row of the batch is a recipe at a threshold.

Orders (all decreasing): the item size w(T); the KVPR n / (C - m) of a model
alone on the largest GPU; the pressure per memory n / m.

Policies, among the GPUs that stay within T: *best fit*, the least residual
T C - used; *levelling*, the smallest new KVPR, which is the smallest new
maximum with ties decided by the GPU itself; *balanced*, a mix of the new KVPR
and the share of memory used. If no GPU stays within T, the model still goes to
the GPU of smallest new KVPR: the row does not count as packed at T, but it is
still a placement worth improving.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kvpr_opt._types import BoolArray, FloatArray, IntArray
from kvpr_opt.heuristics.arrays import FleetArrays, kvpr_of
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.limits import Limits

ORDERS = ("item_size", "alone", "density")
POLICIES = ("best_fit", "levelling", "balanced")

#: The nine combinations, sorted by policy, so that rows of a policy are adjacent.
RECIPES = tuple((order, policy) for policy in range(3) for order in range(3))

#: Shares of the models placed at which a row may be re-tuned.
_RETUNE_AT = (0.4, 0.75)

#: Weight of the memory share in the balanced policy, where the KVPR counts in units of T.
_BALANCE = 0.5


@dataclass(frozen=True, eq=False)
class Rows:
    """What to build: one placement per row.

    Attributes
    ----------
    order, policy
        Index into :data:`ORDERS` and :data:`POLICIES`; `policy` ascending.
    threshold
        T of each row, above 0.
    retune
        Whether T is set to the maximum KVPR reached so far when 40 % and 75 %
        of the models are placed, and the rest ordered anew.
    """

    order: IntArray
    policy: IntArray
    threshold: FloatArray
    retune: BoolArray

    @classmethod
    def of(cls, thresholds: FloatArray, *, retune: bool = False) -> Rows:
        """All nine recipes at each threshold, shape (thresholds,) or (recipes, thresholds)."""
        table = np.broadcast_to(thresholds, (len(RECIPES), np.shape(thresholds)[-1]))
        order, policy = np.array(RECIPES, dtype=np.intp).T
        repeat = table.shape[1]
        return cls(
            order=np.repeat(order, repeat),
            policy=np.repeat(policy, repeat),
            threshold=table.ravel(),
            retune=np.full(table.size, retune),
        )

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """The rows of several batches, sorted by policy."""
        policy = np.concatenate([part.policy for part in parts])
        by_policy = np.argsort(policy, kind="stable")
        return cls(
            order=np.concatenate([part.order for part in parts])[by_policy],
            policy=policy[by_policy],
            threshold=np.concatenate([part.threshold for part in parts])[by_policy],
            retune=np.concatenate([part.retune for part in parts])[by_policy],
        )


class PackedRows(NamedTuple):
    """What :func:`pack` built.

    Attributes
    ----------
    candidates
        The placements that fit into memory.
    row
        By candidate: the row that it comes from.
    packed
        By row: whether it stayed within its threshold to the end.
    """

    candidates: Candidates
    row: IntArray
    packed: BoolArray


def pack(fleet: FleetArrays, rows: Rows, *, limits: Limits | None = None) -> PackedRows:
    """Build a placement for every row.

    Parameters
    ----------
    fleet
        The fleet.
    rows
        The recipes and thresholds.
    limits
        Checked once per model; when stopped, nothing is built.

    Notes
    -----
    O(rows models GPUs), in one numpy step per model.
    """
    count = len(rows.threshold)
    threshold = rows.threshold.copy()
    order = _sorted(fleet, rows.order, threshold)
    free = np.repeat(fleet.capacities[None], count, axis=0)
    load = np.zeros_like(free)
    assign = np.zeros((count, fleet.models), dtype=np.intp)
    packed, legal = np.ones(count, dtype=bool), np.ones(count, dtype=bool)
    each = np.arange(count)
    ends = np.searchsorted(rows.policy, range(len(POLICIES)), side="right")
    retuned = np.flatnonzero(rows.retune)
    checkpoints = {max(1, round(share * fleet.models)) for share in _RETUNE_AT}
    for step in range(fleet.models):
        if limits and limits.stopped:
            legal[:] = packed[:] = False
            break
        if len(retuned) and step in checkpoints:
            threshold[retuned] = _reached(fleet, rows, free, load)[retuned]
            _sort_rest(fleet, rows, threshold, order, retuned, step)
        model = order[:, step]
        gpu, fits, room = _choose(fleet, model, free, load, threshold, ends)
        packed &= fits
        legal &= room
        assign[each, model] = gpu
        free[each, gpu] -= fleet.sizes[model]
        load[each, gpu] += fleet.pressures[model]
    return PackedRows(Candidates(fleet, assign[legal]), np.flatnonzero(legal), packed)


def _choose(
    fleet: FleetArrays,
    model: IntArray,
    free: FloatArray,
    load: FloatArray,
    threshold: FloatArray,
    ends: IntArray,
) -> tuple[IntArray, BoolArray, BoolArray]:
    """For each row: the GPU for its next model, whether it stays within T, whether it has room."""
    new_free = free - fleet.sizes[model][:, None]
    new_load = load + fleet.pressures[model][:, None]
    kvpr = kvpr_of(new_load, new_free)
    room = new_free >= 0
    limit = threshold[:, None] * (1 + 1e-12)
    fits = (kvpr <= limit) & room
    score = kvpr.copy()
    best, balanced = slice(0, ends[0]), slice(ends[1], ends[2])
    score[best] = limit[best] * new_free[best] - new_load[best]
    score[balanced] = kvpr[balanced] / limit[balanced] - _BALANCE * (
        new_free[balanced] / np.maximum(fleet.capacities, 1)
    )
    score[~fits] = np.inf
    gpu = score.argmin(axis=1)
    each = np.arange(len(model))
    within = fits[each, gpu]
    if not within.all():
        lost = np.flatnonzero(~within)
        gpu[lost] = np.where(room[lost], np.minimum(kvpr[lost], 1e300), np.inf).argmin(axis=1)
    return gpu, within, room[each, gpu]


def _keys(fleet: FleetArrays, order: IntArray, threshold: FloatArray) -> FloatArray:
    """Sort keys by row and model, the largest first."""
    n, m = fleet.pressures, fleet.sizes
    keys = n + threshold[:, None] * m
    keys[order == 1] = kvpr_of(n, np.maximum(fleet.capacities.max() - m, 0))
    keys[order == 2] = kvpr_of(n, m)
    return keys


def _sorted(fleet: FleetArrays, order: IntArray, threshold: FloatArray) -> IntArray:
    return np.argsort(-_keys(fleet, order, threshold), axis=1, kind="stable")


def _reached(fleet: FleetArrays, rows: Rows, free: FloatArray, load: FloatArray) -> FloatArray:
    """The maximum KVPR of each row so far, as a threshold that is neither zero nor infinite."""
    # No finite KVPR is above the total pressure.
    most = max(1.0, float(fleet.pressures.sum()))
    reached: FloatArray = np.clip(kvpr_of(load, free).max(axis=1), rows.threshold * 1e-3, most)
    return reached


def _sort_rest(
    fleet: FleetArrays,
    rows: Rows,
    threshold: FloatArray,
    order: IntArray,
    which: IntArray,
    step: int,
) -> None:
    """Re-sort the models from `step` on in some rows, in place."""
    rest = order[which, step:]
    keys = np.take_along_axis(_keys(fleet, rows.order[which], threshold[which]), rest, axis=1)
    order[which, step:] = np.take_along_axis(rest, np.argsort(-keys, axis=1, kind="stable"), axis=1)


def greedy(fleet: FleetArrays, threshold: float) -> Candidates:
    """Build one placement quickly: largest item w(T) first, to the least loaded GPU.

    The load of a GPU is the sum of its w(T) over its capacity; a heap gives the
    least loaded one. O((models + GPUs) log GPUs).

    Returns
    -------
    Candidates
        One placement, or none if a model found no room on the GPUs tried.
    """
    heap = [(0.0, gpu) for gpu in range(fleet.gpus)]
    free, load = fleet.capacities.tolist(), [0.0] * fleet.gpus
    sizes, pressures = fleet.sizes.tolist(), fleet.pressures.tolist()
    weight = (fleet.pressures + threshold * fleet.sizes).tolist()
    assign = np.zeros((1, fleet.models), dtype=np.intp)
    for model in sorted(range(fleet.models), key=lambda i: -weight[i]):
        full: list[tuple[float, int]] = []
        while heap and len(full) < 32:
            share, gpu = heapq.heappop(heap)
            left = free[gpu] - sizes[model]
            if left > 0 or (left == 0 and load[gpu] + pressures[model] == 0):
                break
            full.append((share, gpu))
        else:
            return Candidates.joined(fleet, [])
        free[gpu] = left
        load[gpu] += pressures[model]
        heapq.heappush(heap, (share + weight[model] / max(fleet.capacities[gpu], 1), gpu))
        for entry in full:
            heapq.heappush(heap, entry)
        assign[0, model] = gpu
    return Candidates(fleet, assign)
