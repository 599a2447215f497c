"""The compiled descent of the local search: reduces the largest overload of a packing."""

from __future__ import annotations

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.bins import Bins, most_over
from kvpr_opt.local_search.group_repartition import split_group
from kvpr_opt.local_search.pair_repartition import relieve
from kvpr_opt.local_search.rebuild import rebuild
from kvpr_opt.local_search.rng import draw
from kvpr_opt.local_search.workspace import (
    MAX_GPUS,
    MAX_OF_GROUP,
    MAX_REBUILT,
    Workspace,
    choose_gpus,
)

#: Group attempts before the worst GPU is paired with every other GPU again.
_ATTEMPTS = 200


@compiled
def try_group(bins: Bins, workspace: Workspace, random: Ints, worst: int, level: int) -> int:
    """Bring the worst GPU below its level within a group, or else reshuffle other GPUs.

    Reshuffling only rearranges the other GPUs, within the level, so that the next
    attempt sees a different neighbourhood. Returns the work done, negative if the
    worst GPU is unchanged.
    """
    workspace.group[0] = worst
    gpus = choose_gpus(bins, workspace, random, 1, MAX_GPUS, MAX_OF_GROUP)
    done = split_group(bins, workspace, random, gpus, level - 1)
    if done > 0 or gpus >= len(bins.loads):
        return done
    gpus = choose_gpus(bins, workspace, random, 0, min(gpus, len(bins.loads) - 1), MAX_OF_GROUP)
    for place in range(gpus):
        if workspace.group[place] == worst:
            return done
    return done - abs(split_group(bins, workspace, random, gpus, level - 1))


@compiled
def try_rebuild(bins: Bins, workspace: Workspace, random: Ints, worst: int, level: int) -> int:
    """Bring the worst GPU below its level by rebuilding a part of the fleet.

    The part is between a quarter and three quarters of the GPUs. Returns the work
    done, negative if nothing was moved.
    """
    total = len(bins.loads)
    quarter = max(2, min(total, MAX_REBUILT * 4 // 3) // 4)
    gpus = min(quarter + draw(random, 2 * quarter + 1), min(total, MAX_REBUILT))
    workspace.group[0] = worst
    gpus = choose_gpus(bins, workspace, random, 1, gpus, len(bins.weights))
    # The position in the group decides whether a GPU is filled early or packed last.
    other = draw(random, gpus)
    workspace.group[0], workspace.group[other] = workspace.group[other], worst
    return rebuild(bins, workspace, random, gpus, level - 1)


@compiled
def descend(bins: Bins, workspace: Workspace, random: Ints, work: int, rebuilding: bool) -> bool:
    """Lower the largest overload of a GPU until none is overloaded or the work is used up.

    The largest overload never rises. Returns whether no GPU is overloaded.
    """
    gpus = len(bins.loads)
    done, blocked, attempts = 0, -1, 0
    while True:
        worst = most_over(bins)
        level = bins.loads[worst] - bins.capacities[worst]
        if level <= 0:
            return True
        if done >= work or gpus == 1:
            return False
        done += 20 + gpus
        if worst != blocked or attempts >= _ATTEMPTS or gpus == 2:
            attempts, blocked = 0, worst
            step = relieve(bins, workspace, random, worst, level)
        elif rebuilding:
            attempts += 1
            step = try_rebuild(bins, workspace, random, worst, level)
        else:
            attempts += 1
            step = try_group(bins, workspace, random, worst, level)
        if step > 0:
            blocked = -1
        done += abs(step)
