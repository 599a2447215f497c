"""A fleet with constraints in whole numbers: still bin packing, with rules.

* A pinned model is not an item but a *base load* of its GPU: at a threshold a / f the GPU
  has a (C - M0) - f N0 left for the others, M0 and N0 being what is pinned to it.
* A GPU takes the models that may run on it. GPUs of equal memory, base load and
  admissible classes are a type; models of equal size, pressure, admissible GPUs and
  groups are a class.
* Of a group (models to be apart, replicas, shards) a GPU takes one at most, and none
  where one of them is pinned.

Nodes (shards in one, replicas spread over several) are left out here: what is proved
without them holds with them, and a placement is checked against them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property

import numpy as np

from kvpr_opt._types import BoolArray
from kvpr_opt.problem.constraints import Constraints
from kvpr_opt.problem.rules import Rules
from kvpr_opt.problem.scaled import (
    GPUType,
    ModelClass,
    PackingProblem,
    ScaledInstance,
    Threshold,
)


@dataclass(frozen=True)
class ConstrainedInstance(ScaledInstance):
    """A fleet in whole numbers whose models may not run everywhere.

    Attributes
    ----------
    constraints
        Where models may run.
    """

    constraints: Constraints | None = None

    @classmethod
    def under(cls, scaled: ScaledInstance, constraints: Constraints) -> ConstrainedInstance:
        """The same numbers under constraints."""
        values = {field.name: getattr(scaled, field.name) for field in fields(scaled)}
        return cls(**values, constraints=constraints)

    @property
    def _rules(self) -> Constraints:
        assert self.constraints is not None, "made by `under`"
        return self.constraints

    @cached_property
    def rules_checked(self) -> tuple[int, int]:
        """Sets of models that some GPU may hold, and names in all groups to be apart."""
        grouped = sum(len(group.models) for group in self._rules.apart)
        return int(self.rules.profile_of.max()) + 1, grouped

    @cached_property
    def pinned(self) -> dict[int, int]:
        """The GPU of each model that has one only."""
        return {
            model: next(iter(gpus))
            for model, gpus in self._rules.admissible.items()
            if len(gpus) == 1
        }

    @cached_property
    def base_loads(self) -> dict[int, tuple[int, int]]:
        """Size and pressure of what is pinned to each GPU that has any."""
        found: dict[int, tuple[int, int]] = {}
        for model, gpu in self.pinned.items():
            size, pressure = found.get(gpu, (0, 0))
            found[gpu] = size + self.sizes[model], pressure + self.pressures[model]
        return found

    @cached_property
    def free_groups(self) -> tuple[tuple[int, ...], ...]:
        """The groups without their pinned models, those of two models or more."""
        free = (
            tuple(model for model in group.models if model not in self.pinned)
            for group in self._rules.apart
        )
        return tuple(group for group in free if len(group) > 1)

    @cached_property
    def types(self) -> tuple[GPUType, ...]:
        """GPUs of equal memory, base load and admissible classes, in order of appearance."""
        found: dict[tuple[int, tuple[int, int], bytes], list[int]] = {}
        for gpu, capacity in enumerate(self.capacities):
            key = (capacity, self.base_loads.get(gpu, (0, 0)), self.allowed[gpu].tobytes())
            found.setdefault(key, []).append(gpu)
        return tuple(GPUType(key[0], tuple(gpus)) for key, gpus in found.items())

    @cached_property
    def classes(self) -> tuple[ModelClass, ...]:
        """Models that are interchangeable, in order of appearance; pinned ones by their GPU."""
        groups: dict[int, list[int]] = {}
        for number, group in enumerate(self._rules.apart):
            for model in group.models:
                groups.setdefault(model, []).append(number)
        found: dict[tuple[object, ...], list[int]] = {}
        for model, numbers in enumerate(zip(self.sizes, self.pressures, strict=True)):
            where = self._rules.admissible.get(model)
            key = (*numbers, where, tuple(groups.get(model, ())))
            found.setdefault(key, []).append(model)
        return tuple(
            ModelClass(self.sizes[models[0]], self.pressures[models[0]], tuple(models))
            for models in found.values()
        )

    @cached_property
    def allowed(self) -> BoolArray:
        """By GPU and class: whether models of the class may run on the GPU.

        No where a model of one of their groups is pinned. Pinned models run nowhere as
        items: they are in the base loads.
        """
        class_of = {model: c for c, group in enumerate(self.classes) for model in group.models}
        allowed = np.ones((len(self.capacities), len(self.classes)), dtype=bool)
        for model, gpus in self._rules.admissible.items():
            allowed[:, class_of[model]] = False
            if len(gpus) > 1:
                allowed[list(gpus), class_of[model]] = True
        for group in self._rules.apart:
            taken = [self.pinned[model] for model in group.models if model in self.pinned]
            if taken:
                members = sorted({class_of[model] for model in group.models})
                allowed[np.ix_(taken, members)] = False
        return allowed

    @cached_property
    def rules(self) -> Rules:
        """The same by type and class, with the groups."""
        class_of = {model: c for c, group in enumerate(self.classes) for model in group.models}
        return Rules.of(
            np.array([self.allowed[kind.gpus[0]] for kind in self.types]),
            [[class_of[model] for model in group] for group in self.free_groups],
            len(self.classes),
        )

    @cached_property
    def is_relaxed(self) -> bool:
        """Whether a packing of types and classes may break a constraint.

        Nodes are left out; and so are models that need nothing, which no bin holds.
        """
        rules = self._rules
        bound = [*rules.admissible, *(model for group in rules.apart for model in group.models)]
        return rules.uses_nodes or any(
            self.sizes[model] == self.pressures[model] == 0 and model not in self.pinned
            for model in bound
        )

    def packing(self, threshold: Threshold) -> PackingProblem:
        """The packing of what is not pinned; a capacity below 0 is a GPU with too much pinned."""
        a, f = threshold.numerator, threshold.denominator
        sizes = [
            0 if model in self.pinned else f * pressure + a * size
            for model, (pressure, size) in enumerate(zip(self.pressures, self.sizes, strict=True))
        ]
        capacities = [a * capacity for capacity in self.capacities]
        for gpu, (size, pressure) in self.base_loads.items():
            capacities[gpu] -= f * pressure + a * size
        common = math.gcd(*sizes) or 1
        return PackingProblem(
            sizes=tuple(size // common for size in sizes),
            capacities=tuple(capacity // common for capacity in capacities),
        )

    def base_bound(self) -> tuple[Fraction | float, int] | None:
        """The largest KVPR that pinned models alone cause, and the GPU; ``None`` without any."""
        return max(self._base_values(), key=lambda found: found[0], default=None)

    def _twice(self, models: tuple[int, ...]) -> set[int]:
        """The GPUs to which more than one of some models is pinned."""
        counts = Counter(self.pinned[model] for model in models if model in self.pinned)
        return {gpu for gpu, number in counts.items() if number > 1}

    def _base_values(self) -> Iterator[tuple[Fraction | float, int]]:
        torn = {gpu for group in self._rules.apart for gpu in self._twice(group.models)}
        for gpu, (size, pressure) in sorted(self.base_loads.items()):
            free = self.capacities[gpu] - size
            if gpu in torn or free < 0 or (free == 0 and pressure > 0):
                yield math.inf, gpu
            else:
                value = Fraction(pressure, free) if pressure else Fraction(0)
                yield value * self.kvpr_unit, gpu
