"""Packings to begin with, and ways to break a packing up again, compiled."""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.bins import Bins, put, take
from kvpr_opt.local_search.rng import draw


@compiled
def roomiest(bins: Bins) -> int:
    """The GPU with the most capacity left."""
    best = 0
    most = bins.capacities[0] - bins.loads[0]
    for gpu in range(1, len(bins.loads)):
        room = bins.capacities[gpu] - bins.loads[gpu]
        if room > most:
            best, most = gpu, room
    return best


@compiled
def worst_fit(bins: Bins, order: Ints) -> None:
    """Put models in a given order, each on the GPU that has the most room left."""
    for place in range(len(order)):
        put(bins, order[place], roomiest(bins))


@compiled
def best_fit(bins: Bins, order: Ints) -> None:
    """Put models in a given order, each where it leaves the least room.

    One that fits nowhere goes where the most room is left.
    """
    gpus = len(bins.loads)
    for place in range(len(order)):
        weight = bins.weights[order[place]]
        best, least = -1, 0
        for gpu in range(gpus):
            room = bins.capacities[gpu] - bins.loads[gpu] - weight
            if room >= 0 and (best < 0 or room < least):
                best, least = gpu, room
        if best < 0:
            best = roomiest(bins)
        put(bins, order[place], best)


@compiled
def choose_some(random: Ints, total: int, count: int) -> Ints:
    """Different numbers below `total` in random order."""
    numbers = np.zeros(total, np.int64)
    for place in range(total):
        numbers[place] = place
    for place in range(count):
        other = place + draw(random, total - place)
        numbers[place], numbers[other] = numbers[other], numbers[place]
    return numbers[:count]


@compiled
def take_off(bins: Bins, random: Ints, gpus: Ints, models: Ints, keys: Ints) -> int:
    """Take all models off some GPUs and list them.

    Each with a key, its weight with up to a fifth off by chance. Returns how many.
    """
    count = 0
    for gpu in gpus:
        model = bins.first[gpu]
        while model >= 0:
            following = bins.after[model]
            models[count] = model
            keys[count] = bins.weights[model] // 64 * (64 - draw(random, 13))
            count += 1
            take(bins, model)
            model = following
    return count


@compiled
def deal_out(bins: Bins, gpus: Ints, order: Ints) -> None:
    """Put models in a given order, each on the one of some GPUs that has the most room."""
    for place in range(len(order)):
        best = gpus[0]
        for gpu in gpus:
            if bins.capacities[gpu] - bins.loads[gpu] > bins.capacities[best] - bins.loads[best]:
                best = gpu
        put(bins, order[place], best)


def ruin_and_recreate(bins: Bins, random: Ints, gpus: int) -> None:
    """Take the models off some GPUs and deal them out again, large ones roughly first."""
    total = len(bins.loads)
    chosen = choose_some(random, total, min(gpus, total))
    models, keys = np.zeros_like(bins.weights), np.zeros_like(bins.weights)
    count = take_off(bins, random, chosen, models, keys)
    deal_out(bins, chosen, models[np.argsort(-keys[:count], kind="stable")])
