"""The local search itself, compiled: from a packing to one that is less over capacity."""

from __future__ import annotations

from kvpr_opt.heuristics.compiled.bins import Bins, most_over
from kvpr_opt.heuristics.compiled.desk import (
    MOST_GPUS,
    MOST_OF_GROUP,
    MOST_REBUILT,
    Desk,
    choose_gpus,
)
from kvpr_opt.heuristics.compiled.groups import split_group
from kvpr_opt.heuristics.compiled.pairs import relieve
from kvpr_opt.heuristics.compiled.random import draw
from kvpr_opt.heuristics.compiled.rebuild import rebuild
from kvpr_opt.kernels import Ints, compiled

#: Attempts with groups before the worst GPU is tried with every other again.
_ATTEMPTS = 200


@compiled
def try_group(bins: Bins, desk: Desk, random: Ints, worst: int, level: int) -> int:
    """Bring the worst GPU below its level within a group, or else stir other GPUs.

    The second changes nothing but where the others stand, within the level: the
    next attempt meets another neighbourhood. Returns the work done, negative if
    the worst GPU is as it was.
    """
    desk.group[0] = worst
    gpus = choose_gpus(bins, desk, random, 1, MOST_GPUS, MOST_OF_GROUP)
    done = split_group(bins, desk, random, gpus, level - 1)
    if done > 0 or gpus >= len(bins.loads):
        return done
    gpus = choose_gpus(bins, desk, random, 0, min(gpus, len(bins.loads) - 1), MOST_OF_GROUP)
    for place in range(gpus):
        if desk.group[place] == worst:
            return done
    return done - abs(split_group(bins, desk, random, gpus, level - 1))


@compiled
def try_rebuild(bins: Bins, desk: Desk, random: Ints, worst: int, level: int) -> int:
    """Bring the worst GPU below its level by a rebuild of a part of the fleet.

    Between a quarter and three quarters of the GPUs. Returns the work done,
    negative if nothing was moved.
    """
    total = len(bins.loads)
    quarter = max(2, min(total, MOST_REBUILT * 4 // 3) // 4)
    gpus = min(quarter + draw(random, 2 * quarter + 1), min(total, MOST_REBUILT))
    desk.group[0] = worst
    gpus = choose_gpus(bins, desk, random, 1, gpus, len(bins.weights))
    # The place in the group decides whether a GPU is filled early or packed last.
    other = draw(random, gpus)
    desk.group[0], desk.group[other] = desk.group[other], worst
    return rebuild(bins, desk, random, gpus, level - 1)


@compiled
def walk(bins: Bins, desk: Desk, random: Ints, work: int, rebuilding: bool) -> bool:
    """Lower the most that a GPU is over, until none is over or the work is done.

    That most never rises. Returns whether no GPU is over.
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
            step = relieve(bins, desk, random, worst, level)
        elif rebuilding:
            attempts += 1
            step = try_rebuild(bins, desk, random, worst, level)
        else:
            attempts += 1
            step = try_group(bins, desk, random, worst, level)
        if step > 0:
            blocked = -1
        done += abs(step)
