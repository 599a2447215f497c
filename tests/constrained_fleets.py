"""Small fleets with constraints, and a brute force that works from their definition alone."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import GPU, LLM, Instance

#: A file with every key.
FLEET = """
unit: GB
gpus:
  - {name: a, memory: 80, reserved: 2, node: n0}
  - {name: b, memory: 80, node: n0}
  - {count: 3, memory: 81559MiB, reserved: "5 %", node: n1, labels: [h100], type: H100-80GB}
  - {name: e, memory: 80, node: n1, uuid: GPU-1, index: 0, labels: old}
models:
  - {name: llama-8b, size: 16.1, req_rate: 12, slo: 0.5, apart: [x, y], move_cost: 2}
  - {name: cold, size: 3GiB, pressure: 0, count: 4, never: old}
  - {name: big, size: 141, overhead: 2.5, kv_floor: 1, req_rate: 30, slo: 1, shards: 4,
     kv_heads: 8, only: n1, current: [gpu0, gpu1, gpu2, e]}
  - {name: twin, size: 2, req_rate: 1, slo: 1, replicas: 2, spread: node, apart: x}
  - {name: fixed, size: 2, req_rate: 1, slo: 1, pin: a}
"""


class _Part(NamedTuple):
    model: LLM
    copy: int
    replica: int
    shard: int
    number: int
    size: Fraction
    pressure: Fraction


def _parts(model: LLM) -> Iterator[_Part]:
    """The parts of a model, straight from the table of keys."""
    carried = Fraction(1, model.shards)
    if model.kv_heads is not None:
        carried = Fraction(1, min(model.shards, model.kv_heads))
    if model.kv_share is not None:
        carried = model.kv_share
    number = 0
    for copy in range(model.count or 1):
        for replica in range(model.replicas):
            for shard in range(model.shards):
                size = model.size / model.shards + model.overhead + model.kv_floor
                pressure = model.pressure / model.replicas * carried
                yield _Part(model, copy, replica, shard, number, size, pressure)
                number += 1


def _node(gpu: GPU) -> str:
    return f"own {gpu.name}" if gpu.node is None else f"node {gpu.node}"


def _named(gpu: GPU, names: tuple[str, ...]) -> bool:
    return any(name in (gpu.name, gpu.node, *gpu.labels) for name in names)


def _may_run(part: _Part, gpu: GPU) -> bool:
    model = part.model
    if model.pin and gpu.name != model.pin[part.number if len(model.pin) > 1 else 0]:
        return False
    if model.only and not _named(gpu, model.only):
        return False
    return not _named(gpu, model.never)


def _may_both(one: _Part, on: GPU, other: _Part, at: GPU) -> bool:
    """Whether two parts may run where they are, as far as one concerns the other."""
    if on == at and set(one.model.apart) & set(other.model.apart):
        return False
    if one.model is not other.model or one.copy != other.copy:
        return True
    if on == at:
        return False
    if one.replica == other.replica:
        return _node(on) == _node(at)
    return one.model.spread == "gpu" or _node(on) != _node(at)


def legal(instance: Instance, gpus: tuple[GPU, ...]) -> bool:
    """Whether the parts of a fleet may run on these GPUs, memory aside."""
    parts = [part for model in instance.declared for part in _parts(model)]
    placed = list(zip(parts, gpus, strict=True))
    return all(itertools.starmap(_may_run, placed)) and all(
        _may_both(one, on, other, at)
        for (one, on), (other, at) in itertools.combinations(placed, 2)
    )


def brute_force(instance: Instance) -> Fraction | float:
    """The smallest maximum KVPR of all placements that keep the constraints.

    Depth first over the parts, plain fractions; ``math.inf`` where no placement has a
    finite one.
    """
    parts = [part for model in instance.declared for part in _parts(model)]
    free = {gpu: gpu.memory - gpu.reserved for gpu in instance.gpus}
    load = dict.fromkeys(instance.gpus, Fraction(0))
    placed: list[GPU] = []
    best: Fraction | float = math.inf

    def value() -> Fraction | float:
        worst: Fraction | float = Fraction(0)
        for gpu in instance.gpus:
            if load[gpu]:
                worst = max(worst, load[gpu] / free[gpu] if free[gpu] else math.inf)
        return worst

    def place(number: int) -> None:
        nonlocal best
        if value() >= best:
            return  # more models never lower it
        if number == len(parts):
            best = value()
            return
        part = parts[number]
        for gpu in instance.gpus:
            fits = part.size <= free[gpu] and _may_run(part, gpu)
            if not fits or not all(
                _may_both(parts[i], placed[i], part, gpu) for i in range(number)
            ):
                continue
            free[gpu] -= part.size
            load[gpu] += part.pressure
            placed.append(gpu)
            place(number + 1)
            placed.pop()
            free[gpu] += part.size
            load[gpu] -= part.pressure

    place(0)
    return best


#: The constraints that :func:`random_constrained` knows.
KINDS = ("pin", "only", "never", "apart", "replicas", "spread", "shards")


def random_constrained(
    random_: random.Random, kinds: tuple[str, ...] = KINDS, *, most_parts: int = 7
) -> Instance:
    """A small fleet in two or three nodes that uses the given kinds of constraints.

    Of about so many parts at most.
    """
    gpus = _gpus(random_)
    models: list[LLM] = []
    parts, wanted = 0, random_.randint(3, most_parts)
    while parts < wanted:
        keys = _keys(random_, kinds, gpus)
        name = f"m{len(models)}"
        amounts = random_.randint(0, 5), random_.choice([0, 1, 2, 3, 5])
        model = LLM(name, amounts[0], pressure=amounts[1], **keys)
        models.append(model)
        parts += model.parts
    return Instance(gpus, models)


def _gpus(random_: random.Random) -> list[GPU]:
    memory = random_.choice([(10,), (8, 12)])
    nodes = random_.choice([(2, 2), (2, 1, 1), (3, 1)])
    return [
        GPU(
            f"g{node}{index}",
            random_.choice(memory),
            node=f"n{node}",
            labels=random_.choice([(), ("fast",), ("fast", "old"), ("old",)]),
        )
        for node, number in enumerate(nodes)
        for index in range(number)
    ]


def _keys(random_: random.Random, kinds: tuple[str, ...], gpus: list[GPU]) -> dict[str, Any]:
    """The keys of one model, of at most two kinds, none of which excludes it by itself."""
    keys: dict[str, Any] = {}
    chosen = random_.sample(kinds, min(len(kinds), random_.choice([0, 1, 1, 2])))
    names = [gpu.name for gpu in gpus]
    places = [*names, *{gpu.node for gpu in gpus}, *{x for gpu in gpus for x in gpu.labels}]
    if "shards" in chosen:
        keys |= {"shards": 2, "kv_heads": random_.choice([None, 1, 2])}
    if {"replicas", "spread"} & set(chosen):
        keys["replicas"] = 2
        if "spread" in chosen:
            keys["spread"] = "node"
    if "apart" in chosen:
        keys["apart"] = random_.choice(["x", "y", ("x", "y")])
    for key in ("pin", "only", "never"):
        if key not in chosen:
            continue
        value: Any = random_.choice(places if key != "pin" else names)
        if key == "only" and random_.random() < 0.5:
            value = random_.sample(places, 2)
        try:
            Instance(gpus, [LLM("m", 1, pressure=1, **keys, **{key: value})])
        except InputError:
            continue
        keys[key] = value
    try:
        Instance(gpus, [LLM("m", 1, pressure=1, **keys)])
    except InputError:
        return {}
    return keys
