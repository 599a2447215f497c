"""The working space of the kernels, and the lists of models they keep in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.bins import Bins
from kvpr_opt.local_search.rng import draw
from kvpr_opt.local_search.rules import are_apart, may_run

#: Models that one repartition of two GPUs moves; the others stay where they are.
MAX_OF_TWO = 16
#: The same limit for a group of GPUs.
MAX_OF_GROUP = 22
#: Maximum GPUs in a group.
MAX_GPUS = 10
#: Maximum GPUs in a rebuild.
MAX_REBUILT = 32
#: Subsets kept in one repartition of a group.
MAX_SUBSETS = 4096


class Workspace(NamedTuple):
    """Working space, allocated once.

    Attributes
    ----------
    group
        The GPUs being worked on.
    models, room
        The models listed, and what the models not listed leave free on each GPU
        of the group.
    sums
        Weights of all subsets of the models of two GPUs.
    low, low_sets, high, high_sets, spare, spare_sets
        Weights of the subsets of half a list, in rising order, and the subsets
        as bits; the third pair is scratch.
    subsets, totals
        Subsets kept, as bits, and their weights.
    by_first, starts
        Subsets in order of their first model, and where the subsets of each model begin.
    answer
        The subset found for each GPU of the group.
    stack
        Levels of the depth-first search.
    welcome, clashes
        Only with rules: the listed models, as bits, that each GPU of the group may take
        beside its unlisted ones; and those that each listed model must be kept apart from,
        then all that must be kept apart from any.
    pool, settled, settled_on
        Models not placed yet in a rebuild; those placed, and on which GPU.
    """

    group: Ints
    models: Ints
    room: Ints
    sums: Ints
    low: Ints
    low_sets: Ints
    high: Ints
    high_sets: Ints
    spare: Ints
    spare_sets: Ints
    subsets: Ints
    totals: Ints
    by_first: Ints
    starts: Ints
    answer: Ints
    stack: Ints
    welcome: Ints
    clashes: Ints
    pool: Ints
    settled: Ints
    settled_on: Ints


def new_workspace(models: int) -> Workspace:
    """Working space for fleets of at most this many models."""

    def zeros(length: int) -> Ints:
        return np.zeros(length, np.int64)

    half = 1 << ((MAX_OF_GROUP + 1) // 2)
    return Workspace(
        group=zeros(MAX_REBUILT),
        models=zeros(models + MAX_OF_GROUP),
        room=zeros(MAX_REBUILT),
        sums=zeros(1 << MAX_OF_TWO),
        low=zeros(half),
        low_sets=zeros(half),
        high=zeros(half),
        high_sets=zeros(half),
        spare=zeros(half),
        spare_sets=zeros(half),
        subsets=zeros(MAX_SUBSETS),
        totals=zeros(MAX_SUBSETS),
        by_first=zeros(MAX_SUBSETS),
        starts=zeros(MAX_OF_GROUP + 2),
        answer=zeros(MAX_GPUS),
        stack=np.zeros((MAX_GPUS + 1, 8), np.int64),
        welcome=zeros(MAX_REBUILT),
        clashes=zeros(MAX_OF_GROUP + 1),
        pool=zeros(models + 1),
        settled=zeros(models + 1),
        settled_on=zeros(models + 1),
    )


@compiled
def gather(bins: Bins, workspace: Workspace, random: Ints, gpus: int, most: int) -> int:
    """List the models of the first `gpus` GPUs of the group: at most `most`, chosen at random.

    Returns how many. Sets ``workspace.room`` to what the unlisted models leave free.
    """
    listed = workspace.models
    count = 0
    for place in range(gpus):
        gpu = workspace.group[place]
        workspace.room[place] = bins.capacities[gpu] - bins.loads[gpu]
        model = bins.first[gpu]
        while model >= 0:
            listed[count] = model
            count += 1
            model = bins.after[model]
    if count > most:
        for place in range(most):
            other = place + draw(random, count - place)
            listed[place], listed[other] = listed[other], listed[place]
        count = most
    for index in range(count):
        gpu = bins.gpu_of[listed[index]]
        for place in range(gpus):
            if workspace.group[place] == gpu:
                workspace.room[place] += bins.weights[listed[index]]
    return count


@compiled
def note_clashes(bins: Bins, workspace: Workspace, count: int) -> None:
    """Record which of the listed models must be kept apart."""
    rules, listed, clashes = bins.rules, workspace.models, workspace.clashes
    clashes[:] = 0
    for index in range(count):
        for other in range(index):
            if are_apart(rules, listed[index], listed[other]):
                clashes[index] |= 1 << other
                clashes[other] |= 1 << index
                clashes[clashes.size - 1] |= 1 << index | 1 << other


@compiled
def is_listed(workspace: Workspace, count: int, model: int) -> bool:
    """Whether a model is in the list."""
    found = False
    for index in range(count):
        found = found or workspace.models[index] == model
    return found


@compiled
def note_rules(bins: Bins, workspace: Workspace, gpus: int, count: int) -> None:
    """Record what the rules say about the listed models and the GPUs of the group.

    Models that are not listed stay where they are.
    """
    rules, listed = bins.rules, workspace.models
    note_clashes(bins, workspace, count)
    for place in range(gpus):
        gpu = workspace.group[place]
        welcome = 0
        for index in range(count):
            if may_run(rules, listed[index], gpu):
                welcome |= 1 << index
        model = bins.first[gpu]
        while model >= 0:
            if rules.grouped[model] and not is_listed(workspace, count, model):
                for index in range(count):
                    if are_apart(rules, listed[index], model):
                        welcome &= ~(1 << index)
            model = bins.after[model]
        workspace.welcome[place] = welcome


@compiled
def sort_models(weights: Ints, listed: Ints, count: int) -> None:
    """Sort the first `count` models of a list by falling weight. Equal ones keep their order."""
    for place in range(1, count):
        model = listed[place]
        at = place
        while at > 0 and weights[listed[at - 1]] < weights[model]:
            listed[at] = listed[at - 1]
            at -= 1
        listed[at] = model


@compiled
def choose_gpus(
    bins: Bins, workspace: Workspace, random: Ints, fixed: int, most: int, models: int
) -> int:
    """Complete the group with distinct GPUs chosen at random.

    The first `fixed` stay. The group gets at most `most` GPUs, and no more than hold
    `models` models together, but three if the fleet has them. Returns how many.
    """
    total = len(bins.loads)
    most = min(most, total)
    held, place = 0, 0
    while place < most:
        if place >= fixed:
            gpu = draw(random, total)
            known = False
            for earlier in range(place):
                known = known or workspace.group[earlier] == gpu
            if known:
                continue
            workspace.group[place] = gpu
        model = bins.first[workspace.group[place]]
        while model >= 0:
            held += 1
            model = bins.after[model]
        if held > models and place >= 3:
            return place
        place += 1
    return place
