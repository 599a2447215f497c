"""Compiled enumeration, in order, of the subsets of a list whose weight is within two limits."""

from __future__ import annotations

from kvpr_opt.kernels import compiled
from kvpr_opt.local_search.bins import Bins
from kvpr_opt.local_search.rules import keeps_apart
from kvpr_opt.local_search.workspace import MAX_SUBSETS, Workspace


@compiled
def sort_subsets(bins: Bins, workspace: Workspace, start: int, stop: int, high: bool) -> int:
    """Weights of all subsets of the models listed from `start` to `stop`, in rising order."""
    sums, sets = (
        (workspace.high, workspace.high_sets) if high else (workspace.low, workspace.low_sets)
    )
    spare, spare_sets = workspace.spare, workspace.spare_sets
    sums[0], sets[0] = 0, 0
    size = 1
    for place in range(start, stop):
        weight, bit = bins.weights[workspace.models[place]], 1 << place
        for index in range(size):
            spare[index], spare_sets[index] = sums[index], sets[index]
        # Merge the weights without this model and those with it; both are sorted.
        plain, grown = 0, 0
        for index in range(2 * size):
            if plain < size and spare[plain] <= spare[grown] + weight:
                sums[index], sets[index] = spare[plain], spare_sets[plain]
                plain += 1
            else:
                sums[index], sets[index] = spare[grown] + weight, spare_sets[grown] | bit
                grown += 1
        size *= 2
    return size


@compiled
def list_subsets(bins: Bins, workspace: Workspace, count: int, least: int, largest: int) -> int:
    """Keep the subsets of the listed models whose weight is between two limits.

    Every subset joins a subset of the first half of the models to one of the second half;
    as the first grows heavier, the matching second ones grow lighter.
    Returns how many are kept: at most :data:`MAX_SUBSETS`, the first ones found. If there
    are rules, subsets with two models that must be kept apart are dropped.
    """
    ruled = len(bins.rules.pinned) > 0
    half = count // 2
    low = sort_subsets(bins, workspace, 0, half, False)
    high = sort_subsets(bins, workspace, half, count, True)
    found = 0
    start = high
    for index in range(low):
        base = workspace.low[index]
        while start > 0 and base + workspace.high[start - 1] >= least:
            start -= 1
        other = start
        while other < high and base + workspace.high[other] <= largest:
            if found == MAX_SUBSETS:
                return found
            subset = workspace.low_sets[index] | workspace.high_sets[other]
            if not ruled or keeps_apart(workspace.clashes, subset):
                workspace.subsets[found] = subset
                workspace.totals[found] = base + workspace.high[other]
                found += 1
            other += 1
    return found


@compiled
def first_of(subset: int, count: int) -> int:
    """The lowest member of a subset; `count` if it is empty."""
    place = 0
    while place < count and not (subset >> place) & 1:
        place += 1
    return place


@compiled
def index_subsets(workspace: Workspace, found: int, count: int) -> None:
    """Sort the kept subsets by their first model (a counting sort)."""
    starts = workspace.starts
    for place in range(count + 2):
        starts[place] = 0
    for index in range(found):
        starts[first_of(workspace.subsets[index], count) + 1] += 1
    for place in range(count + 1):
        starts[place + 1] += starts[place]
    for index in range(found):
        place = first_of(workspace.subsets[index], count)
        workspace.by_first[starts[place]] = index
        starts[place] += 1
    for place in range(count, -1, -1):
        starts[place + 1] = starts[place]
    starts[0] = 0
