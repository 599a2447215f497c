"""Families of whole numbers, all equally likely.

"Drawn from a to b" means integers, both ends included, all equally likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from numpy.random import RandomState

from kvpr_opt.errors import InputError
from kvpr_opt.generate.draws import (
    MEMORY,
    fleet_of,
    gpus_of,
    redraw_until,
    silence,
    whole,
)
from kvpr_opt.problem.instance import LLM, Instance

# Models a GPU -> sizes from, to: about half of a GPU of 80 in all.
_SIZES = {2: (10, 29), 3: (6, 20), 4: (2, 15), 6: (2, 11), 8: (1, 8)}


def uniform(rng: RandomState, gpus: int, models: int) -> Instance:
    """GPUs of 80; sizes by the number of models a GPU, rates 1 to 9, SLO 5 to 9.

    With k the one of 2, 3, 4, 6, 8 nearest to models / GPUs (of two the
    smaller), sizes are drawn from 10 to 29, 6 to 20, 2 to 15, 2 to 11, 1 to 8;
    all of them anew until they fill less than 85 % of the memory. Then the
    request rates, then the SLOs.
    """
    memory = [MEMORY] * gpus
    sizes = _sizes(rng, memory, models)
    return fleet_of(memory, sizes, *_rates_and_slos(rng, models))


def mixed(rng: RandomState, gpus: int, models: int) -> Instance:
    """The family `uniform` on GPUs of 60, 80, 100, 60, 80, 100, ..."""
    memory = [(60, 80, 100)[gpu % 3] for gpu in range(gpus)]
    sizes = _sizes(rng, memory, models)
    return fleet_of(memory, sizes, *_rates_and_slos(rng, models))


def zero_heavy(rng: RandomState, gpus: int, models: int) -> Instance:
    """The family `uniform` with 30 % of the pressures 0.

    As there; then the rates of 30 % of the models (rounded), drawn at random,
    are set to 0.
    """
    memory = [MEMORY] * gpus
    sizes = _sizes(rng, memory, models)
    rates, slos = _rates_and_slos(rng, models)
    return fleet_of(memory, sizes, silence(rng, rates, 30), slos)


def precise(rng: RandomState, gpus: int, models: int) -> Instance:
    """The family `uniform` with pressures of six decimals.

    Sizes as there; then the pressures, drawn from 0.1 to 1.8 in steps of
    0.000001.
    """
    memory = [MEMORY] * gpus
    sizes = _sizes(rng, memory, models)
    millionths = whole(rng, 100_000, 1_800_000, models)
    llms = [
        LLM(f"model{index}", size=size, pressure=Fraction(pressure, 10**6))
        for index, (size, pressure) in enumerate(zip(sizes, millionths, strict=True))
    ]
    return Instance(gpus_of(memory), llms)


def tight(rng: RandomState, gpus: int, models: int) -> Instance:
    """4 models a GPU of 80, sizes 4 to 28, 70 to 85 % full, 40 % of the pressures 0.

    All sizes are drawn anew until they fill 70 to 85 % of the memory. Then the
    request rates from 1 to 9 and the SLOs from 5 to 9; then the rates of 40 %
    of the models (rounded), drawn at random, are set to 0.

    Raises
    ------
    InputError
        If there are not 4 models a GPU.
    """
    if models != 4 * gpus:
        raise InputError(
            f"family 'tight' has 4 models a GPU: {4 * gpus} on {gpus} GPUs, not {models}",
            place="models",
        )
    memory = [MEMORY] * gpus
    sizes = redraw_until(
        lambda: whole(rng, 4, 28, models),
        lambda total: 70 * sum(memory) <= 100 * total <= 85 * sum(memory),
    )
    rates, slos = _rates_and_slos(rng, models)
    return fleet_of(memory, sizes, silence(rng, rates, 40), slos)


def _sizes(rng: RandomState, memory: Sequence[int], models: int) -> list[int]:
    per_gpu = Fraction(models, len(memory))
    low, high = _SIZES[min(_SIZES, key=lambda k: (abs(k - per_gpu), k))]
    return redraw_until(
        lambda: whole(rng, low, high, models),
        lambda total: 100 * total < 85 * sum(memory),
    )


def _rates_and_slos(rng: RandomState, models: int) -> tuple[list[int], list[int]]:
    rates = whole(rng, 1, 9, models)
    return rates, whole(rng, 5, 9, models)
