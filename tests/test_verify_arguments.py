"""Proofs that use constraints or moves: accepted if and only if the argument of the page is right.

Fleets are drawn as canonical texts, and each condition of docs/certificate.md is decided by
trying all sets of models, so that nothing of the package but the checker takes part.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import math
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from kvpr_opt.verify import check_either

# The package has a function of this name.
CHECKER = importlib.import_module("kvpr_opt.verify")

Data = dict[str, Any]


# -- fleets, and what fits their GPUs ------------------------------------------------------------


def random_fleet(draw: random.Random) -> Data:
    """A canonical fleet of few GPUs and models, with constraints or without."""
    gpus = [f"g{i}" for i in range(draw.randint(1, 3))]
    models = [f"m{i}" for i in range(draw.randint(1, 5))]
    made: Data = {
        "schema": "kvpr-opt/canonical/1",
        "gpus": [{"name": name, "memory": str(draw.choice([2, 4, 6, 6]))} for name in gpus],
        "models": [
            {
                "name": name,
                "size": str(draw.choice([0, 1, 2, 2, 3, 4])),
                "pressure": draw.choice(["0", "0", "1", "2", "3/2"]),
            }
            for name in models
        ],
        "constraints": [],
    }
    for model in models:
        if draw.random() < 0.3:
            allowed = draw.sample(gpus, draw.randint(1, len(gpus)))
            made["constraints"].append({"kind": "only", "model": model, "gpus": allowed})
    for _ in range(draw.choice([0, 0, 1, 2, 3])):
        members = draw.sample(models, draw.randint(1, len(models)))
        made["constraints"].append({"kind": "apart", "models": members})
    if made["constraints"]:
        made["schema"] = "kvpr-opt/canonical/2"
    return made


def pinned(fleet: Data) -> dict[str, str]:
    only = [each for each in fleet["constraints"] if each["kind"] == "only"]
    return {each["model"]: each["gpus"][0] for each in only if len(each["gpus"]) == 1}


def groups(fleet: Data) -> list[list[str]]:
    return [each["models"] for each in fleet["constraints"] if each["kind"] == "apart"]


def may_be_on(fleet: Data, model: str, gpu: str) -> bool:
    for each in fleet["constraints"]:
        if each["kind"] == "only" and each["model"] == model and gpu not in each["gpus"]:
            return False
    there = pinned(fleet)
    return not any(
        model in group and any(there.get(other) == gpu for other in group)
        for group in groups(fleet)
    )


def counted_group(fleet: Data, model: str) -> int | None:
    """The number of the one group that counts for a free model."""
    free = [[m for m in group if m not in pinned(fleet)] for group in groups(fleet)]
    its = [n for n, group in enumerate(free) if model in group and len(group) > 1]
    return min(its, key=lambda n: (-len(free[n]), n)) if its else None


class Question:
    """What fits the GPUs at the largest threshold below a value, from the definitions."""

    def __init__(self, fleet: Data, value: Fraction | float) -> None:
        self.fleet = fleet
        self.size = {model["name"]: int(model["size"]) for model in fleet["models"]}
        self.pressure = {model["name"]: Fraction(model["pressure"]) for model in fleet["models"]}
        self.memory = {gpu["name"]: int(gpu["memory"]) for gpu in fleet["gpus"]}
        unit = math.gcd(*self.size.values(), *self.memory.values())
        halves = math.gcd(*(int(2 * each) for each in self.pressure.values()))
        self.steps = [
            Fraction(a * halves, 2 * f * unit)
            for f in range(1, max(self.memory.values()) // unit + 1)
            for a in range(int(2 * sum(self.pressure.values())) // (halves or 1) + 1)
        ]
        self.threshold = max(step for step in self.steps if step < value)

    def item(self, model: str) -> Fraction:
        """What a model takes of a GPU; where no model has pressure, memory is all that counts."""
        if not any(self.pressure.values()):
            return Fraction(self.size[model])
        return self.pressure[model] + self.threshold * self.size[model]

    def room(self, gpu: str) -> Fraction:
        """What is left beside the models that are pinned to a GPU."""
        whole = self.memory[gpu] * (self.threshold if any(self.pressure.values()) else 1)
        there = (self.item(m) for m, g in pinned(self.fleet).items() if g == gpu)
        return Fraction(whole) - sum(there, Fraction(0))

    def sets(self, gpu: str) -> Iterator[tuple[str, ...]]:
        """All sets of free models that the GPU may hold."""
        there = pinned(self.fleet)
        free = [m for m in self.size if m not in there and may_be_on(self.fleet, m, gpu)]
        for number in range(len(free) + 1):
            for chosen in itertools.combinations(free, number):
                its = [counted_group(self.fleet, model) for model in chosen]
                its = [each for each in its if each is not None]
                if len(set(its)) == len(its) and sum(map(self.item, chosen)) <= self.room(gpu):
                    yield chosen


# -- claims, and whether the page allows them ----------------------------------------------------


def text_of(data: Data) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def words(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


def certificate(fleet: Data, value: object, proof: Data) -> Data:
    return {
        "schema": fleet["schema"].replace("canonical", "certificate"),
        "instance_sha256": hashlib.sha256(text_of(fleet).encode()).hexdigest(),
        "status": "unknown",
        "max_kvpr": None,
        "placement": None,
        "bounds": [{"value": str(value).replace("inf", "infinite"), "proof": proof}],
    }


def relocation(fleet: Data, value: object, proof: Data, **claims: object) -> Data:
    made = certificate(fleet, value, proof)
    del made["status"]
    costs = {model["name"]: "1" for model in fleet["models"]}
    defaults = {"home": {}, "costs": costs, "budget": "0"}
    return {**made, "schema": "kvpr-opt/relocation/1", **defaults, **claims}


def code(fleet: Data, claim: Data) -> int:
    return check_either(text_of(fleet), json.dumps(claim)).exit_code


def random_value(draw: random.Random, fleet: Data) -> Fraction | float:
    """Mostly one that a placement may have, or infinite."""
    steps = [step for step in Question(fleet, math.inf).steps if step > 0]
    at = Fraction(draw.randint(1, 9), draw.randint(1, 9))
    choices: list[Fraction | float] = [math.inf, at, *draw.choices(steps or [at], k=2)]
    return draw.choice(choices)


def pinned_holds(fleet: Data, value: Fraction | float, gpu: str) -> bool:
    there = [model for model, on in pinned(fleet).items() if on == gpu]
    torn = any(len({*group} & {*there}) > 1 for group in groups(fleet))
    return torn or Question(fleet, value).room(gpu) < 0


def constrained_holds(
    fleet: Data,
    value: Fraction | float,
    points: dict[str, int],
    types: dict[str, int],
    limits: list[int],
) -> bool:
    question = Question(fleet, value)
    if min(map(question.room, question.memory)) < 0:
        return False
    counted = [m for m in points if m not in pinned(fleet) and question.item(m) > 0]
    if sum(points[m] for m in counted) <= sum(limits[number] for number in types.values()):
        return False
    return all(
        sum(points[m] for m in chosen if m in counted) <= limits[number]
        for gpu, number in types.items()
        for chosen in question.sets(gpu)
    )


def worth(claim: Data, points: dict[str, int], price: Fraction, model: str, gpu: str) -> int:
    """The points of a model on a GPU, less what moving it there costs."""
    at_home = claim["home"].get(model, gpu) == gpu
    return points[model] - (0 if at_home else int(price * Fraction(claim["costs"][model])))


def moves_hold(
    fleet: Data,
    value: Fraction | float,
    claim: Data,
    points: dict[str, int],
    limits: dict[str, int],
    price: Fraction,
) -> bool:
    question = Question(fleet, value)
    if min(map(question.room, question.memory)) < 0:
        return False
    if sum(points.values()) <= sum(limits.values()) + price * Fraction(claim["budget"]):
        return False
    there = pinned(fleet)
    for gpu, limit in limits.items():
        fixed = sum(
            max(0, worth(claim, points, price, m, gpu)) for m, on in there.items() if on == gpu
        )
        for chosen in question.sets(gpu):
            if fixed + sum(worth(claim, points, price, m, gpu) for m in chosen) > limit:
                return False
    return True


def most(fleet: Data, value: Fraction | float, gpu: str, value_of: Any) -> int:
    return max(
        (sum(map(value_of, chosen)) for chosen in Question(fleet, value).sets(gpu)), default=0
    )


# -- random claims -------------------------------------------------------------------------------


def sample(seed: int, number: int, kinds: tuple[str, ...]) -> tuple[int, int]:
    """How many claims were accepted and refused, each as it had to be."""
    draw, seen = random.Random(f"{kinds} {seed}"), [0, 0]
    for _ in range(number):
        fleet = random_fleet(draw)
        value = random_value(draw, fleet)
        made = {"pinned": random_pinned, "constrained": random_constrained, "moves": random_moves}
        claim, holds = made[draw.choice(kinds)](draw, fleet, value)
        assert code(fleet, claim) == (0 if holds else 5), (fleet, claim)
        seen[holds] += 1
    return seen[1], seen[0]


def random_pinned(draw: random.Random, fleet: Data, value: Fraction | float) -> tuple[Data, bool]:
    gpu = draw.choice(fleet["gpus"])["name"]
    proof = {"kind": "pinned", "gpu": gpu}
    return certificate(fleet, value, proof), pinned_holds(fleet, value, gpu)


def random_constrained(
    draw: random.Random, fleet: Data, value: Fraction | float
) -> tuple[Data, bool]:
    top = draw.choice([1, 1, 2, 5])
    points = {model["name"]: draw.randint(0, top) for model in fleet["models"]}
    names = [gpu["name"] for gpu in fleet["gpus"]]
    types = {name: draw.choice([0, n]) for n, name in enumerate(names)}
    needed = [most(fleet, value, name, points.__getitem__) for name in names]
    limits = [
        max([0, *(needed[n] for n, name in enumerate(names) if types[name] == number)])
        for number in range(max(types.values()) + 1)
    ]
    changed = draw.randrange(len(limits))
    limits[changed] = max(0, limits[changed] + draw.choice([0, 0, 0, -1, 1]))
    proof = {
        "kind": "constrained",
        "models": words([*points.values()]),
        "gpus": words(limits),
        "types": words([*types.values()]),
    }
    return certificate(fleet, value, proof), constrained_holds(fleet, value, points, types, limits)


def random_moves(draw: random.Random, fleet: Data, value: Fraction | float) -> tuple[Data, bool]:
    names = [gpu["name"] for gpu in fleet["gpus"]]
    models = [model["name"] for model in fleet["models"]]
    claim: Data = {
        "home": {m: draw.choice(names) for m in models if draw.random() < 0.8},
        "costs": {m: draw.choice(["0", "1", "1", "3/2", "3"]) for m in models},
        "budget": draw.choice(["0", "1", "1", "2", "5/2"]),
    }
    top = draw.choice([1, 2, 5])
    points = {m: draw.randint(0, top) for m in models}
    price = Fraction(draw.choice([0, 1, 1, 2, Fraction(3, 2), 4]))
    limits = {}
    for gpu in names:
        fixed = [m for m, on in pinned(fleet).items() if on == gpu]

        def value_here(model: str, gpu: str = gpu) -> int:
            return worth(claim, points, price, model, gpu)

        here = sum(max(0, value_here(m)) for m in fixed)
        limits[gpu] = max(0, here + most(fleet, value, gpu, value_here))
    changed = draw.choice(names)
    limits[changed] = max(0, limits[changed] + draw.choice([0, 0, 0, -1, 1]))
    proof = {
        "kind": "moves",
        "models": words([*points.values()]),
        "gpus": words([*limits.values()]),
        "price": str(price),
    }
    return relocation(fleet, value, proof, **claim), moves_hold(
        fleet, value, claim, points, limits, price
    )


@pytest.mark.parametrize("kind", ["pinned", "constrained", "moves"])
def test_accepted_if_and_only_if_the_argument_is_right(kind: str) -> None:
    assert min(sample(0, 600, (kind,))) > 50


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_very_many_claims(seed: int) -> None:
    assert min(sample(seed, 10_000, ("pinned", "constrained", "moves"))) > 1_000
