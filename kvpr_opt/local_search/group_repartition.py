"""Compiled exact repartition of the models of a group of GPUs.

A subset of the models can go on a GPU only if it leaves no more free than the
group has to spare. Near the optimum few subsets qualify: they are listed, and a
depth-first search covers the models with one of them per GPU.
"""

from __future__ import annotations

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.bins import Bins, put, take
from kvpr_opt.local_search.rng import draw
from kvpr_opt.local_search.rules import keeps_apart
from kvpr_opt.local_search.subsets import first_of, index_subsets, list_subsets
from kvpr_opt.local_search.workspace import (
    MAX_OF_GROUP,
    Workspace,
    gather,
    note_rules,
    sort_models,
)

#: Maximum steps of one exact cover.
_MAX_STEPS = 4000

# Fields of a level of the search: models and GPUs left, as bits; the spare
# capacity; subsets tried, and the GPU to try next with the current one; the list
# of subsets, as its start, its length and a random rotation.
_MODELS, _GPUS, _SPARE, _TRIED, _GPU, _START, _LENGTH, _TURN = range(8)


@compiled
def open_level(level: Ints, starts: Ints, random: Ints, first: int) -> None:
    """Open a level: the subsets whose first model is `first`."""
    level[_TRIED], level[_GPU] = 0, 0
    level[_START], level[_LENGTH] = starts[first], starts[first + 1] - starts[first]
    level[_TURN] = draw(random, level[_LENGTH]) if level[_LENGTH] > 1 else 0


@compiled
def suits(
    workspace: Workspace, level: Ints, place: int, weight: int, subset: int, ruled: bool
) -> bool:
    """Whether a subset of a given weight may go on the GPU at a position in the group.

    Not if the GPU is taken, if it is too small or wastes too much, if the rules forbid
    it, or if an equal GPU earlier in the group is free: that packing is tried anyway.
    """
    if not (level[_GPUS] >> place) & 1:
        return False
    waste = workspace.room[place] - weight
    if waste < 0 or waste > level[_SPARE]:
        return False
    if ruled and subset & ~workspace.welcome[place]:
        return False
    for earlier in range(place):
        if (
            (level[_GPUS] >> earlier) & 1
            and workspace.room[earlier] == workspace.room[place]
            and (not ruled or workspace.welcome[earlier] == workspace.welcome[place])
        ):
            return False
    return True


@compiled
def give_rest(workspace: Workspace, gpus: int, free: int, rest: int, ruled: bool) -> bool:
    """Give the remaining models, if any, to the last free GPU, unless the rules forbid it."""
    for place in range(gpus):
        if not (free >> place) & 1:
            continue
        if rest and ruled and rest & ~workspace.welcome[place]:
            return False
        if rest and ruled and not keeps_apart(workspace.clashes, rest):
            return False
        workspace.answer[place] = rest
        rest = 0
    return True


@compiled
def cover(
    workspace: Workspace, random: Ints, gpus: int, count: int, spare: int, ruled: bool
) -> int:
    """Find disjoint subsets, one per GPU, that together hold all models; depth first.

    The first model not covered yet decides which subsets come next, so no choice is
    met twice. Once one GPU is left, the rest goes there: it is sure to fit.
    Returns the steps done, negative if no cover was found.
    """
    stack = workspace.stack
    stack[0, _MODELS], stack[0, _GPUS], stack[0, _SPARE] = (1 << count) - 1, (1 << gpus) - 1, spare
    open_level(stack[0], workspace.starts, random, 0)
    depth = 0
    for step in range(1, _MAX_STEPS):
        level = stack[depth]
        if level[_TRIED] >= level[_LENGTH]:
            depth -= 1
            if depth < 0:
                return -step
            continue
        turned = level[_TRIED] + level[_TURN]
        if turned >= level[_LENGTH]:
            turned -= level[_LENGTH]
        index = workspace.by_first[level[_START] + turned]
        subset, place = workspace.subsets[index], level[_GPU]
        if subset & ~level[_MODELS] or place >= gpus:
            level[_TRIED] += 1
            level[_GPU] = 0
            continue
        level[_GPU] += 1
        if not suits(workspace, level, place, workspace.totals[index], subset, ruled):
            continue
        workspace.answer[place] = subset
        left, free = level[_MODELS] & ~subset, level[_GPUS] & ~(1 << place)
        if left == 0 or free & (free - 1) == 0:
            if give_rest(workspace, gpus, free, left, ruled):
                return step
            continue
        below = stack[depth + 1]
        below[_MODELS], below[_GPUS] = left, free
        below[_SPARE] = level[_SPARE] - (workspace.room[place] - workspace.totals[index])
        open_level(below, workspace.starts, random, first_of(left, count))
        depth += 1
    return -_MAX_STEPS


@compiled
def pack_listed(
    bins: Bins, workspace: Workspace, random: Ints, gpus: int, count: int, spare: int
) -> int:
    """Find a packing of the listed models into the rooms of the group.

    The models are listed by falling weight; `spare` is the total room minus their total
    weight. ``workspace.answer`` gets the models of each GPU. Returns the work done,
    negative if no packing was found.
    """
    least, largest = workspace.room[0], workspace.room[0]
    for place in range(1, gpus):
        least = min(least, workspace.room[place])
        largest = max(largest, workspace.room[place])
    found = list_subsets(bins, workspace, count, least - spare, largest)
    index_subsets(workspace, found, count)
    steps = cover(workspace, random, gpus, count, spare, len(bins.rules.pinned) > 0)
    work = (4 << ((count + 1) // 2)) + found
    return work + steps if steps > 0 else steps - work


@compiled
def move_listed(bins: Bins, workspace: Workspace, gpus: int, count: int) -> None:
    """Move the listed models to the GPUs given by ``workspace.answer``."""
    for place in range(gpus):
        gpu = workspace.group[place]
        for index in range(count):
            model = workspace.models[index]
            if (workspace.answer[place] >> index) & 1 and bins.gpu_of[model] != gpu:
                take(bins, model)
                put(bins, model, gpu)


@compiled
def split_group(bins: Bins, workspace: Workspace, random: Ints, gpus: int, level: int) -> int:
    """Move models within the group so that no GPU is overloaded by more than `level`.

    Returns the work done, negative if nothing was moved.
    """
    spare = gpus * level
    for place in range(gpus):
        gpu = workspace.group[place]
        spare += bins.capacities[gpu] - bins.loads[gpu]
    if spare < 0:
        return -1
    count = gather(bins, workspace, random, gpus, MAX_OF_GROUP)
    sort_models(bins.weights, workspace.models, count)
    if len(bins.rules.pinned):
        note_rules(bins, workspace, gpus, count)
    for place in range(gpus):
        workspace.room[place] += level
    work = pack_listed(bins, workspace, random, gpus, count, spare)
    if work > 0:
        move_listed(bins, workspace, gpus, count)
    return work
