"""Families as real fleets are: many small and few large models, few popular and many idle ones.

"Drawn from a to b" means integers, both ends included, all equally likely.
"""

from __future__ import annotations

from fractions import Fraction

from numpy.random import RandomState

from kvpr_opt.errors import InputError
from kvpr_opt.generate.draws import (
    MAX_REDRAWS,
    MEMORY,
    fleet_of,
    llms_of,
    weighted,
    whole,
)
from kvpr_opt.problem.instance import GPU, Instance

# Sizes in GB, and ten times their weights.
_SIZES = (
    (Fraction(1, 2), 30),
    (Fraction(1), 30),
    (Fraction(3), 40),
    (Fraction(7), 60),
    (Fraction(14), 50),
    (Fraction(16), 50),
    (Fraction(27), 20),
    (Fraction(28), 20),
    (Fraction(65), 3),
)
_SMALL = _SIZES[:3]
_LARGE = _SIZES[4:8]


def long_tail(rng: RandomState, gpus: int, models: int, skew: Fraction) -> Instance:
    """GPUs of 80 GB, 50 to 72 % full.

    Sizes are drawn from 0.5, 1, 3, 7, 14, 16, 27, 28 and 65 GB with the weights
    3, 3, 4, 6, 5, 5, 2, 2 and 0.3. While they fill more than 72 % of the
    memory, one of the largest is drawn anew from 0.5, 1 and 3; while less than
    50 %, one of the smallest from 14, 16, 27 and 28 (with the same weights).

    In an order drawn at random the first 60 % of the models (rounded) have the
    request rates floor(60 / rank**skew), rank 1, 2, ..., the others exactly 0.
    SLOs are drawn from 5 to 9.
    """
    sizes = _sizes(rng, gpus, models)
    rates = _rates(rng, models, skew)
    return fleet_of([MEMORY] * gpus, sizes, rates, whole(rng, 5, 9, models))


def fine(rng: RandomState, gpus: int, models: int, skew: Fraction) -> Instance:
    """The family `long-tail` in whole MB, on GPUs of 81,559 MB.

    Sizes as there, for GPUs of 80 GB; for every one of them the size in MB is
    then drawn from 970 to 1,030 times the size in GB. Request rates as there,
    but rounded down to a multiple of 0.01. SLOs are drawn from 5 to 9.
    """
    sizes = [
        whole(rng, int(970 * size), int(1030 * size), 1)[0] for size in _sizes(rng, gpus, models)
    ]
    rates = _rates(rng, models, skew, steps=100)
    return fleet_of([81_559] * gpus, sizes, rates, whole(rng, 5, 9, models))


def paper(rng: RandomState, gpus: int, models: int, skew: Fraction) -> Instance:
    """58 models on 32 GPUs of 80 GB in 4 nodes: a fleet as in the Prism paper.

    43 models of 1 to 3 billion parameters, 8 of 4 to 8, 3 of 9 to 30 and 4 of
    31 to 70, drawn in tenths of a billion. A billion parameters takes 2 GB up
    to 30 billion, 1 GB above (weights of 8 bits). Request rates and SLOs as in
    `long-tail`. The GPUs are called ``node0-gpu0`` to ``node3-gpu7``.

    Raises
    ------
    InputError
        For another number of GPUs or models.

    References
    ----------
    .. [1] Prism, arXiv 2505.04021.
    """
    if (gpus, models) != (32, 58):
        raise InputError(
            f"family 'paper' has 58 models on 32 GPUs, not {models} on {gpus}", place="models"
        )
    billions = [
        Fraction(tenths, 10)
        for count, low, high in [(43, 10, 30), (8, 40, 80), (3, 90, 300), (4, 310, 700)]
        for tenths in whole(rng, low, high, count)
    ]
    sizes = [number * (2 if number <= 30 else 1) for number in billions]
    rates = _rates(rng, models, skew)
    names = [f"node{node}-gpu{gpu}" for node in range(4) for gpu in range(8)]
    return Instance(
        [GPU(name, MEMORY) for name in names],
        llms_of(sizes, rates, whole(rng, 5, 9, models)),
    )


def _sizes(rng: RandomState, gpus: int, count: int) -> list[Fraction]:
    sizes = weighted(rng, _SIZES, count)
    holders: dict[Fraction, list[int]] = {size: [] for size, _ in _SIZES}
    for model, size in enumerate(sizes):
        holders[size].append(model)
    least, most = Fraction(50 * MEMORY * gpus, 100), Fraction(72 * MEMORY * gpus, 100)
    total = sum(sizes, Fraction(0))
    for _ in range(10 * count + MAX_REDRAWS):
        if least <= total <= most or not count:
            return sizes
        present = [size for size in holders if holders[size]]
        old, choices = (present[-1], _SMALL) if total > most else (present[0], _LARGE)
        (new,) = weighted(rng, choices, 1)
        model = holders[old].pop()
        holders[new].append(model)
        sizes[model] = new
        total += new - old
    raise InputError(
        f"{count} models of this family do not fill 50 to 72 % of {gpus} GPUs; "
        "3 to 8 models a GPU do",
        place="models",
    )


def _rates(rng: RandomState, count: int, skew: Fraction, *, steps: int = 1) -> list[Fraction]:
    """Rates rounded down to multiples of ``1 / steps``.

    The rate of a rank is the largest v / steps with v <= 60 steps / rank**(p / q),
    that is v**q * rank**p <= (60 steps)**q: in integers, so that no two machines
    round it differently.
    """
    p, q = skew.numerator, skew.denominator
    rates = [Fraction(0)] * count
    asked = (6 * count + 5) // 10
    order = [int(model) for model in rng.permutation(count)]
    step, limit = 60 * steps, (60 * steps) ** q
    for rank, model in enumerate(order[:asked], start=1):
        while step**q * rank**p > limit:  # rates fall with the rank
            step -= 1
        rates[model] = Fraction(step, steps)
    return rates
