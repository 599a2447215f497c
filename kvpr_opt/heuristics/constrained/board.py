"""A fleet with constraints as arrays, and what a placement on it is worth."""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import BoolArray, FloatArray, IntArray
from kvpr_opt.heuristics.arrays import FleetArrays, kvpr_of
from kvpr_opt.problem.instance import Instance


class Board:
    """A fleet with constraints.

    Parameters
    ----------
    instance
        The fleet.

    Attributes
    ----------
    fleet
        Memories, sizes and pressures.
    may
        By model and GPU: whether the model may run there.
    member
        By group and model: 1 where the model is of the group, of which a GPU takes one.
    node_of
        The node of each GPU.
    teams
        Models that must be placed together: replicas over nodes, each with its shards.
    alone
        By model: whether it is in no team.
    """

    def __init__(self, instance: Instance) -> None:
        self.fleet = FleetArrays.of(instance)
        constraints = instance.constraints
        models, gpus = len(instance.models), len(instance.gpus)
        self.may = np.ones((models, gpus), dtype=bool)
        for model, of_model in constraints.admissible.items():
            self.may[model] = False
            self.may[model, sorted(of_model)] = True
        self.member = np.zeros((len(constraints.apart), models), dtype=np.int64)
        for number, group in enumerate(constraints.apart):
            self.member[number, list(group.models)] = 1
        self.node_of = np.array(constraints.node_of, dtype=np.intp)
        self.teams = _teams(instance)
        self.alone = np.ones(models, dtype=bool)
        for team in self.teams:
            for parts in team:
                self.alone[list(parts)] = False

    @property
    def least_threshold(self) -> float:
        """A lower bound on the threshold of any placement, or some positive number."""
        fleet = self.fleet
        free = float(fleet.capacities.sum() - fleet.sizes.sum())
        pressure = float(fleet.pressures.sum())
        if pressure == 0:
            return 1.0
        return pressure / free if free > 0 else pressure

    def loads(self, gpu_of: IntArray) -> tuple[FloatArray, FloatArray]:
        """Free memory and pressure of each GPU."""
        fleet = self.fleet
        used, pressure = (
            np.bincount(gpu_of, weights=of_model, minlength=fleet.gpus).astype(np.float64)
            for of_model in (fleet.sizes, fleet.pressures)
        )
        return fleet.capacities - used, pressure

    def values(self, gpu_of: IntArray) -> FloatArray:
        """The KVPR of each GPU; infinite if memory is exceeded."""
        free, pressure = self.loads(gpu_of)
        return kvpr_within(pressure, free)

    def worst(self, gpu_of: IntArray) -> tuple[int, float]:
        """The GPU of the largest KVPR, and its KVPR."""
        values = self.values(gpu_of)
        gpu = int(values.argmax())
        return gpu, float(values[gpu])

    def members_on_gpus(self, gpu_of: IntArray) -> IntArray:
        """By group and GPU: how many models of the group are there."""
        taken = np.zeros((len(self.member), self.fleet.gpus), dtype=np.int64)
        for number, members in enumerate(self.member):
            np.add.at(taken[number], gpu_of[members > 0], 1)
        return taken

    def may_come(self, models: IntArray, gpu: int, homes: IntArray) -> BoolArray:
        """Which of some models may run on a GPU after leaving their current ones."""
        may = self.may[models, gpu]
        return np.asarray(may & (self.alone[models] | (self.node_of[homes] == self.node_of[gpu])))


def kvpr_within(pressure: FloatArray, free: FloatArray) -> FloatArray:
    """KVPR of GPUs; infinite if their memory does not suffice."""
    value = kvpr_of(pressure, free)
    value[free < 0] = np.inf
    return value


def _teams(instance: Instance) -> list[tuple[tuple[int, ...], ...]]:
    constraints = instance.constraints
    spread = [tuple(each.replicas) for each in constraints.spread]
    known = {model for team in spread for parts in team for model in parts}
    return spread + [
        (shards.models,) for shards in constraints.together if shards.models[0] not in known
    ]
