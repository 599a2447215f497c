"""Compiled exact repartition of the models of two GPUs: all subsets are considered."""

from __future__ import annotations

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.bins import Bins, put, take
from kvpr_opt.local_search.rng import draw
from kvpr_opt.local_search.rules import keeps_apart
from kvpr_opt.local_search.workspace import MAX_OF_TWO, Workspace, gather, note_rules

#: Partners tried in a row with one GPU.
_MAX_PARTNERS = 300


@compiled
def suits_both(workspace: Workspace, subset: int, rest: int) -> bool:
    """Whether the rules allow these listed models on the first GPU, the rest on the second."""
    return (
        subset & ~workspace.welcome[0] == 0
        and rest & ~workspace.welcome[1] == 0
        and keeps_apart(workspace.clashes, subset)
        and keeps_apart(workspace.clashes, rest)
    )


@compiled
def split_two(bins: Bins, workspace: Workspace, random: Ints, bound: int) -> int:
    """Move models between the first two GPUs of the group to even them out.

    Minimises the larger of the two overloads; if it cannot be made less than `bound`,
    nothing is moved. Returns the work done, negative if nothing was moved.
    """
    gpu, other = workspace.group[0], workspace.group[1]
    over = bins.loads[gpu] - bins.capacities[gpu] + bins.loads[other] - bins.capacities[other]
    # The sum of the two is constant, so the larger one is at least half of it.
    if -((-over) // 2) >= bound:
        return -1
    count = gather(bins, workspace, random, 2, MAX_OF_TWO)
    ruled = len(bins.rules.pinned) > 0
    if ruled:
        note_rules(bins, workspace, 2, count)
    sums, everything = workspace.sums, (1 << count) - 1
    sums[0] = 0
    for place in range(count):
        weight = bins.weights[workspace.models[place]]
        size = 1 << place
        for subset in range(size):
            sums[size + subset] = sums[subset] + weight
    room, best, chosen = workspace.room[0], bound, -1
    for subset in range(1 << count):
        here = sums[subset] - room
        worse = max(here, over - here)
        if worse < best and (not ruled or suits_both(workspace, subset, everything ^ subset)):
            best, chosen = worse, subset
    if chosen < 0:
        return -(1 << count)
    for place in range(count):
        model = workspace.models[place]
        to = gpu if (chosen >> place) & 1 else other
        if bins.gpu_of[model] != to:
            take(bins, model)
            put(bins, model, to)
    return 1 << count


@compiled
def relieve(bins: Bins, workspace: Workspace, random: Ints, worst: int, level: int) -> int:
    """Bring the overload of a GPU below `level`, with the first partner that allows it.

    Returns the work done, negative if no partner does.
    """
    gpus = len(bins.loads)
    turn = draw(random, gpus)
    work = 0
    for step in range(min(gpus, _MAX_PARTNERS)):
        other = turn + step
        if other >= gpus:
            other -= gpus
        if other == worst:
            continue
        workspace.group[0], workspace.group[1] = worst, other
        done = split_two(bins, workspace, random, level)
        work += 20 + abs(done)
        if done > 0:
            return work
    return -work - 1
