"""Where models run now, what moving them costs, and the packing question with a budget of moves.

At a threshold t a GPU is a bin and a model an item, as in :mod:`kvpr_opt.problem.scaled`. A model
that stays on its GPU, its home, costs nothing; elsewhere it costs c_i. The question is whether
all items can be packed at a total cost of at most K.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from kvpr_opt._types import BoolArray, Ints
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold, fit_range

#: The home of a model that runs nowhere yet: placing it is free, wherever it goes.
NOWHERE = -1


@dataclass(frozen=True)
class RelocationProblem:
    """A fleet, the GPU that each model runs on, and the cost of moving it away.

    Attributes
    ----------
    instance
        The fleet.
    home
        By model, the index of its GPU, or :data:`NOWHERE`.
    costs
        By model, in units of `cost_unit`, at least 0.
    cost_unit
        What one unit of cost stands for.
    """

    instance: Instance
    home: tuple[int, ...]
    costs: tuple[int, ...]
    cost_unit: Fraction = Fraction(1)

    @classmethod
    def of(
        cls, instance: Instance, home: Sequence[int], costs: Sequence[Fraction]
    ) -> RelocationProblem:
        """Scale exact costs by the largest unit that divides them all."""
        denominator = math.lcm(*(cost.denominator for cost in costs))
        whole = [int(cost * denominator) for cost in costs]
        common = math.gcd(*whole) or 1
        return cls(
            instance,
            tuple(home),
            tuple(cost // common for cost in whole),
            Fraction(common, denominator),
        )

    def cost(self, placement: Placement) -> int:
        """The cost of reaching a placement from where the models are."""
        pairs = zip(self.home, placement.gpu_of, self.costs, strict=True)
        return sum(cost for home, gpu, cost in pairs if home not in (NOWHERE, gpu))

    @cached_property
    def homes(self) -> Ints:
        """The home of each model, as an array."""
        return np.array(self.home, dtype=np.int64)

    def budget(self, amount: Fraction) -> int:
        """The largest cost in whole units that is within an amount."""
        return math.floor(amount / self.cost_unit)

    def value_above(self, threshold: Threshold) -> Fraction | float:
        """The lower bound that follows when a threshold is refuted for a budget.

        ``math.inf`` for one that every placement of finite KVPR meets: then there is none.
        """
        scaled = self.instance.scaled
        if threshold == scaled.finite():
            return math.inf
        return scaled.next_value(threshold)

    def question(self, threshold: Threshold) -> RelocationQuestion:
        """The packing question of a threshold, rounded down to 60 bits where it is longer."""
        scaled = self.instance.scaled
        packing = fit_range(scaled.packing(threshold))
        sizes = np.array(packing.sizes, dtype=np.int64)
        capacities = np.array(packing.capacities, dtype=np.int64)
        return RelocationQuestion(self, threshold, sizes, capacities)


@dataclass(frozen=True)
class RelocationQuestion:
    """Items, bins, homes and costs of one threshold.

    Attributes
    ----------
    problem
        The underlying problem.
    threshold
        The threshold.
    sizes
        By model.
    capacities
        By GPU.
    """

    problem: RelocationProblem
    threshold: Threshold
    sizes: Ints
    capacities: Ints

    @cached_property
    def allowed(self) -> BoolArray:
        """Whether a model may run on a GPU, and fits it alone: shape (models, GPUs).

        A pinned model is an item without size on its GPU: its size is off the capacity.
        """
        fits = np.asarray(self.sizes[:, None] <= self.capacities)
        scaled = self.problem.instance.scaled
        if isinstance(scaled, ConstrainedInstance):
            for number, group in enumerate(scaled.classes):
                fits[list(group.models)] &= scaled.allowed[:, number]
            for model, gpu in scaled.pinned.items():
                fits[model] = False
                fits[model, gpu] = True
        return fits

    @cached_property
    def stages(self) -> tuple[tuple[int, ...], ...]:
        """Groups of models of which a GPU takes at most one; most groups have one model.

        A model in several groups is in the largest of them only, the first of these: a
        relaxation, which keeps every bound valid.
        """
        scaled = self.problem.instance.scaled
        groups = scaled.free_groups if isinstance(scaled, ConstrainedInstance) else ()
        group_of: dict[int, int] = {}
        for number, group in enumerate(groups):
            for model in group:
                if model not in group_of or len(group) > len(groups[group_of[model]]):
                    group_of[model] = number
        stages: dict[tuple[bool, int], list[int]] = {}
        for model in range(len(self.sizes)):
            key = (True, group_of[model]) if model in group_of else (False, model)
            stages.setdefault(key, []).append(model)
        return tuple(map(tuple, stages.values()))

    @cached_property
    def at_home(self) -> BoolArray:
        """Whether a model costs nothing on a GPU: shape (models, GPUs)."""
        home = self.problem.homes
        gpus = np.arange(len(self.capacities))
        return np.asarray((home[:, None] == gpus) | (home[:, None] == NOWHERE))
