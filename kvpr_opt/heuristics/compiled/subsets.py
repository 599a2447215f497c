"""Subsets of a list of models by weight, compiled: those between two limits, in order."""

from __future__ import annotations

from kvpr_opt.heuristics.compiled.bins import Bins
from kvpr_opt.heuristics.compiled.desk import MOST_SUBSETS, Desk
from kvpr_opt.kernels import compiled


@compiled
def sort_subsets(bins: Bins, desk: Desk, start: int, stop: int, high: bool) -> int:
    """Weights of all subsets of the models listed from `start` to `stop`, in rising order."""
    sums, sets = (desk.high, desk.high_sets) if high else (desk.low, desk.low_sets)
    spare, spare_sets = desk.spare, desk.spare_sets
    sums[0], sets[0] = 0, 0
    size = 1
    for place in range(start, stop):
        weight, bit = bins.weights[desk.models[place]], 1 << place
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
def list_subsets(bins: Bins, desk: Desk, count: int, least: int, largest: int) -> int:
    """Keep the subsets of the listed models of a weight between two limits.

    Every subset joins one of the first half of the models to one of the second;
    as the first grow heavier, the second that belong to them grow lighter.
    Returns how many are kept: the first :data:`MOST_SUBSETS` if there are more.
    """
    half = count // 2
    low = sort_subsets(bins, desk, 0, half, False)
    high = sort_subsets(bins, desk, half, count, True)
    found = 0
    start = high
    for index in range(low):
        base = desk.low[index]
        while start > 0 and base + desk.high[start - 1] >= least:
            start -= 1
        other = start
        while other < high and base + desk.high[other] <= largest:
            if found == MOST_SUBSETS:
                return found
            desk.subsets[found] = desk.low_sets[index] | desk.high_sets[other]
            desk.totals[found] = base + desk.high[other]
            found += 1
            other += 1
    return found


@compiled
def first_of(subset: int, count: int) -> int:
    """The lowest member of a subset, `count` if it is empty."""
    place = 0
    while place < count and not (subset >> place) & 1:
        place += 1
    return place


@compiled
def index_subsets(desk: Desk, found: int, count: int) -> None:
    """Order the subsets kept by their first model (a counting sort)."""
    starts = desk.starts
    for place in range(count + 2):
        starts[place] = 0
    for index in range(found):
        starts[first_of(desk.subsets[index], count) + 1] += 1
    for place in range(count + 1):
        starts[place + 1] += starts[place]
    for index in range(found):
        place = first_of(desk.subsets[index], count)
        desk.by_first[starts[place]] = index
        starts[place] += 1
    for place in range(count, -1, -1):
        starts[place + 1] = starts[place]
    starts[0] = 0
