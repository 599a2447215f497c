"""The order in which to move models: load, health gate, switch, unload, one unit after the other.

A unit is what moves together: a model or a replica with all its shards. Its new copy is loaded
while the old one still serves (make before break), so for a while both take memory, and both count
for separation constraints. If no order leaves room for that, some units have to stop first: they
are unloaded, and loaded on their new GPUs later.

For up to :data:`EXACT_UNITS` units the plan stops the fewest and, among those plans, has the lowest
peak KVPR on the way: shortest paths over the sets of units moved and stopped. With more units, each
step is chosen greedily.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.operate.moving_units import Rivals, units_of
from kvpr_opt.operate.relocation.problem import NOWHERE
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Kvpr, Placement

#: Maximum number of units for an optimal order.
EXACT_UNITS = 8

#: What a step does.
LOAD, HEALTH, SWITCH, UNLOAD, STOP = "load", "health gate", "switch", "unload", "stop"


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes
    ----------
    action
        ``"load"`` the weights of a part on its new GPU; ``"health gate"``: wait until the unit
        answers there; ``"switch"`` its requests over; ``"unload"`` the old copy; ``"stop"``: unload
        the unit before its new copy is loaded, so that it does not serve for a while.
    models
        The parts concerned.
    gpus
        Their GPUs: the new ones for load, health gate and switch, else the old ones.
    max_kvpr
        The highest KVPR of the fleet after this step.
    """

    action: str
    models: tuple[str, ...]
    gpus: tuple[str, ...]
    max_kvpr: Kvpr


@dataclass(frozen=True)
class Plan:
    """Ordered steps from one placement to another.

    Attributes
    ----------
    steps
        In order.
    stopped
        Names of the models that stop serving for a while.
    max_kvpr
        The highest KVPR at any time on the way.
    exact
        Whether the plan is proved to have the fewest stops and, among such plans, the lowest
        peak KVPR.
    """

    steps: tuple[Step, ...]
    stopped: tuple[str, ...]
    max_kvpr: Kvpr
    exact: bool


def plan_moves(instance: Instance, home: Sequence[int], target: Placement) -> Plan:
    """Order the moves from where models run to a placement.

    Parameters
    ----------
    instance
        The fleet.
    home
        By model, the number of its GPU, or :data:`~.relocation.problem.NOWHERE`.
    target
        Where the models are to run.

    Raises
    ------
    InvalidPlacementError
        If the models do not fit the GPUs where they run now.
    """
    return _Planner(instance, home, target).plan()


class _Planner:
    def __init__(self, instance: Instance, home: Sequence[int], target: Placement) -> None:
        self._instance = instance
        self._sizes, self._pressures = instance.scaled.sizes, instance.scaled.pressures
        self._capacities = instance.scaled.capacities
        self._home = tuple(home)
        self._units = list(units_of(instance, home, target.gpu_of))
        self._rivals = Rivals(instance, self._units)
        used = self._used((), ())
        if any(u > c for u, c in zip(used, self._capacities, strict=True)):
            raise InvalidPlacementError("the models do not fit the GPUs where they run now")

    def plan(self) -> Plan:
        exact = len(self._units) <= EXACT_UNITS
        order = self._best_order() if exact else self._good_order()
        steps: list[Step] = []
        moved: tuple[int, ...] = ()
        stopped: tuple[int, ...] = ()
        worst = self._kvpr((), (), ())
        for action, unit in order:
            if action == STOP:
                stopped = (*stopped, unit)
                steps.append(self._step(STOP, unit, self._kvpr(moved, stopped, ())))
                continue
            loading = self._kvpr(moved, stopped, (unit,))
            was_stopped = unit in stopped
            stopped = tuple(other for other in stopped if other != unit)
            switched = self._kvpr((*moved, unit), stopped, (), both=None if was_stopped else unit)
            moved = (*moved, unit)
            steps += [
                self._step(LOAD, unit, loading),
                self._step(HEALTH, unit, loading),
                self._step(SWITCH, unit, switched),
            ]
            if not was_stopped and self._units[unit].on_old:
                steps.append(self._step(UNLOAD, unit, self._kvpr(moved, stopped, ())))
        worst = max([worst, *(step.max_kvpr for step in steps)])
        names = tuple(
            self._instance.models[model].name
            for action, unit in order
            if action == STOP
            for model in self._units[unit].models
        )
        return Plan(tuple(steps), names, worst, exact)

    def _step(self, action: str, unit: int, kvpr: Kvpr) -> Step:
        made = self._units[unit]
        gpus = made.old if action in (UNLOAD, STOP) else made.new
        models, fleet = self._instance.models, self._instance.gpus
        pairs = [(m, g) for m, g in zip(made.models, gpus, strict=True) if g != NOWHERE]
        return Step(
            action,
            tuple(models[m].name for m, _ in pairs),
            tuple(fleet[g].name for _, g in pairs),
            kvpr,
        )

    def _loads(
        self,
        moved: Sequence[int],
        stopped: Sequence[int],
        loading: Sequence[int],
        both: int | None = None,
    ) -> tuple[list[int], list[int]]:
        """Memory and pressure by GPU. `loading`: the new copy is loaded, the old one serves.

        `both`: the unit that serves on its new GPUs while the old copy is still there.
        """
        serving = self._serving(moved, stopped)
        resident = [*serving, *(p for unit in loading for p in self._units[unit].on_new)]
        if both is not None:
            resident += self._units[both].on_old
        used = [0] * len(self._capacities)
        load = [0] * len(self._capacities)
        for model, gpu in resident:
            used[gpu] += self._sizes[model]
        for model, gpu in serving:
            load[gpu] += self._pressures[model]
        return used, load

    def _serving(self, moved: Sequence[int], stopped: Sequence[int]) -> list[tuple[int, int]]:
        """Models that answer requests, and their GPUs."""
        at = self._places(moved, stopped)
        return [(model, gpu) for model, gpu in enumerate(at) if gpu != NOWHERE]

    def _places(self, moved: Sequence[int], stopped: Sequence[int]) -> list[int]:
        """By model, its GPU, or :data:`NOWHERE`."""
        at = list(self._home)
        for unit in moved:
            for model, gpu in self._units[unit].on_new:
                at[model] = gpu
        for unit in stopped:
            for model in self._units[unit].models:
                at[model] = NOWHERE
        return at

    def _used(self, moved: Sequence[int], stopped: Sequence[int]) -> list[int]:
        return self._loads(moved, stopped, ())[0]

    def _kvpr(
        self,
        moved: Sequence[int],
        stopped: Sequence[int],
        loading: Sequence[int],
        both: int | None = None,
    ) -> Kvpr:
        used, load = self._loads(moved, stopped, loading, both)
        worst: Kvpr = Fraction(0)
        for u, n, c in zip(used, load, self._capacities, strict=True):
            if n and u >= c:
                return math.inf
            if n:
                worst = max(worst, Fraction(n, c - u) * self._instance.scaled.kvpr_unit)
        return worst

    def _fits(self, moved: Sequence[int], stopped: Sequence[int], unit: int) -> bool:
        """Whether the new copy of a unit can be loaded beside everything already there."""
        used, _ = self._loads(moved, stopped, (unit,))
        if any(u > c for u, c in zip(used, self._capacities, strict=True)):
            return False
        return not self._rivals.meet(self._units[unit], self._places(moved, stopped))

    def _peak(self, moved: tuple[int, ...], stopped: tuple[int, ...], unit: int) -> Kvpr:
        """The highest KVPR while a unit moves."""
        after = tuple(other for other in stopped if other != unit)
        was_stopped = unit in stopped
        return max(
            self._kvpr(moved, stopped, (unit,)),
            self._kvpr((*moved, unit), after, (), both=None if was_stopped else unit),
            self._kvpr((*moved, unit), after, ()),
        )

    def _best_order(self) -> list[tuple[str, int]]:
        """Fewest parts stopped, then the lowest peak: Dijkstra over sets moved and stopped."""
        every = frozenset(range(len(self._units)))
        start = (frozenset[int](), frozenset[int]())
        first: tuple[int, Kvpr] = (0, self._kvpr((), (), ()))
        best = {start: first}
        came: dict[object, tuple[tuple[frozenset[int], frozenset[int]], str, int]] = {}
        count = 0
        queue = [(first, count, start)]
        while queue:
            cost, _, state = heapq.heappop(queue)
            if cost > best[state]:
                continue
            moved, stopped = state
            if moved == every:
                return _path(came, state)
            for action, unit, following, extra in self._next(moved, stopped):
                stops, peak = cost
                total = (stops + extra[0], max(peak, extra[1]))
                if following not in best or total < best[following]:
                    best[following] = total
                    came[following] = (state, action, unit)
                    count += 1
                    heapq.heappush(queue, (total, count, following))
        raise AssertionError("stopping everything always leaves room for the target")

    def _next(
        self, moved: frozenset[int], stopped: frozenset[int]
    ) -> Iterator[tuple[str, int, tuple[frozenset[int], frozenset[int]], tuple[int, Kvpr]]]:
        order, halted = tuple(sorted(moved)), tuple(sorted(stopped))
        for unit in range(len(self._units)):
            if unit in moved:
                continue
            if self._fits(order, halted, unit):
                yield (
                    LOAD,
                    unit,
                    (moved | {unit}, stopped - {unit}),
                    (
                        0,
                        self._peak(order, halted, unit),
                    ),
                )
            if unit not in stopped and self._units[unit].on_old:
                following = (moved, stopped | {unit})
                kvpr = self._kvpr(order, (*halted, unit), ())
                yield STOP, unit, following, (len(self._units[unit].models), kvpr)

    def _good_order(self) -> list[tuple[str, int]]:
        """Always move the fitting unit with the lowest peak; if none fits, stop one."""
        left = set(range(len(self._units)))
        moved: tuple[int, ...] = ()
        stopped: tuple[int, ...] = ()
        order: list[tuple[str, int]] = []
        while left:
            fitting = [unit for unit in sorted(left) if self._fits(moved, stopped, unit)]
            if fitting:
                unit = min(fitting, key=lambda u: (self._peak(moved, stopped, u), u))
                order.append((LOAD, unit))
                stopped = tuple(other for other in stopped if other != unit)
                moved = (*moved, unit)
                left.remove(unit)
                continue
            unit = self._to_stop(left, moved, stopped)
            order.append((STOP, unit))
            stopped = (*stopped, unit)
        return order

    def _to_stop(self, left: set[int], moved: tuple[int, ...], stopped: tuple[int, ...]) -> int:
        """The unit whose stop lets most others move, with the fewest parts."""
        candidates = [unit for unit in sorted(left - set(stopped)) if self._units[unit].on_old]

        def gain(unit: int) -> tuple[int, int, int]:
            halted = (*stopped, unit)
            fitting = sum(self._fits(moved, halted, other) for other in left - {unit})
            return -fitting, len(self._units[unit].models), unit

        return min(candidates, key=gain)


def _path(
    came: dict[object, tuple[tuple[frozenset[int], frozenset[int]], str, int]],
    state: tuple[frozenset[int], frozenset[int]],
) -> list[tuple[str, int]]:
    order = []
    while state in came:
        state, action, unit = came[state]
        order.append((action, unit))
    return order[::-1]
