"""Plans: replayed step by step by a checker of its own, and no more models stopped than needed."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import combinations, permutations

import pytest
from constrained_fleets import random_constrained

import kvpr_opt as kv
from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.operate.plan import HEALTH, LOAD, STOP, SWITCH, UNLOAD, Plan, plan_moves
from kvpr_opt.problem.placement import Kvpr, Placement


def replay(instance: kv.Instance, home: list[int], target: Placement, plan: Plan) -> None:
    """Nothing is exceeded or broken, each step is allowed, KVPRs are as said, all end up right."""
    names = [gpu.name for gpu in instance.gpus]
    copies = {(m.name, names[g]) for m, g in zip(instance.models, home, strict=True) if g >= 0}
    serving = {m.name: names[g] for m, g in zip(instance.models, home, strict=True) if g >= 0}
    healthy: set[tuple[str, str]] = set(copies)
    stopped = set()
    worst = kvpr_of(instance, copies, serving)
    for step in plan.steps:
        pairs = list(zip(step.models, step.gpus, strict=True))
        if step.action == LOAD:
            assert copies.isdisjoint(pairs)
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
        else:
            raise AssertionError(f"there is no such step as {step.action}")
        assert may_be_together(instance, copies), "models meet that are to be apart"
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


def may_be_together(instance: kv.Instance, copies: set[tuple[str, str]]) -> bool:
    """Whether copies may be where they are, old and new ones of a unit aside."""
    models = {model.name: model for model in instance.models}
    gpus = {gpu.name: gpu for gpu in instance.gpus}
    for (one, on), (other, at) in combinations(sorted(copies), 2):
        a, b = models[one], models[other]
        if unit_of(a) == unit_of(b):
            continue
        if on == at and set(a.apart) & set(b.apart):
            return False
        if a.part is None or b.part is None or a.part.model != b.part.model:
            continue
        declared = next(m for m in instance.declared if base(a.part.model) == m.name)
        same_node = on == at or (gpus[on].node is not None and gpus[on].node == gpus[at].node)
        if on == at or (declared.spread == "node" and same_node):
            return False
    return True


def base(name: str) -> str:
    """The declared model of a part; no fleet here has copies."""
    return name.split("/", maxsplit=1)[0]


def unit_of(model: kv.LLM) -> object:
    return model.name if model.part is None else (model.part.model, model.part.replica)


def two_placements(seed: int, most: int) -> tuple[kv.Instance, list[int], Placement]:
    """A fleet, where its models run, and another legal placement."""
    draw = random.Random(seed)
    gpus = [kv.GPU(f"g{i}", 10) for i in range(draw.choice([2, 3, 4]))]
    sizes = draw.choice([(1, 5), (3, 6)])
    models = [
        kv.LLM(f"m{i}", draw.randint(*sizes), pressure=draw.randint(0, 4))
        for i in range(draw.randint(2, most))
    ]
    while True:
        instance = kv.Instance(gpus, models or [kv.LLM("m", 1, pressure=1)])
        found = legal_placements(instance, draw)
        if found:
            return instance, list(found[0].gpu_of), found[1]
        models.pop()


def two_constrained_placements(seed: int) -> tuple[kv.Instance, list[int], Placement]:
    """The same with constraints, of which some models run nowhere yet now and then."""
    draw = random.Random(seed)
    while True:
        instance = random_constrained(draw)
        found = legal_placements(instance, draw)
        if found:
            home = [-1 if draw.random() < 0.1 else gpu for gpu in found[0].gpu_of]
            for model, other in combinations(range(len(home)), 2):
                # A unit runs with all its parts, or not at all.
                if unit_of(instance.models[model]) == unit_of(instance.models[other]):
                    home[other] = -1 if home[model] == -1 else found[0].gpu_of[other]
            return instance, home, found[1]


def legal_placements(instance: kv.Instance, draw: random.Random) -> list[Placement]:
    """Two legal placements, or none where they are hard to find."""
    found: list[Placement] = []
    for _ in range(200):
        gpu_of = [draw.randrange(len(instance.gpus)) for _ in instance.models]
        try:
            found.append(Placement(instance, gpu_of))
        except InvalidPlacementError:
            continue
        if len(found) == 2:
            return found
    return []


def fewest_stops(instance: kv.Instance, home: list[int], target: Placement) -> int:
    """Over all orders and all sets of units that stop before the first one loads."""
    units: dict[object, list[int]] = {}
    for number, (old, new) in enumerate(zip(home, target.gpu_of, strict=True)):
        if old != new:
            units.setdefault(unit_of(instance.models[number]), []).append(number)
    running = [key for key, parts in units.items() if home[parts[0]] >= 0]
    best = sum(len(units[key]) for key in running)
    for number in range(len(running) + 1):
        for first in combinations(running, number):
            parts = sum(len(units[key]) for key in first)
            if parts < best and any(
                runs(instance, home, target, [units[key] for key in order], first)
                for order in permutations(units)
            ):
                best = parts
    return best


def runs(
    instance: kv.Instance,
    home: list[int],
    target: Placement,
    order: list[list[int]],
    stopped: tuple[object, ...],
) -> bool:
    """Whether units can be loaded in an order, each one before its old copy goes."""
    names = [gpu.name for gpu in instance.gpus]
    models = instance.models
    copies = {
        (model.name, names[gpu])
        for model, gpu in zip(models, home, strict=True)
        if gpu >= 0 and unit_of(model) not in stopped
    }
    for parts in order:
        copies |= {(models[part].name, names[target.gpu_of[part]]) for part in parts}
        for gpu in instance.gpus:
            if sum(m.footprint for m in models if (m.name, gpu.name) in copies) > gpu.usable:
                return False
        if not may_be_together(instance, copies):
            return False
        copies -= {(models[part].name, names[home[part]]) for part in parts if home[part] >= 0}
    return True


def test_plans_hold_when_replayed() -> None:
    for seed in range(80):
        instance, home, target = two_placements(seed, 9)
        replay(instance, home, target, plan_moves(instance, home, target))


def test_plans_keep_to_the_constraints_at_every_step() -> None:
    for seed in range(70):
        instance, home, target = two_constrained_placements(seed)
        replay(instance, home, target, plan_moves(instance, home, target))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1500))
def test_many_plans_hold_when_replayed(seed: int) -> None:
    for instance, home, target in (two_placements(seed, 12), two_constrained_placements(seed)):
        plan = plan_moves(instance, home, target)
        replay(instance, home, target, plan)
        places = zip(instance.models, home, target.gpu_of, strict=True)
        units = {unit_of(model) for model, old, new in places if old != new}
        if len(units) <= 5:
            assert plan.exact
            assert len(plan.stopped) == fewest_stops(instance, home, target)


def test_no_more_models_stop_than_needed() -> None:
    stopped = 0
    for seed in range(30):
        instance, home, target = two_placements(seed, 5)
        plan = plan_moves(instance, home, target)
        assert plan.exact
        assert len(plan.stopped) == fewest_stops(instance, home, target)
        stopped += len(plan.stopped)
    assert stopped >= 3


def test_no_more_models_stop_than_the_constraints_need() -> None:
    stopped = 0
    for seed in range(30):
        instance, home, target = two_constrained_placements(seed)
        plan = plan_moves(instance, home, target)
        assert len(plan.stopped) == fewest_stops(instance, home, target)
        stopped += len(plan.stopped)
    assert stopped >= 3


def test_models_to_be_apart_do_not_meet_on_the_way() -> None:
    gpus = [kv.GPU("a", 20), kv.GPU("b", 20)]
    models = [kv.LLM("x", 4, pressure=1, apart="k"), kv.LLM("y", 4, pressure=1, apart="k")]
    instance = kv.Instance(gpus, models)
    target = Placement(instance, [1, 0])
    plan = plan_moves(instance, [0, 1], target)
    assert len(plan.stopped) == 1
    replay(instance, [0, 1], target, plan)


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
