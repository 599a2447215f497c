"""What the families share: draws from a frozen random stream, and putting a fleet together.

All numbers come from numpy's legacy generator, whose stream never changes, and
no draw goes through floating-point arithmetic: a seed gives the same fleet on
every machine and in every version of numpy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate

import numpy as np
from numpy.random import RandomState

from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import GPU, LLM, Instance

#: Memory of a GPU, where a family does not say otherwise.
MEMORY = 80

#: A fleet that so many draws did not give is taken for impossible.
MAX_REDRAWS = 1000


def whole(rng: RandomState, low: int, high: int, count: int) -> list[int]:
    """`count` independent integers from `low` to `high`, both included, all equally likely."""
    return [int(number) for number in rng.randint(low, high + 1, size=count, dtype=np.int64)]


def weighted(
    rng: RandomState, choices: Sequence[tuple[Fraction, int]], count: int
) -> list[Fraction]:
    """`count` independent values out of `choices`, each with the probability of its weight."""
    ends = list(accumulate(weight for _, weight in choices))
    tickets = whole(rng, 0, ends[-1] - 1, count)
    return [choices[bisect_right(ends, ticket)][0] for ticket in tickets]


def redraw_until(draw: Callable[[], list[int]], accept: Callable[[int], bool]) -> list[int]:
    """Draw sizes anew until their sum is acceptable.

    Raises
    ------
    InputError
        If it is not within :data:`MAX_REDRAWS` draws.
    """
    for _ in range(MAX_REDRAWS):
        sizes = draw()
        if accept(sum(sizes)):
            return sizes
    raise InputError(
        f"{MAX_REDRAWS} draws gave no sizes that fill the GPUs as far as the family wants it; "
        "ask for another number of models or GPUs",
        place="models",
    )


def silence(rng: RandomState, rates: list[int], percent: int) -> list[int]:
    """The rates with `percent` % of them (rounded), drawn at random, set to 0."""
    silent = (percent * len(rates) + 50) // 100
    chosen = {int(model) for model in rng.permutation(len(rates))[:silent]}
    return [0 if model in chosen else rate for model, rate in enumerate(rates)]


def gpus_of(memory: Sequence[int]) -> list[GPU]:
    """GPUs ``gpu0``, ``gpu1``, ... of these memories."""
    return [GPU(f"gpu{index}", amount) for index, amount in enumerate(memory)]


def llms_of(
    sizes: Sequence[int | Fraction],
    rates: Sequence[int | Fraction],
    slos: Sequence[int],
) -> list[LLM]:
    """Models ``model0``, ``model1``, ... of these sizes, request rates and SLOs."""
    return [
        LLM(f"model{index}", size=size, req_rate=rate, slo=slo)
        for index, (size, rate, slo) in enumerate(zip(sizes, rates, slos, strict=True))
    ]


def fleet_of(
    memory: Sequence[int],
    sizes: Sequence[int | Fraction],
    rates: Sequence[int | Fraction],
    slos: Sequence[int],
) -> Instance:
    """The fleet of :func:`gpus_of` and :func:`llms_of`."""
    return Instance(gpus_of(memory), llms_of(sizes, rates, slos))
