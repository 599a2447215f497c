"""Where the models of a fleet may run: the constraints, by numbers of models and GPUs.

:meth:`Constraints.broken` is their specification: whatever places a fleet, its answer
is checked here, in plain loops that know nothing of how it was found. CONTRIBUTING lists what a
new kind of constraint needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import NamedTuple

from kvpr_opt.problem.gpu import GPU
from kvpr_opt.problem.llm import LLM


class Restriction(NamedTuple):
    """A model that may run on these GPUs only, because of the keys named in `why`."""

    model: int
    gpus: frozenset[int]
    why: str


class Group(NamedTuple):
    """Models of which a GPU takes one at most, because of `why`."""

    models: tuple[int, ...]
    why: str


class Together(NamedTuple):
    """The shards of a model, or of a replica of it: all in one node."""

    models: tuple[int, ...]
    model: str


class Spread(NamedTuple):
    """The replicas of a model, each with its parts: no two have parts in one node."""

    replicas: tuple[tuple[int, ...], ...]
    model: str


@dataclass(frozen=True)
class Constraints:
    """All constraints of a fleet; false where there are none.

    Attributes
    ----------
    gpus, models
        What the numbers stand for.
    restrictions, apart, together, spread
        The constraints. What excludes nothing is not among them: a restriction to all
        GPUs, a group of one model or within another group, shards or replicas of a fleet
        of one node.
    node_of
        The node of each GPU; nodes are numbered in the order of their first GPUs.
    """

    gpus: tuple[GPU, ...]
    models: tuple[LLM, ...]
    restrictions: tuple[Restriction, ...]
    apart: tuple[Group, ...]
    together: tuple[Together, ...]
    spread: tuple[Spread, ...]
    node_of: tuple[int, ...]

    def __bool__(self) -> bool:
        return any(getattr(self, kind) for kind in self.kinds())

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """The attributes that hold constraints; a new one is among them by itself."""
        names = (field.name for field in fields(cls))
        return tuple(name for name in names if name not in ("gpus", "models", "node_of"))

    @property
    def uses_nodes(self) -> bool:
        """Whether it matters which GPUs are in one node."""
        return bool(self.together or self.spread)

    @cached_property
    def nodes(self) -> tuple[tuple[int, ...], ...]:
        """The GPUs of each node."""
        members: list[list[int]] = [[] for _ in range(max(self.node_of) + 1)]
        for gpu, node in enumerate(self.node_of):
            members[node].append(gpu)
        return tuple(map(tuple, members))

    @cached_property
    def admissible(self) -> dict[int, frozenset[int]]:
        """The GPUs of each restricted model."""
        return {model: gpus for model, gpus, _ in self.restrictions}

    @cached_property
    def groups_of(self) -> dict[int, tuple[int, ...]]:
        """The groups in :attr:`apart` of each model that is in one."""
        found: dict[int, list[int]] = {}
        for number, group in enumerate(self.apart):
            for model in group.models:
                found.setdefault(model, []).append(number)
        return {model: tuple(numbers) for model, numbers in found.items()}

    def within_nodes(self, gpu_of: Sequence[int]) -> Constraints:
        """The constraints of those placements that keep shards and replicas in their nodes.

        Nodes are those of a placement. As many shards as GPUs that they may run on are
        pinned one by one, since they are all alike.
        """
        admissible = dict(self.admissible)
        everywhere = frozenset(range(len(self.gpus)))
        bound = [shards.models for shards in self.together]
        bound += [(part,) for each in self.spread for parts in each.replicas for part in parts]
        for models in bound:
            home = frozenset(self.nodes[self.node_of[gpu_of[models[0]]]])
            for model in models:
                admissible[model] = admissible.get(model, everywhere) & home
            shared = admissible[models[0]]
            alike = all(admissible[model] == shared for model in models)
            if alike and len(shared) == len(models) > 1:
                for model in models:
                    admissible[model] = frozenset([gpu_of[model]])
        return replace(
            self,
            restrictions=tuple(
                Restriction(model, gpus, "") for model, gpus in sorted(admissible.items())
            ),
            together=(),
            spread=(),
        )

    def broken(self, gpu_of: Sequence[int]) -> str:
        """Which constraint a placement breaks, in words; empty where it keeps all.

        Parameters
        ----------
        gpu_of
            The number of the GPU of each model.
        """
        for model, gpus, why in self.restrictions:
            if gpu_of[model] not in gpus:
                return f"model {self._model(model)} is on GPU {self._gpu(gpu_of[model])}, {why}"
        for models, why in self.apart:
            found = Counter(gpu_of[model] for model in models)
            gpu, number = found.most_common(1)[0]
            if number > 1:
                one, two = [model for model in models if gpu_of[model] == gpu][:2]
                return (
                    f"models {self._model(one)} and {self._model(two)} share GPU "
                    f"{self._gpu(gpu)}, but are to be apart: {why}"
                )
        for models, name in self.together:
            if len({self.node_of[gpu_of[model]] for model in models}) > 1:
                return f"the shards of model {name!r} are not all in one node"
        for replicas, name in self.spread:
            nodes = Counter(
                node
                for parts in replicas
                for node in {self.node_of[gpu_of[model]] for model in parts}
            )
            if max(nodes.values()) > 1:
                return f"replicas of model {name!r} share a node, but are to be spread over nodes"
        return ""

    def _model(self, model: int) -> str:
        return repr(self.models[model].name)

    def _gpu(self, gpu: int) -> str:
        return repr(self.gpus[gpu].name)


def node_numbers(gpus: Sequence[GPU]) -> tuple[int, ...]:
    """The node of each GPU by number; a GPU without one is a node of its own."""
    known: dict[str | int, int] = {}
    return tuple(
        known.setdefault(index if gpu.node is None else gpu.node, len(known))
        for index, gpu in enumerate(gpus)
    )


def maximal(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The groups of two models or more that are not within another one, in their order."""
    members = [frozenset(group.models) for group in groups]
    holding: dict[int, list[int]] = {}
    for number, mine in enumerate(members):
        for model in mine:
            holding.setdefault(model, []).append(number)
    kept = []
    for number, group in enumerate(groups):
        mine = members[number]
        if len(mine) < 2:
            continue
        rarest = min(mine, key=lambda model: len(holding[model]))
        within = any(
            mine < members[other] or (mine == members[other] and other < number)
            for other in holding[rarest]
            if other != number
        )
        if not within:
            kept.append(Group(tuple(sorted(mine)), group.why))
    return tuple(kept)
