"""Plans: replayed step by step by a checker of its own, and no more models stopped than needed."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import permutations

import pytest

import kvpr_opt as kv
from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.operate.plan import HEALTH, LOAD, STOP, SWITCH, UNLOAD, Plan, plan_moves
from kvpr_opt.problem.placement import Kvpr, Placement


def replay(instance: kv.Instance, home: list[int], target: Placement, plan: Plan) -> None:
    """Memory is never exceeded, each step is allowed, the KVPR is as said, all end up right."""
    names = [gpu.name for gpu in instance.gpus]
    copies = {(m.name, names[g]) for m, g in zip(instance.models, home, strict=True) if g >= 0}
    serving = {m.name: names[g] for m, g in zip(instance.models, home, strict=True) if g >= 0}
    healthy: set[tuple[str, str]] = set(copies)
    stopped = set()
    worst = kvpr_of(instance, copies, serving)
    for step in plan.steps:
        pairs = list(zip(step.models, step.gpus, strict=True))
        if step.action == LOAD:
            copies |= set(pairs)
        elif step.action == HEALTH:
            assert set(pairs) <= copies
            healthy |= set(pairs)
        elif step.action == SWITCH:
            assert set(pairs) <= healthy
            serving.update(pairs)
        elif step.action in (UNLOAD, STOP):
            for model, gpu in pairs:
                copies.remove((model, gpu))
                if step.action == STOP:
                    assert serving.pop(model) == gpu
                    stopped.add(model)
                assert serving.get(model) != gpu
        value = kvpr_of(instance, copies, serving)
        assert value == step.max_kvpr
        worst = max(worst, value)
    assert serving == target.assignment
    assert copies == set(serving.items())
    assert stopped == set(plan.stopped)
    assert worst == plan.max_kvpr


def kvpr_of(instance: kv.Instance, copies: set[tuple[str, str]], serving: dict[str, str]) -> Kvpr:
    worst: Kvpr = Fraction(0)
    for gpu in instance.gpus:
        used = sum(m.footprint for m in instance.models if (m.name, gpu.name) in copies)
        load = sum(m.pressure for m in instance.models if serving.get(m.name) == gpu.name)
        assert used <= gpu.usable, f"{gpu.name} holds more than its memory"
        if load:
            worst = max(worst, math.inf if used == gpu.usable else load / (gpu.usable - used))
    return worst


def two_placements(seed: int, moves: int) -> tuple[kv.Instance, list[int], Placement]:
    """A fleet, where its models run, and another legal placement."""
    draw = random.Random(seed)
    gpus = [kv.GPU(f"g{i}", 10) for i in range(draw.choice([2, 3, 4]))]
    models = [
        kv.LLM(f"m{i}", draw.randint(1, 5), pressure=draw.randint(0, 4))
        for i in range(draw.randint(2, moves))
    ]
    instance = kv.Instance(gpus, models)
    found: list[Placement] = []
    while len(found) < 2:
        try:
            found.append(Placement(instance, [draw.randrange(len(gpus)) for _ in models]))
        except InvalidPlacementError:
            models.pop()
            instance, found = kv.Instance(gpus, models or [kv.LLM("m", 1, pressure=1)]), []
            models = list(instance.models)
    return instance, list(found[0].gpu_of), found[1]


def fewest_stops(instance: kv.Instance, home: list[int], target: Placement) -> int:
    """Over all orders: a model that does not fit when its turn comes makes others stop first."""
    moved = [m for m, (a, b) in enumerate(zip(home, target.gpu_of, strict=True)) if a != b]
    sizes = [model.footprint for model in instance.models]
    best = len(moved)
    for stops in range(len(moved) + 1):
        for order in permutations(moved):
            for first in _subsets(moved, stops):
                used = [Fraction(0)] * len(instance.gpus)
                for m, g in enumerate(home):
                    used[g] += 0 if m in first else sizes[m]
                if _runs(order, first, used, sizes, home, target.gpu_of, instance):
                    return stops
    return best


def _subsets(items: list[int], size: int) -> list[set[int]]:
    from itertools import combinations

    return [set(chosen) for chosen in combinations(items, size)]


def _runs(
    order: tuple[int, ...],
    stopped: set[int],
    used: list[Fraction],
    sizes: list[Fraction],
    home: list[int],
    target: tuple[int, ...],
    instance: kv.Instance,
) -> bool:
    for model in order:
        gpu = target[model]
        if used[gpu] + sizes[model] > instance.gpus[gpu].usable:
            return False
        used[gpu] += sizes[model]
        if model not in stopped:
            used[home[model]] -= sizes[model]
    return True


@pytest.mark.parametrize("seed", range(150))
def test_plans_hold_when_replayed(seed: int) -> None:
    instance, home, target = two_placements(seed, 9)
    replay(instance, home, target, plan_moves(instance, home, target))


@pytest.mark.parametrize("seed", range(40))
def test_no_more_models_stop_than_needed(seed: int) -> None:
    instance, home, target = two_placements(seed, 5)
    plan = plan_moves(instance, home, target)
    assert plan.exact
    assert len(plan.stopped) == fewest_stops(instance, home, target)


def test_a_long_plan_holds_and_says_that_it_is_not_exact() -> None:
    gpus = [kv.GPU(f"g{i}", 12) for i in range(4)]
    models = [kv.LLM(f"m{i}", 2, pressure=1) for i in range(16)]
    instance = kv.Instance(gpus, models)
    home = [i % 4 for i in range(16)]
    target = Placement(instance, [(i + 1) % 4 for i in range(16)])
    plan = plan_moves(instance, home, target)
    assert not plan.exact
    replay(instance, home, target, plan)


def test_a_swap_without_room_stops_one_model() -> None:
    instance = kv.Instance(
        [kv.GPU("a", 10), kv.GPU("b", 10)],
        [kv.LLM("x", 8, pressure=1), kv.LLM("y", 7, pressure=1)],
    )
    plan = plan_moves(instance, [0, 1], Placement(instance, [1, 0]))
    assert len(plan.stopped) == 1
    assert [step.action for step in plan.steps].count(STOP) == 1
    replay(instance, [0, 1], Placement(instance, [1, 0]), plan)


def test_shards_move_together() -> None:
    gpus = [kv.GPU(f"{n}{i}", 20, node=n) for n in "ab" for i in range(2)]
    instance = kv.Instance(gpus, [kv.LLM("big", 8, pressure=2, shards=2)])
    plan = plan_moves(instance, [0, 1], Placement(instance, [2, 3]))
    assert [step.action for step in plan.steps] == [LOAD, HEALTH, SWITCH, UNLOAD]
    assert all(step.models == ("big/s0", "big/s1") for step in plan.steps)
