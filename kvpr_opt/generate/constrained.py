"""Families with constraints: pins, labels, groups, replicas, and shards in nodes.

"Drawn from a to b" means integers, both ends included, all equally likely.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from numpy.random import RandomState

from kvpr_opt.errors import InputError
from kvpr_opt.generate.draws import MAX_REDRAWS, MEMORY, redraw_until, whole
from kvpr_opt.generate.long_tail import paper
from kvpr_opt.generate.uniform import uniform
from kvpr_opt.problem.instance import GPU, LLM, Instance

#: Shards of the large models of the family `sharded`.
_SHARDS = (2, 2, 2, 4, 4, 4, 8, 8)


def constrained(rng: RandomState, gpus: int, models: int) -> Instance:
    """The family `uniform` with pins, two labels, groups of three, and replicas.

    GPUs and models as there; every other GPU has the label ``even``, every third one
    ``third``. Then, in an order of the models drawn at random: the next 5 % (rounded up)
    become replicas of 2 on different GPUs and the next 5 % of 3, each with the demand of
    one model times the replicas, and the models that come after them make room for their
    further copies, one for each; 10 % are pinned to different GPUs as far as there are
    enough, in an order drawn at random; 10 % run on ``even`` GPUs only, 10 % never on
    ``third``; 20 % are in groups of three to be apart. All parts together are `models`.

    Raises
    ------
    InputError
        For fewer than 20 models, 4 GPUs, or models that GPUs are too few for.
    """
    if models < 20 or gpus < 4:
        raise InputError(
            f"family 'constrained' has 20 models and 4 GPUs at least, not {models} on {gpus}",
            place="models" if models < 20 else "gpus",
        )
    for _ in range(MAX_REDRAWS):
        plain = uniform(rng, gpus, models)
        order = [int(number) for number in rng.permutation(models)]
        hosts = [int(number) for number in rng.permutation(gpus)]
        made = _constrained(plain, order, hosts)
        filled = sum(model.footprint for model in made.models)
        if 100 * filled < 85 * MEMORY * gpus:
            return made
    raise InputError(
        f"{MAX_REDRAWS} draws gave no replicas that fit; ask for fewer models", place="models"
    )


def _constrained(plain: Instance, order: list[int], hosts: list[int]) -> Instance:
    labels = [
        tuple(name for name, step in (("even", 2), ("third", 3)) if index % step == 0)
        for index in range(len(plain.gpus))
    ]
    gpus = [
        GPU(gpu.name, gpu.memory, labels=own) for gpu, own in zip(plain.gpus, labels, strict=True)
    ]
    models = list(plain.models)
    few = -(-len(models) // 20)
    left = iter(order)
    gone: set[int] = set()
    for replicas in (2, 3):
        for _ in range(few):
            number = next(left)
            model = models[number]
            rate = None if model.req_rate is None else model.req_rate * replicas
            models[number] = LLM(model.name, model.size, rate, model.slo, replicas=replicas)
            gone.update(next(left) for _ in range(replicas - 1))
    tenth = len(models) // 10
    for host in range(tenth):
        number = next(left)
        models[number] = _with(models[number], pin=gpus[hosts[host % len(hosts)]].name)
    for _ in range(tenth):
        number = next(left)
        models[number] = _with(models[number], only="even")
    for _ in range(tenth):
        number = next(left)
        models[number] = _with(models[number], never="third")
    for group in range(len(models) // 15):
        for _ in range(3):
            number = next(left)
            models[number] = _with(models[number], apart=f"group{group}")
    return Instance(gpus, [model for number, model in enumerate(models) if number not in gone])


def _with(model: LLM, **keys: str) -> LLM:
    return LLM(model.name, model.size, model.req_rate, model.slo, **keys)  # type: ignore[arg-type]


def pinned(rng: RandomState, gpus: int, models: int) -> Instance:
    """The family `uniform` with half of the models pinned, evenly over the GPUs.

    As there; then every second model of an order drawn at random is pinned, to the GPUs
    in an order drawn at random, one after the other and over again.
    """
    plain = uniform(rng, gpus, models)
    order = [int(number) for number in rng.permutation(models)]
    hosts = [int(number) for number in rng.permutation(gpus)]
    made = list(plain.models)
    for turn, number in enumerate(order[: models // 2]):
        made[number] = _with(made[number], pin=plain.gpus[hosts[turn % gpus]].name)
    return Instance(plain.gpus, made)


def paper_sharded(rng: RandomState, gpus: int, models: int, skew: Fraction) -> Instance:
    """The family `paper` with its four largest models as 4 shards each, in 4 nodes of 8.

    As there; ``node0-gpu0`` to ``node0-gpu7`` are in the node ``node0``, and so on. A shard
    has a quarter of the weights and of the demand.
    """
    plain = paper(rng, gpus, models, skew)
    nodes = [GPU(gpu.name, gpu.memory, node=gpu.name.partition("-")[0]) for gpu in plain.gpus]
    large = [replace(model, shards=4) for model in plain.models[-4:]]
    return Instance(nodes, [*plain.models[:-4], *large])


def sharded(rng: RandomState, gpus: int, models: int) -> Instance:
    """Nodes of 8 GPUs of 80; 8 models as 2 to 8 shards, the others as in `uniform`.

    The shards of the large models, and of three models a GPU the others, have sizes from 6
    to 20; all of them anew until they fill less than 85 % of the memory. Three large models
    have 2 shards, three 4 and two 8. Request rates are drawn from 1 to 9, times the shards
    for the large ones, SLOs from 5 to 9.

    Raises
    ------
    InputError
        If the GPUs do not make up whole nodes, or there are no more than 8 models.
    """
    if gpus % 8 or models <= len(_SHARDS):
        raise InputError(
            f"family 'sharded' has nodes of 8 GPUs and more than 8 models, not {models} models "
            f"on {gpus} GPUs",
            place="gpus" if gpus % 8 else "models",
        )
    shards = [*_SHARDS, *[1] * (models - len(_SHARDS))]
    drawn: list[int] = []

    def draw() -> list[int]:
        nonlocal drawn
        drawn = whole(rng, 6, 20, models)
        return [size * k for size, k in zip(drawn, shards, strict=True)]

    sizes = redraw_until(draw, lambda total: 100 * total < 85 * MEMORY * gpus)
    rates, slos = whole(rng, 1, 9, models), whole(rng, 5, 9, models)
    return Instance(
        [GPU(f"gpu{index}", MEMORY, node=f"node{index // 8}") for index in range(gpus)],
        [
            LLM(f"model{index}", size, rate * k, slo, shards=k)
            for index, (size, rate, slo, k) in enumerate(
                zip(sizes, rates, slos, shards, strict=True)
            )
        ],
    )
