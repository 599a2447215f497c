"""Placing a fleet with constraints: construction at a threshold, then moves and swaps.

This is simple compared with the stages for fleets without constraints, but every
placement it makes keeps all constraints, nodes included. At a threshold T the models are
placed in turn, those that need several GPUs first and then by falling n + T m, each on
the allowed GPU with the least or the most room; T is narrowed by bisection. Moves and
swaps out of the worst GPU follow, while they lower the maximum of the GPUs they touch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from kvpr_opt._types import BoolArray, FloatArray, IntArray
from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.heuristics.arrays import FleetArrays, kvpr_of
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement

#: Bisection steps on T for each policy, and restarts with random orders after it.
_STEPS, _RESTARTS = 12, 6

#: Maximum moves and swaps in one descent, per GPU.
_MOVES_A_GPU = 20

#: Maximum steps of levelling, per GPU.
_LEVELLING_A_GPU = 4

#: How strongly a restart perturbs the order of the models.
_JITTER = 0.2


def construct(
    instance: Instance,
    *,
    limits: Limits | None = None,
    on_candidate: Callable[[Placement, str], object] | None = None,
) -> Placement | None:
    """The best placement found that keeps all constraints.

    Parameters
    ----------
    instance
        A fleet with constraints.
    limits
        When to stop; the first construction always runs.
    on_candidate
        Called with each new best placement, and the name of the stage.
    """
    board = Board(instance)
    limits = limits or Limits()
    found = _Best(instance, board, on_candidate)
    for fullest_first in (True, False):
        _bisect(board, found, fullest_first, limits)
    random = np.random.default_rng(0)
    for restart in range(_RESTARTS):
        if limits.stopped:
            return found.placement
        target = found.value if np.isfinite(found.value) else board.least_threshold * 2.0**restart
        found.offer(board.build(target, restart % 2 == 0, random), "constrained construction")
    for start in sorted(found.starts, key=lambda start: board.worst(start)[1])[:_RESTARTS]:
        found.offer(board.descend(start, limits), "constrained moves")
    return found.placement


def _bisect(board: Board, found: _Best, fullest_first: bool, limits: Limits) -> None:
    """Look for the smallest threshold at which construction succeeds."""
    bottom = board.least_threshold
    top = found.value if np.isfinite(found.value) else 64 * bottom
    for _ in range(_STEPS):
        if limits.stopped and found.placement is not None:
            return
        threshold = (bottom * top) ** 0.5 if top > 2 * bottom else (bottom + top) / 2
        value = found.offer(board.build(threshold, fullest_first), "constrained construction")
        if value <= threshold * (1 + 1e-12):
            top = max(value, bottom)
        else:
            bottom = threshold


class _Best:
    """The best placement so far, and candidates worth improving."""

    def __init__(
        self,
        instance: Instance,
        board: Board,
        on_candidate: Callable[[Placement, str], object] | None,
    ) -> None:
        self._instance, self._board, self._tell = instance, board, on_candidate
        self.placement: Placement | None = None
        self.value = np.inf
        self.starts: list[IntArray] = []

    def offer(self, gpu_of: IntArray | None, stage: str) -> float:
        """Accept a placement if it is better; return its value."""
        if gpu_of is None:
            return np.inf
        self.starts.append(gpu_of)
        value = self._board.worst(gpu_of)[1]
        if not value < self.value:
            return value
        try:
            placement = Placement(self._instance, gpu_of.tolist())
        except InvalidPlacementError:  # it fitted in rounded numbers only
            return np.inf
        if isinstance(placement.max_kvpr, Fraction):
            self.placement, self.value = placement, value
            if self._tell is not None:
                self._tell(placement, stage)
        return value


def improve(placement: Placement, limits: Limits) -> Placement:
    """Improve a placement by moves and swaps; return it unchanged if none helps."""
    board = Board(placement.instance)
    start = np.array(placement.gpu_of, dtype=np.intp)
    try:
        found = Placement(placement.instance, board.descend(start, limits).tolist())
    except InvalidPlacementError:
        return placement
    return found if found.max_kvpr < placement.max_kvpr else placement


def level(placement: Placement, limits: Limits) -> Placement:
    """Lower the next-worst GPUs in turn, never raising the maximum; unchanged if none can be."""
    start = np.array(placement.gpu_of, dtype=np.intp)
    levelled = Board(placement.instance).level_off(start, limits)
    try:
        return Placement(placement.instance, levelled.tolist())
    except InvalidPlacementError:  # it fitted in rounded numbers only
        return placement


class Board:
    """A fleet with constraints as arrays, and steps that respect the constraints.

    Parameters
    ----------
    instance
        The fleet.
    """

    def __init__(self, instance: Instance) -> None:
        self._arrays = FleetArrays.of(instance)
        self._constraints = constraints = instance.constraints
        models, gpus = len(instance.models), len(instance.gpus)
        # By model and GPU.
        self._may = np.ones((models, gpus), dtype=bool)
        for model, of_model in constraints.admissible.items():
            self._may[model] = False
            self._may[model, sorted(of_model)] = True
        # By group and model.
        self._member = np.zeros((len(constraints.apart), models), dtype=np.int64)
        for number, group in enumerate(constraints.apart):
            self._member[number, list(group.models)] = 1
        self._node_of = np.array(constraints.node_of, dtype=np.intp)
        self._teams = self._make_teams()
        self._alone = np.ones(models, dtype=bool)
        for team in self._teams:
            for parts in team:
                self._alone[list(parts)] = False

    def _make_teams(self) -> list[tuple[tuple[int, ...], ...]]:
        """Models that must be placed together: replicas over nodes, each with its shards."""
        spread = [tuple(each.replicas) for each in self._constraints.spread]
        known = {model for team in spread for parts in team for model in parts}
        return spread + [
            (shards.models,)
            for shards in self._constraints.together
            if shards.models[0] not in known
        ]

    @property
    def least_threshold(self) -> float:
        """A lower bound on the threshold of any placement, or some positive number."""
        fleet = self._arrays
        free = float(fleet.capacities.sum() - fleet.sizes.sum())
        pressure = float(fleet.pressures.sum())
        if pressure == 0:
            return 1.0
        return pressure / free if free > 0 else pressure

    # -- construction ----------------------------------------------------------------

    def build(
        self, threshold: float, fullest_first: bool, random: np.random.Generator | None = None
    ) -> IntArray | None:
        """Place all models at a threshold, or above it where they do not fit.

        ``None`` if a model fits nowhere within memory and constraints.
        """
        fleet = self._arrays
        items = fleet.pressures + threshold * fleet.sizes
        state = _State(self, threshold, fullest_first)
        noise = 1.0 if random is None else 1 + _JITTER * random.random(len(items))
        keys = items * noise
        teams = sorted(self._teams, key=lambda team: -sum(keys[list(team[0])]))
        for team in teams:
            if not state.place_team(team):
                return None
        freedom = self._may.sum(axis=1)
        # Models with a single possible GPU come first: they take their room in any case.
        for model in np.lexsort((-keys, freedom > 1)):
            if self._alone[model] and not state.place(int(model)):
                return None
        return state.gpu_of

    def allowed(self, model: int) -> BoolArray:
        """The GPUs that a model may run on."""
        return np.asarray(self._may[model])

    # -- descent ---------------------------------------------------------------------

    def loads(self, gpu_of: IntArray) -> tuple[FloatArray, FloatArray]:
        """Free memory and pressure of each GPU."""
        fleet = self._arrays
        used, pressure = (
            np.bincount(gpu_of, weights=of_model, minlength=fleet.gpus).astype(np.float64)
            for of_model in (fleet.sizes, fleet.pressures)
        )
        return fleet.capacities - used, pressure

    def worst(self, gpu_of: IntArray) -> tuple[int, float]:
        """The GPU of the largest KVPR, and its KVPR."""
        values = self.values(gpu_of)
        gpu = int(values.argmax())
        return gpu, float(values[gpu])

    def values(self, gpu_of: IntArray) -> FloatArray:
        """The KVPR of each GPU; infinite if memory is exceeded."""
        free, pressure = self.loads(gpu_of)
        return _after(pressure, free)

    def descend(self, start: IntArray, limits: Limits) -> IntArray:
        """Make the best moves and swaps out of the worst GPU while they lower it."""
        gpu_of = start.copy()
        for _ in range(_MOVES_A_GPU * self._arrays.gpus):
            if limits.stopped or not self._step(gpu_of, self.worst(gpu_of)[0]):
                break
        return np.asarray(gpu_of)

    def level_off(self, start: IntArray, limits: Limits) -> IntArray:
        """Make the best moves and swaps out of each GPU in turn, worst first, while they lower it.

        A step never lifts another GPU to the former KVPR of the first. So the KVPRs, in
        falling order, become lexicographically smaller with every step.
        """
        gpu_of = start.copy()
        for _ in range(_LEVELLING_A_GPU * self._arrays.gpus):
            for gpu in np.argsort(-self.values(gpu_of), kind="stable"):
                if limits.stopped:
                    return np.asarray(gpu_of)
                if self._step(gpu_of, int(gpu)):
                    break
            else:
                break
        return np.asarray(gpu_of)

    def _step(self, gpu_of: IntArray, worst: int) -> bool:
        """Make the best move or swap out of a GPU, if one leaves both below its value."""
        fleet = self._arrays
        value = float(self.values(gpu_of)[worst])
        free, pressure = self.loads(gpu_of)
        if value == 0:
            return False
        taken = np.zeros((len(self._member), fleet.gpus), dtype=np.int64)
        for number, members in enumerate(self._member):
            np.add.at(taken[number], gpu_of[members > 0], 1)
        best, change = value, None
        on_worst = np.flatnonzero(gpu_of == worst)
        others = np.flatnonzero(gpu_of != worst)
        for i in on_worst:
            mine = self._member[:, i]
            size, n = fleet.sizes[i], fleet.pressures[i]
            # By GPU: how many groups of i have a member there.
            crowded = mine @ taken
            reach = self.allowed(int(i)).copy()
            if not self._alone[i]:
                reach &= self._node_of == self._node_of[worst]
            left = kvpr_of(
                np.array([pressure[worst] - n]), np.array([free[worst] + size])
            )[0]  # fmt: skip
            new = np.maximum(_after(pressure + n, free - size), left)
            new[~reach | (crowded > 0)] = np.inf
            new[worst] = np.inf
            gpu = int(new.argmin())
            if new[gpu] < best:
                best, change = float(new[gpu]), (int(i), gpu, -1)
            # Swaps: j comes from its GPU h, and i goes there.
            h = gpu_of[others]
            shared = mine @ self._member[:, others]
            back = taken[:, worst] @ self._member[:, others]
            ok = reach[h] & (crowded[h] - shared <= 0) & (back - shared <= 0)
            ok &= self._may_come(others, worst, h)
            more, extra = fleet.sizes[others], fleet.pressures[others]
            at_worst = _after(pressure[worst] - n + extra, free[worst] + size - more)
            at_h = _after(pressure[h] + n - extra, free[h] - size + more)
            both = np.where(ok, np.maximum(at_worst, at_h), np.inf)
            if both.size and both.min() < best:
                k = int(both.argmin())
                best, change = float(both[k]), (int(i), int(h[k]), int(others[k]))
        if change is None:
            return False
        i_, gpu, j = change
        gpu_of[i_] = gpu
        if j >= 0:
            gpu_of[j] = worst
        return True

    def _may_come(self, models: IntArray, gpu: int, homes: IntArray) -> BoolArray:
        """Which of some models may run on a GPU after leaving their current ones."""
        may = self._may[models, gpu]
        return np.asarray(
            may & (self._alone[models] | (self._node_of[homes] == self._node_of[gpu]))
        )


def _after(pressure: FloatArray, free: FloatArray) -> FloatArray:
    """KVPR of GPUs; infinite if their memory does not suffice."""
    value = kvpr_of(pressure, free)
    value[free < 0] = np.inf
    return value


class _State:
    """A partial placement at a threshold."""

    def __init__(self, board: Board, threshold: float, fullest_first: bool) -> None:
        fleet = board._arrays
        self._board, self._fullest_first = board, fullest_first
        self._threshold = threshold
        self._items = fleet.pressures + threshold * fleet.sizes
        self._room = threshold * fleet.capacities
        self._free = fleet.capacities.copy()
        self._pressure = np.zeros(fleet.gpus)
        self._taken = np.zeros((len(board._member), fleet.gpus), dtype=bool)
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
        board = self._board
        used: set[int] = set()
        for parts in replicas:
            possible = self._possible(parts[0])
            for part in parts[1:]:
                possible = possible & self._possible(part) if len(parts) > 1 else possible
            pinned = any(self._board.allowed(part).sum() == 1 for part in parts)
            choice = self._best_node(parts, used, possible, pinned)
            if choice is None:
                return False
            for part, gpu in zip(parts, choice, strict=True):
                self._put(part, gpu)
            used.add(int(board._node_of[choice[0]]))
        return True

    def _best_node(
        self, parts: Sequence[int], used: set[int], possible: BoolArray, pinned: bool
    ) -> list[int] | None:
        """The GPUs for some parts, in the node where the fullest of these has most room left."""
        board = self._board
        if pinned:
            gpus = [int(np.flatnonzero(self._possible(part))[0]) for part in parts
                    if self._possible(part).any()]  # fmt: skip
            return gpus if len(gpus) == len(parts) else None
        best: tuple[float, list[int]] | None = None
        for node in range(int(board._node_of.max()) + 1):
            if node in used:
                continue
            there = np.flatnonzero(possible & (board._node_of == node))
            if len(there) < len(parts):
                continue
            order = there[np.argsort(-self._room[there], kind="stable")]
            chosen = order[: len(parts)]
            key = float(self._room[chosen[-1]])
            if best is None or key > best[0]:
                best = key, [int(gpu) for gpu in chosen]
        return None if best is None else best[1]

    def _possible(self, model: int) -> BoolArray:
        """The GPUs possible for a model, given memory, groups and admissibility."""
        board, fleet = self._board, self._board._arrays
        possible = board.allowed(model) & (self._free >= fleet.sizes[model])
        groups = board._member[:, model] > 0
        if groups.any():
            possible &= ~self._taken[groups].any(axis=0)
        pressed = (self._pressure > 0) | (fleet.pressures[model] > 0)
        return np.asarray(possible & ((self._free > fleet.sizes[model]) | ~pressed))

    def _choose(self, model: int, possible: BoolArray) -> int | None:
        gpus = np.flatnonzero(possible)
        if not len(gpus):
            return None
        room = self._room[gpus] - self._items[model]
        within = room >= 0
        if within.any():
            room = np.where(within, room, np.inf if self._fullest_first else -np.inf)
            return int(gpus[room.argmin() if self._fullest_first else room.argmax()])
        fleet = self._board._arrays
        values = kvpr_of(
            self._pressure[gpus] + fleet.pressures[model], self._free[gpus] - fleet.sizes[model]
        )
        return int(gpus[values.argmin()])

    def _put(self, model: int, gpu: int) -> None:
        board, fleet = self._board, self._board._arrays
        self.gpu_of[model] = gpu
        self._room[gpu] -= self._items[model]
        self._free[gpu] -= fleet.sizes[model]
        self._pressure[gpu] += fleet.pressures[model]
        self._taken[board._member[:, model] > 0, gpu] = True
