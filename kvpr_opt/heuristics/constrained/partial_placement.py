"""Models placed one after the other at a threshold, within all constraints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kvpr_opt._types import BoolArray, FloatArray, IntArray
from kvpr_opt.heuristics.arrays import kvpr_of
from kvpr_opt.heuristics.constrained.board import Board

#: How strongly a restart perturbs the order of the models.
_JITTER = 0.2


def build(
    board: Board, threshold: float, fullest_first: bool, random: np.random.Generator | None = None
) -> IntArray | None:
    """Place all models at a threshold, or above it where they do not fit.

    Those that need several GPUs come first, and then by falling n + T m, each on the allowed GPU
    with the least or the most room. ``None`` if a model fits nowhere within memory and
    constraints.

    Parameters
    ----------
    board, threshold
        The fleet, and T.
    fullest_first
        Whether the GPU with the least room is taken, of those that have enough.
    random
        Perturbs the order of the models.
    """
    fleet = board.fleet
    items = fleet.pressures + threshold * fleet.sizes
    partial = PartialPlacement(board, threshold, items, fullest_first)
    noise = 1.0 if random is None else 1 + _JITTER * random.random(len(items))
    keys = items * noise
    teams = sorted(board.teams, key=lambda team: -sum(keys[list(team[0])]))
    for team in teams:
        if not partial.place_team(team):
            return None
    freedom = board.may.sum(axis=1)
    # Models with a single possible GPU come first: they take their room in any case.
    for model in np.lexsort((-keys, freedom > 1)):
        if board.alone[model] and not partial.place(int(model)):
            return None
    return partial.gpu_of


class PartialPlacement:
    """A placement of some models at a threshold.

    Parameters
    ----------
    board, threshold
        The fleet, and the threshold.
    items
        The sizes of the models at the threshold.
    fullest_first
        As in :func:`build`.

    Attributes
    ----------
    gpu_of
        The GPU of each model, -1 where it has none yet.
    """

    def __init__(
        self, board: Board, threshold: float, items: FloatArray, fullest_first: bool
    ) -> None:
        fleet = board.fleet
        self._board, self._fullest_first = board, fullest_first
        self._items = items
        self._room = threshold * fleet.capacities
        self._free = fleet.capacities.copy()
        self._pressure = np.zeros(fleet.gpus)
        self._taken = np.zeros((len(board.member), fleet.gpus), dtype=bool)
        self.gpu_of = np.full(fleet.models, -1, dtype=np.intp)

    def place(self, model: int) -> bool:
        """Place a single model; return false if no GPU can take it."""
        gpu = self._choose(model, self._possible(model))
        if gpu is None:
            return False
        self._put(model, gpu)
        return True

    def place_team(self, replicas: Sequence[Sequence[int]]) -> bool:
        """Place replicas in different nodes, with all shards of each in one node."""
        used: set[int] = set()
        for parts in replicas:
            gpus = self._pinned(parts) if self._has_pin(parts) else self._best_node(parts, used)
            if gpus is None:
                return False
            for part, gpu in zip(parts, gpus, strict=True):
                self._put(part, gpu)
            used.add(int(self._board.node_of[gpus[0]]))
        return True

    def _has_pin(self, parts: Sequence[int]) -> bool:
        return any(self._board.may[part].sum() == 1 for part in parts)

    def _pinned(self, parts: Sequence[int]) -> list[int] | None:
        """The first possible GPU of each part."""
        possible = [np.flatnonzero(self._possible(part)) for part in parts]
        return [int(gpus[0]) for gpus in possible] if all(map(len, possible)) else None

    def _best_node(self, parts: Sequence[int], used: set[int]) -> list[int] | None:
        """The GPUs for some parts, in the node where the fullest of these has most room left."""
        node_of = self._board.node_of
        possible = np.logical_and.reduce([self._possible(part) for part in parts])
        best: tuple[float, list[int]] | None = None
        for node in range(int(node_of.max()) + 1):
            there = np.flatnonzero(possible & (node_of == node))
            if node in used or len(there) < len(parts):
                continue
            order = there[np.argsort(-self._room[there], kind="stable")]
            chosen = order[: len(parts)]
            key = float(self._room[chosen[-1]])
            if best is None or key > best[0]:
                best = key, [int(gpu) for gpu in chosen]
        return None if best is None else best[1]

    def _possible(self, model: int) -> BoolArray:
        """The GPUs possible for a model, given memory, groups and admissibility."""
        board, fleet = self._board, self._board.fleet
        possible = board.may[model] & (self._free >= fleet.sizes[model])
        groups = board.member[:, model] > 0
        if groups.any():
            possible &= ~self._taken[groups].any(axis=0)
        pressed = (self._pressure > 0) | (fleet.pressures[model] > 0)
        return np.asarray(possible & ((self._free > fleet.sizes[model]) | ~pressed))

    def _choose(self, model: int, possible: BoolArray) -> int | None:
        """The GPU with the least or the most room of those with enough, else the best one."""
        gpus = np.flatnonzero(possible)
        if not len(gpus):
            return None
        room = self._room[gpus] - self._items[model]
        within = room >= 0
        if within.any():
            room = np.where(within, room, np.inf if self._fullest_first else -np.inf)
            return int(gpus[room.argmin() if self._fullest_first else room.argmax()])
        fleet = self._board.fleet
        values = kvpr_of(
            self._pressure[gpus] + fleet.pressures[model], self._free[gpus] - fleet.sizes[model]
        )
        return int(gpus[values.argmin()])

    def _put(self, model: int, gpu: int) -> None:
        board, fleet = self._board, self._board.fleet
        self.gpu_of[model] = gpu
        self._room[gpu] -= self._items[model]
        self._free[gpu] -= fleet.sizes[model]
        self._pressure[gpu] += fleet.pressures[model]
        self._taken[board.member[:, model] > 0, gpu] = True
