"""Compiled rebuild of a part of a fleet: fill GPU after GPU, pack the last few exactly.

Every GPU but the last few is filled as well as the pool of models allows, so
that the spare capacity collects where the exact packing can use it.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.bins import Bins, put, take
from kvpr_opt.local_search.group_repartition import move_listed, pack_listed
from kvpr_opt.local_search.rng import draw
from kvpr_opt.local_search.workspace import MAX_GPUS, MAX_OF_GROUP, Workspace, sort_models

#: Random draws for one GPU of a large fleet.
_DRAWS = 6


@compiled
def pick(pool: Ints, count: int, place: int, picked: Ints, at: int) -> None:
    """Move a model from a pool of `count` models to a list; the pool stays sorted."""
    picked[at] = pool[place]
    for index in range(place, count - 1):
        pool[index] = pool[index + 1]


@compiled
def best_pair(
    weights: Ints, pool: Ints, start: int, count: int, room: int, best: int, pair: Ints
) -> int:
    """The one or two models of a sorted pool, from `start` on, that leave the least room.

    Scans from both ends. Returns the room left, or `best` if it is not less; then
    `pair` is unchanged. A second position of -1 means a single model.
    """
    large, small = start, count - 1
    while large <= small:
        left = room - weights[pool[large]]
        if left < 0:
            large += 1
            continue
        if left < best:
            best = left
            pair[0], pair[1] = large, -1
        if large == small:
            break
        left -= weights[pool[small]]
        if left < 0:
            large += 1
            continue
        if left < best:
            best = left
            pair[0], pair[1] = large, small
        small -= 1
    return best


@compiled
def best_finish(
    weights: Ints, pool: Ints, count: int, room: int, allowed: int, turn: int, chosen: Ints
) -> int:
    """One to three models of a pool, sorted by falling weight, that leave little room.

    For each first model, from `turn` on, find the best pair after it. Take the first
    choice that leaves `allowed` or less, otherwise the best one. Returns the number
    of models; ``chosen`` gets their positions in rising order.
    """
    best, size = room, 0
    pair = np.zeros(2, np.int64)
    for step in range(count):
        one = turn + step if turn + step < count else turn + step - count
        left = room - weights[pool[one]]
        if left < 0:
            continue
        if left < best:
            best, size = left, 1
            chosen[0] = one
        found = best_pair(weights, pool, one + 1, count, left, best, pair)
        if found < best:
            best, size = found, 2 if pair[1] < 0 else 3
            chosen[0], chosen[1], chosen[2] = one, pair[0], pair[1]
        if best <= allowed:
            break
    return size


@compiled
def fill_gpu(
    bins: Bins, workspace: Workspace, random: Ints, count: int, room: int, allowed: int, at: int
) -> int:
    """Choose models from a sorted pool to fill a room: most at random, the last to fit well.

    The average size in the pool tells how many models the room takes. All but three
    and a half of them are drawn at random, the first one mostly the largest in the
    pool. The others are chosen to leave at most `allowed`, not as little as possible:
    that would use up the models of rare sizes, which are needed to fill the last GPUs
    well. Returns how many models moved from the pool to ``workspace.settled``, from
    the position `at` on.
    """
    weights, pool, picked = bins.weights, workspace.pool, workspace.settled
    chosen = np.zeros(3, np.int64)
    volume = 0
    for place in range(count):
        volume += weights[pool[place]]
    taken = 0
    while taken < count and (taken == 0 or 2 * room * (count - taken) > 7 * volume):
        place = 0 if taken == 0 and draw(random, 8) > 0 else draw(random, count - taken)
        weight = weights[pool[place]]
        if weight > room:
            break
        pick(pool, count - taken, place, picked, at + taken)
        room -= weight
        volume -= weight
        taken += 1
    left = count - taken
    turn = draw(random, left) if left > 1 else 0
    size = best_finish(weights, pool, left, room, allowed, turn, chosen)
    for last in range(size - 1, -1, -1):
        pick(pool, count - taken, chosen[last], picked, at + taken)
        taken += 1
    return taken


@compiled
def pool_models(bins: Bins, workspace: Workspace, gpus: int) -> int:
    """Put all models of the group in the pool, by falling weight. Returns how many."""
    count = 0
    for place in range(gpus):
        model = bins.first[workspace.group[place]]
        while model >= 0:
            workspace.pool[count] = model
            count += 1
            model = bins.after[model]
    sort_models(bins.weights, workspace.pool, count)
    return count


@compiled
def settle(bins: Bins, workspace: Workspace, settled: int) -> None:
    """Move the settled models to their GPUs."""
    for index in range(settled):
        model = workspace.settled[index]
        if bins.gpu_of[model] != workspace.settled_on[index]:
            take(bins, model)
            put(bins, model, workspace.settled_on[index])


@compiled
def rebuild(bins: Bins, workspace: Workspace, random: Ints, gpus: int, level: int) -> int:
    """Repack the models of the group so that no GPU is overloaded by more than `level`.

    Returns the work done, negative if nothing was moved.
    """
    weights, pool = bins.weights, workspace.pool
    spare = gpus * level
    for place in range(gpus):
        spare += bins.capacities[workspace.group[place]] - bins.loads[workspace.group[place]]
    if spare < 0:
        return -1
    count = pool_models(bins, workspace, gpus)
    work, left, settled = 8 * count, gpus, 0
    while left > 2 and (count > MAX_OF_GROUP or left > MAX_GPUS):
        left -= 1
        gpu = workspace.group[left]
        room = bins.capacities[gpu] + level
        work += count * (count + 1) // 2
        taken = fill_gpu(bins, workspace, random, count, room, 0, settled)
        for index in range(settled, settled + taken):
            workspace.settled_on[index] = gpu
            room -= weights[workspace.settled[index]]
        settled += taken
        count -= taken
        spare -= room
        if spare < 0:
            return -work
    if count > MAX_OF_GROUP:
        return -work
    for index in range(count):
        workspace.models[index] = pool[index]
    for place in range(left):
        workspace.room[place] = bins.capacities[workspace.group[place]] + level
    done = pack_listed(bins, workspace, random, left, count, spare)
    if done < 0:
        return done - work
    move_listed(bins, workspace, left, count)
    settle(bins, workspace, settled)
    return work + done


@compiled
def insert_model(weights: Ints, pool: Ints, count: int, model: int) -> None:
    """Add a model to a pool of `count` models sorted by falling weight."""
    at = count
    while at > 0 and weights[pool[at - 1]] < weights[model]:
        pool[at] = pool[at - 1]
        at -= 1
    pool[at] = model


@compiled
def fill_best(
    bins: Bins, workspace: Workspace, random: Ints, count: int, room: int, allowed: int
) -> int:
    """Fill a room from the pool: the first draw that wastes little, else the best of a few.

    Returns how many models moved from the pool to ``workspace.settled``.
    """
    weights, pool, picked, kept = (
        bins.weights,
        workspace.pool,
        workspace.settled,
        workspace.settled_on,
    )
    best, size = room + 1, 0
    for _ in range(_DRAWS):
        taken = fill_gpu(bins, workspace, random, count, room, allowed, 0)
        waste = room
        for index in range(taken):
            waste -= weights[picked[index]]
            insert_model(weights, pool, count - taken + index, picked[index])
        if waste < best:
            best, size = waste, taken
            for index in range(taken):
                kept[index] = picked[index]
        if best <= allowed:
            break
    for index in range(size):
        place = 0
        while pool[place] != kept[index]:
            place += 1
        pick(pool, count - index, place, picked, index)
    return size


@compiled
def fill_gpus(
    bins: Bins, workspace: Workspace, random: Ints, gpus: Ints, queue: Ints, most: int, allowed: int
) -> int:
    """Fill empty GPUs one after another from a pool of at most `most` models.

    A waste of up to `allowed` on a GPU is good enough.

    The pool is topped up from the queue; models already on a GPU are skipped.
    Returns how many models were placed.
    """
    weights, pool = bins.weights, workspace.pool
    count, coming, placed = 0, 0, 0
    for gpu in gpus:
        while count < most and coming < len(queue):
            model = queue[coming]
            coming += 1
            if bins.gpu_of[model] < 0:
                insert_model(weights, pool, count, model)
                count += 1
        taken = fill_best(bins, workspace, random, count, bins.capacities[gpu], allowed)
        for index in range(taken):
            put(bins, workspace.settled[index], gpu)
        count -= taken
        placed += taken
    return placed
