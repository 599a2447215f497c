"""Compiled starting packings, and ways to perturb a packing."""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.bins import Bins, may_join, put, take
from kvpr_opt.local_search.rng import draw


@compiled
def roomiest(bins: Bins, model: int) -> int:
    """The GPU with the most capacity left among those that may take a model; -1 if none may."""
    best, most = -1, 0
    for gpu in range(len(bins.loads)):
        room = bins.capacities[gpu] - bins.loads[gpu]
        if (best < 0 or room > most) and may_join(bins, model, gpu):
            best, most = gpu, room
    return best


@compiled
def worst_fit(bins: Bins, order: Ints) -> None:
    """Place models without rules in a given order, each where the most room is left."""
    for place in range(len(order)):
        put(bins, order[place], roomiest(bins, order[place]))


@compiled
def best_fit(bins: Bins, order: Ints) -> bool:
    """Place models in a given order, each where it leaves the least room.

    A model that fits nowhere goes where the most room is left. Returns whether all were
    placed: false if the rules left a model no GPU; it and all later ones stay unplaced.
    """
    gpus = len(bins.loads)
    for place in range(len(order)):
        weight = bins.weights[order[place]]
        best, least = -1, 0
        for gpu in range(gpus):
            room = bins.capacities[gpu] - bins.loads[gpu] - weight
            if room >= 0 and (best < 0 or room < least) and may_join(bins, order[place], gpu):
                best, least = gpu, room
        if best < 0:
            best = roomiest(bins, order[place])
        if best < 0:
            return False
        put(bins, order[place], best)
    return True


@compiled
def choose_some(random: Ints, total: int, count: int) -> Ints:
    """Distinct numbers below `total`, in random order."""
    numbers = np.zeros(total, np.int64)
    for place in range(total):
        numbers[place] = place
    for place in range(count):
        other = place + draw(random, total - place)
        numbers[place], numbers[other] = numbers[other], numbers[place]
    return numbers[:count]


@compiled
def take_off(bins: Bins, random: Ints, gpus: Ints, models: Ints, keys: Ints) -> int:
    """Take all models off some GPUs and list them, each with a sort key.

    The key is the weight, reduced at random by up to a fifth. Returns the number of models.
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
def deal_out(bins: Bins, gpus: Ints, order: Ints) -> bool:
    """Place models in a given order, each on whichever of some GPUs has the most room.

    Returns whether all were placed: false if the rules left a model no GPU; it and all
    later ones stay unplaced.
    """
    for place in range(len(order)):
        best, most = -1, 0
        for gpu in gpus:
            room = bins.capacities[gpu] - bins.loads[gpu]
            if (best < 0 or room > most) and may_join(bins, order[place], gpu):
                best, most = gpu, room
        if best < 0:
            return False
        put(bins, order[place], best)
    return True


def ruin_and_recreate(bins: Bins, random: Ints, gpus: int) -> bool:
    """Take the models off some GPUs and deal them out again, roughly largest first.

    Returns whether all were placed, as :func:`deal_out` does.
    """
    total = len(bins.loads)
    chosen = choose_some(random, total, min(gpus, total))
    models, keys = np.zeros_like(bins.weights), np.zeros_like(bins.weights)
    count = take_off(bins, random, chosen, models, keys)
    return deal_out(bins, chosen, models[np.argsort(-keys[:count], kind="stable")])
