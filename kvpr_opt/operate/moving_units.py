"""Which models move together, and which must not meet during a move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kvpr_opt.operate.relocation.problem import NOWHERE
from kvpr_opt.problem.instance import Instance


@dataclass(frozen=True)
class Unit:
    """Parts that move together, their old and new GPUs."""

    models: tuple[int, ...]
    old: tuple[int, ...]
    new: tuple[int, ...]

    @property
    def on_old(self) -> list[tuple[int, int]]:
        """Models that run somewhere now, and where."""
        pairs = zip(self.models, self.old, strict=True)
        return [(model, gpu) for model, gpu in pairs if gpu != NOWHERE]

    @property
    def on_new(self) -> list[tuple[int, int]]:
        """Models and where they will run."""
        return list(zip(self.models, self.new, strict=True))


def units_of(instance: Instance, home: Sequence[int], target: Sequence[int]) -> Iterator[Unit]:
    """The units that move; the shards of a replica form one unit."""
    together: dict[object, list[int]] = {}
    for model, (old, new) in enumerate(zip(home, target, strict=True)):
        if old == new:
            continue
        part = instance.models[model].part
        key = model if part is None else (part.model, part.replica)
        together.setdefault(key, []).append(model)
    for models in together.values():
        yield Unit(tuple(models), tuple(home[m] for m in models), tuple(target[m] for m in models))


class Rivals:
    """Which models a unit must not meet on a GPU, or in a node, while it moves."""

    def __init__(self, instance: Instance, units: Sequence[Unit]) -> None:
        constraints = instance.constraints
        self._node_of = constraints.node_of
        self._on_gpu: dict[int, set[int]] = {}
        self._in_node: dict[int, set[int]] = {}
        for group in constraints.apart:
            for model in group.models:
                self._on_gpu.setdefault(model, set()).update(group.models)
        for spread in constraints.spread:
            every = {part for parts in spread.replicas for part in parts}
            for parts in spread.replicas:
                for model in parts:
                    self._in_node.setdefault(model, set()).update(every.difference(parts))
        # The old and the new copy of a unit are the same model.
        for unit in units:
            for model in unit.models:
                for rivals in (self._on_gpu, self._in_node):
                    rivals.get(model, set()).difference_update(unit.models)

    def meet(self, unit: Unit, places: Sequence[int]) -> bool:
        """Whether the new copy of a unit would be where a rival is."""
        for model, gpu in unit.on_new:
            if any(places[rival] == gpu for rival in self._on_gpu.get(model, ())):
                return True
            for rival in self._in_node.get(model, ()):
                at = places[rival]
                if at != NOWHERE and self._node_of[at] == self._node_of[gpu]:
                    return True
        return False
