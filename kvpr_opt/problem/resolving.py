"""From the names in the keys of models to constraints by number, and what is refused there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.problem.constraints import (
    Constraints,
    Group,
    Restriction,
    Spread,
    Together,
    maximal,
    node_numbers,
)
from kvpr_opt.problem.gpu import GPU
from kvpr_opt.problem.llm import LLM
from kvpr_opt.text import listed

#: Known names that an error lists.
_FEW_NAMES = 8


def constraints(
    gpus: tuple[GPU, ...], declared: Sequence[LLM], placed: Sequence[tuple[int, LLM]]
) -> Constraints:
    """The constraints of a fleet.

    Parameters
    ----------
    gpus
        Its GPUs.
    declared
        Its models as they are declared.
    placed
        The parts that are placed, each with the position of its model.

    Raises
    ------
    InputError
        For a name that the fleet does not have, and for a model that its own keys leave
        no place for.
    """
    return _Resolver(gpus, declared, placed).constraints()


class _Resolver:
    def __init__(
        self, gpus: tuple[GPU, ...], declared: Sequence[LLM], placed: Sequence[tuple[int, LLM]]
    ) -> None:
        self._gpus = gpus
        self._declared = declared
        self._placed = placed
        self._node_of = node_numbers(gpus)
        self._by_name = {gpu.name: frozenset([number]) for number, gpu in enumerate(gpus)}
        self._by_node = _index((gpu.node, number) for number, gpu in enumerate(gpus) if gpu.node)
        self._by_label = _index(
            (label, number) for number, gpu in enumerate(gpus) for label in gpu.labels
        )
        self._everywhere = frozenset(range(len(gpus)))
        # Thousands of models have the same few rules: each is worked out once.
        self._known: dict[tuple[tuple[str, ...], ...], tuple[frozenset[int], str]] = {}
        self._parts: list[list[int]] = [[] for _ in declared]
        for number, (position, _) in enumerate(placed):
            self._parts[position].append(number)

    def constraints(self) -> Constraints:
        together, spread, groups = [], [], []
        restrictions: list[Restriction] = []
        for position, model in enumerate(self._declared):
            for gpu in model.current:
                self._check_gpu(gpu, f"models[{position}].current")
            allowed, why = self._allowed(position, model)
            restrictions += self._restrictions(position, model, allowed, why)
            each = model.replicas * model.shards
            if each == 1:
                continue
            self._check_room(position, model, allowed)
            for first in range(0, len(self._parts[position]), each):
                parts = self._parts[position][first : first + each]
                name = self._placed[parts[0]][1].part
                assert name is not None, "replicas and shards are parts"
                groups.append(Group(tuple(parts), f"parts of model {name.model!r}"))
                split = [tuple(parts[i : i + model.shards]) for i in range(0, each, model.shards)]
                if model.shards > 1:
                    together += [Together(shards, name.model) for shards in split]
                if model.replicas > 1 and model.spread == "node":
                    spread.append(Spread(tuple(split), name.model))
        groups += self._named_groups()
        several = len(set(self._node_of)) > 1
        singles = len(set(self._node_of)) == len(self._gpus)
        return Constraints(
            gpus=self._gpus,
            models=tuple(model for _, model in self._placed),
            restrictions=tuple(restrictions),
            # In the order of the canonical fleet, where several are as good.
            apart=tuple(sorted(maximal(groups))),
            together=tuple(together) if several else (),
            # Where each GPU is a node of its own, being on different GPUs is the same.
            spread=tuple(spread) if several and not singles else (),
            node_of=self._node_of,
        )

    def _named_groups(self) -> list[Group]:
        members: dict[str, list[int]] = {}
        for number, (_, model) in enumerate(self._placed):
            for group in model.apart:
                members.setdefault(group, []).append(number)
        return [Group(tuple(models), f"group {name!r}") for name, models in members.items()]

    # -- where a model may run -------------------------------------------------------

    def _allowed(self, position: int, model: LLM) -> tuple[frozenset[int], str]:
        """The GPUs that ``only`` and ``never`` leave a model, and what to call them."""
        known = self._known.get((model.only, model.never))
        if known is not None:
            return known
        allowed = self._everywhere
        if model.only:
            allowed = self._union(position, "only", model.only)
        if model.never:
            allowed -= self._union(position, "never", model.never)
        if not allowed:
            keys = " and ".join(key for key in ("only", "never") if getattr(model, key))
            raise InputError(
                f"{keys} of model {model.name!r} leave no GPU; at least one is needed",
                place=f"models[{position}].{'only' if model.only else 'never'}",
            )
        why = ", ".join(
            f"{key} {', '.join(map(repr, names))}"
            for key, names in (("only", model.only), ("never", model.never))
            if names
        )
        self._known[model.only, model.never] = allowed, f"but has {why}"
        return allowed, f"but has {why}"

    def _restrictions(
        self, position: int, model: LLM, allowed: frozenset[int], why: str
    ) -> list[Restriction]:
        parts = self._parts[position]
        if not model.pin:
            if len(allowed) == len(self._gpus):
                return []
            return [Restriction(part, allowed, why) for part in parts]
        made = []
        for part in parts:
            (name,) = self._placed[part][1].pin
            place = f"models[{position}].pin"
            self._check_gpu(name, place)
            if not self._by_name[name] <= allowed:
                raise InputError(
                    f"model {model.name!r} is pinned to GPU {name!r}, {why}", place=place
                )
            if len(self._gpus) > 1:
                made.append(Restriction(part, self._by_name[name], f"but is pinned to {name!r}"))
        self._check_pinned_nodes(position, model)
        return made

    def _check_gpu(self, name: str, place: str) -> None:
        if name not in self._by_name:
            hint = nearest(name, self._by_name) or _known(self._by_name)
            raise InputError(f"{name!r} is not a GPU of the fleet{hint}", place=place)

    def _union(self, position: int, key: str, names: tuple[str, ...]) -> frozenset[int]:
        found: frozenset[int] = frozenset()
        for name in names:
            meant = {
                kind: index[name]
                for kind, index in (
                    ("GPU", self._by_name),
                    ("node", self._by_node),
                    ("label", self._by_label),
                )
                if name in index
            }
            place = f"models[{position}].{key}"
            if not meant:
                known = {**self._by_name, **self._by_node, **self._by_label}
                hint = nearest(name, known) or _known(known)
                raise InputError(
                    f"{name!r} is not a GPU, node or label of the fleet{hint}", place=place
                )
            if len(set(meant.values())) > 1:
                raise InputError(
                    f"{name!r} is a {' and a '.join(meant)} of the fleet, of different GPUs; "
                    "rename one of them",
                    place=place,
                )
            found |= next(iter(meant.values()))
        return found

    # -- room for the parts of one model ---------------------------------------------

    def _check_room(self, position: int, model: LLM, allowed: frozenset[int]) -> None:
        """Refuse a model whose parts its own keys leave no GPUs for."""
        place = f"models[{position}]"
        sizes = Counter(self._node_of)
        usable = Counter(self._node_of[gpu] for gpu in allowed)
        if model.shards > max(sizes.values()):
            raise InputError(
                f"{model.shards} shards need as many GPUs in one node; the largest node "
                f"has {max(sizes.values())}",
                place=f"{place}.shards",
            )
        if model.shards > max(usable.values()):
            raise InputError(
                f"{model.shards} shards need as many GPUs in one node; only and never leave "
                f"{max(usable.values())}",
                place=f"{place}.shards",
            )
        by_node = model.spread == "node" and model.replicas > 1
        room = sum(
            min(number // model.shards, 1) if by_node else number // model.shards
            for number in usable.values()
        )
        if room < model.replicas:
            what = "on different nodes" if by_node else "on different GPUs"
            each = f" of {model.shards} shards each" if model.shards > 1 else ""
            raise InputError(
                f"{model.replicas} replicas{each} {what} have room for {room} at most",
                place=f"{place}.replicas",
            )

    def _check_pinned_nodes(self, position: int, model: LLM) -> None:
        """Refuse pins of shards in different nodes, and of spread replicas in one."""
        each = model.replicas * model.shards
        if each == 1:
            return
        nodes = [
            next(iter(self._by_name[self._placed[part][1].pin[0]]))
            for part in self._parts[position]
        ]
        nodes = [self._node_of[gpu] for gpu in nodes]
        for first in range(0, len(nodes), model.shards):
            if len(set(nodes[first : first + model.shards])) > 1:
                raise InputError(
                    f"the shards of model {model.name!r} are pinned to GPUs of different nodes; "
                    "they run in one",
                    place=f"models[{position}].pin",
                )
        if model.spread == "gpu":
            return
        for first in range(0, len(nodes), each):
            used = nodes[first : first + each : model.shards]
            if len(set(used)) < len(used):
                raise InputError(
                    f"replicas of model {model.name!r} are pinned to one node; spread: node "
                    "keeps them apart",
                    place=f"models[{position}].pin",
                )


def _index(pairs: Iterable[tuple[str, int]]) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for name, number in pairs:
        found.setdefault(name, set()).add(number)
    return {name: frozenset(numbers) for name, numbers in found.items()}


def _known(names: Collection[str]) -> str:
    """The names that there are, the first few of many."""
    return f"; known: {listed(names, _FEW_NAMES)}"
