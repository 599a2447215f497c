"""Moves and swaps out of a GPU that keep all constraints."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kvpr_opt._types import BoolArray, FloatArray, IntArray
from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.heuristics.arrays import kvpr_of
from kvpr_opt.heuristics.constrained.board import Board, kvpr_within
from kvpr_opt.limits import Limits
from kvpr_opt.problem.placement import Placement

#: Maximum moves and swaps in one descent, per GPU.
_MOVES_A_GPU = 20

#: Maximum steps of levelling, per GPU.
_LEVELLING_A_GPU = 4


def improve(placement: Placement, limits: Limits) -> Placement:
    """Improve a placement by moves and swaps; return it unchanged if none helps."""
    start = np.array(placement.gpu_of, dtype=np.intp)
    try:
        better = descend(Board(placement.instance), start, limits)
        found = Placement(placement.instance, better.tolist())
    except InvalidPlacementError:
        return placement
    return found if found.max_kvpr < placement.max_kvpr else placement


def level(placement: Placement, limits: Limits) -> Placement:
    """Lower the next-worst GPUs in turn, never raising the maximum; unchanged if none can be."""
    start = np.array(placement.gpu_of, dtype=np.intp)
    levelled = level_off(Board(placement.instance), start, limits)
    try:
        return Placement(placement.instance, levelled.tolist())
    except InvalidPlacementError:  # it fitted in rounded numbers only
        return placement


def descend(board: Board, start: IntArray, limits: Limits) -> IntArray:
    """Make the best moves and swaps out of the worst GPU while they lower it."""
    gpu_of = start.copy()
    for _ in range(_MOVES_A_GPU * board.fleet.gpus):
        if limits.stopped or not _step(board, gpu_of, board.worst(gpu_of)[0]):
            break
    return np.asarray(gpu_of)


def level_off(board: Board, start: IntArray, limits: Limits) -> IntArray:
    """Make the best moves and swaps out of each GPU in turn, worst first, while they lower it.

    A step never lifts another GPU to the former KVPR of the first. So the KVPRs, in
    falling order, become lexicographically smaller with every step.
    """
    gpu_of = start.copy()
    for _ in range(_LEVELLING_A_GPU * board.fleet.gpus):
        for gpu in np.argsort(-board.values(gpu_of), kind="stable"):
            if limits.stopped:
                return np.asarray(gpu_of)
            if _step(board, gpu_of, int(gpu)):
                break
        else:
            break
    return np.asarray(gpu_of)


class _Change(NamedTuple):
    """A model that goes to a GPU, and the one that comes from there, or -1."""

    value: float
    model: int
    gpu: int
    other: int = -1


def _step(board: Board, gpu_of: IntArray, worst: int) -> bool:
    """Make the best move or swap out of a GPU, if one leaves both below its value."""
    around = _Surroundings(board, gpu_of, worst)
    if around.value == 0:
        return False
    best = _Change(around.value, -1, -1)
    for model in np.flatnonzero(gpu_of == worst):
        for change in (around.best_move(int(model)), around.best_swap(int(model))):
            if change is not None and change.value < best.value:
                best = change
    if best.model < 0:
        return False
    gpu_of[best.model] = best.gpu
    if best.other >= 0:
        gpu_of[best.other] = worst
    return True


class _Surroundings:
    """What decides about steps out of one GPU of a placement."""

    def __init__(self, board: Board, gpu_of: IntArray, worst: int) -> None:
        self._board, self._gpu_of, self._worst = board, gpu_of, worst
        self._free, self._pressure = board.loads(gpu_of)
        self._taken = board.members_on_gpus(gpu_of)
        self._others = np.flatnonzero(gpu_of != worst)
        self.value = float(kvpr_within(self._pressure, self._free)[worst])

    def _reach(self, model: int) -> BoolArray:
        """The GPUs that a model may go to, groups aside: those of a team stay in their node."""
        board = self._board
        reach = board.may[model].copy()
        if not board.alone[model]:
            reach &= board.node_of == board.node_of[self._worst]
        return np.asarray(reach)

    def _crowded(self, model: int) -> IntArray:
        """By GPU: how many groups of a model have a member there."""
        return np.asarray(self._board.member[:, model] @ self._taken)

    def _without(self, model: int) -> tuple[float, float]:
        """Pressure and free memory of the GPU without a model."""
        fleet = self._board.fleet
        return (
            self._pressure[self._worst] - fleet.pressures[model],
            self._free[self._worst] + fleet.sizes[model],
        )

    def best_move(self, model: int) -> _Change:
        """The move of a model that leaves both GPUs lowest."""
        fleet = self._board.fleet
        pressure, free = self._without(model)
        left = kvpr_of(np.array([pressure]), np.array([free]))[0]
        there = kvpr_within(
            self._pressure + fleet.pressures[model], self._free - fleet.sizes[model]
        )
        new: FloatArray = np.maximum(there, left)
        new[~self._reach(model) | (self._crowded(model) > 0)] = np.inf
        new[self._worst] = np.inf
        gpu = int(new.argmin())
        return _Change(float(new[gpu]), model, gpu)

    def best_swap(self, model: int) -> _Change | None:
        """The swap of a model with one of another GPU that leaves both GPUs lowest."""
        board, fleet, others = self._board, self._board.fleet, self._others
        if not others.size:
            return None
        mine = board.member[:, model]
        homes = self._gpu_of[others]
        shared = mine @ board.member[:, others]
        back = self._taken[:, self._worst] @ board.member[:, others]
        allowed = self._reach(model)[homes] & (self._crowded(model)[homes] - shared <= 0)
        allowed &= (back - shared <= 0) & board.may_come(others, self._worst, homes)
        sizes, pressures = fleet.sizes[others], fleet.pressures[others]
        pressure, free = self._without(model)
        at_worst = kvpr_within(pressure + pressures, free - sizes)
        at_home = kvpr_within(
            self._pressure[homes] + fleet.pressures[model] - pressures,
            self._free[homes] - fleet.sizes[model] + sizes,
        )
        both = np.where(allowed, np.maximum(at_worst, at_home), np.inf)
        k = int(both.argmin())
        return _Change(float(both[k]), model, int(homes[k]), int(others[k]))
