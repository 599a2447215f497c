"""Lower bounds on the maximum KVPR that need no search, each with its proof.

The first two are relaxations of bin packing carried over to thresholds: the volume
bound is the continuous (L1) bound, the counting bound is the pigeonhole
argument known from parallel machines (of any k G + 1 jobs some machine has
k + 1; Dell'Amico and Martello 1995, doi:10.1287/ijoc.7.2.191), here with GPUs
of different memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from kvpr_opt.certificates.evidence import Counting, LowerBound, Pinned, Volume
from kvpr_opt.limits import Limits
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.scaled import ScaledInstance, Threshold

#: Maximum sets of models that the counting bound finds, at ever higher thresholds.
_MAX_SETS = 60

#: Maximum GPU types in the counting bound; beyond that, types are merged at the larger memory.
_MAX_TYPES = 16


def lower_bounds(instance: Instance) -> list[LowerBound]:
    """All bounds of this module, the best one last.

    O(n log n) with a factor for the bits of the threshold. A bound of
    ``math.inf`` proves the fleet infeasible.
    """
    scaled = instance.scaled
    found = [volume_bound(scaled), pinned_bound(scaled), counting_bound(scaled)]
    return sorted((bound for bound in found if bound), key=lambda bound: bound.value)


def volume_bound(scaled: ScaledInstance) -> LowerBound:
    """Total pressure over the total memory that the weights leave free.

    If every GPU has N_g <= t (C_g - M_g), the sums give N <= t (C - M). The
    ratio N / (C - M) is rounded up to the next value that a placement can have.
    """
    free = scaled.total_capacity - scaled.total_size
    if free < 0 or (free == 0 and scaled.total_pressure > 0):
        return LowerBound(math.inf, Volume())
    if scaled.total_pressure == 0:
        return LowerBound(Fraction(0), Volume())
    ratio = Fraction(scaled.total_pressure, free) * scaled.kvpr_unit
    return LowerBound(scaled.round_up(ratio), Volume())


def pinned_bound(scaled: ScaledInstance) -> LowerBound | None:
    """The KVPR that pinned models force on their GPU, whatever joins them.

    ``None`` if none is pinned.
    """
    found = scaled.base_bound() if isinstance(scaled, ConstrainedInstance) else None
    return None if found is None else LowerBound(found[0], Pinned(found[1]))


def counting_bound(scaled: ScaledInstance, limits: Limits | None = None) -> LowerBound | None:
    """The largest threshold at which counting finds a set of too many models for the GPUs.

    At a threshold, take the j models of largest item size n + t m, and count the
    maximum number of them that each GPU can hold (the smallest ones first). If the
    counts add up to less than j, the threshold cannot be met. All j are tried.
    Starting at the volume bound, each set found gives the exact value at which it
    stops being too large, and that is the next threshold to try.

    Parameters
    ----------
    scaled
        The fleet.
    limits
        When to stop with the best bound so far.

    Returns
    -------
    LowerBound or None
        ``None`` if no set is too large at the volume bound or above it.
    """
    types = _types(scaled)
    found = _too_many(scaled, types, scaled.finite())
    if found is not None:
        return LowerBound(math.inf, Counting(found[0]))
    volume = volume_bound(scaled).value
    if scaled.total_pressure == 0 or not isinstance(volume, Fraction):
        return None
    best: LowerBound | None = None
    threshold = scaled.below(volume)
    for _ in range(_MAX_SETS):
        found = _too_many(scaled, types, threshold)
        if found is None or (limits and limits.stopped):
            break
        value = _release_value(scaled, types, *found)
        best = LowerBound(value, Counting(found[0]))
        threshold = scaled.at_most(value)
    return best


def too_many(scaled: ScaledInstance, threshold: Threshold) -> tuple[int, ...] | None:
    """A set of models that the GPUs cannot hold at a threshold, if counting finds one."""
    found = _too_many(scaled, _types(scaled), threshold)
    return None if found is None else found[0]


def _types(scaled: ScaledInstance) -> list[tuple[int, int]]:
    """Capacity and number of GPUs by type; adjacent types are merged if there are many.

    A merged type has the memory of its largest GPU, so models too many for it
    are too many for the GPUs that it represents.
    """
    types = sorted(((each.capacity, len(each.gpus)) for each in scaled.types), reverse=True)
    run = -(-len(types) // _MAX_TYPES)
    merged = [types[start : start + run] for start in range(0, len(types), run)]
    return [(group[0][0], sum(number for _, number in group)) for group in merged]


def _too_many(
    scaled: ScaledInstance, types: Sequence[tuple[int, int]], threshold: Threshold
) -> tuple[tuple[int, ...], list[int]] | None:
    """A set of models that the GPUs cannot hold at a threshold, if counting finds one.

    Also returns how many of them one GPU of each type can hold.
    """
    a, f = threshold.numerator, threshold.denominator
    sizes = [f * n + a * m for n, m in zip(scaled.pressures, scaled.sizes, strict=True)]
    falling = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    fits, loads = [0] * len(types), [0] * len(types)
    for j, model in enumerate(falling, start=1):
        for gpu_type, (capacity, _) in enumerate(types):
            # The most models that fit are the last k of the first j; one more at
            # the end pushes out the largest ones, so k is found by a moving window.
            loads[gpu_type] += sizes[model]
            fits[gpu_type] += 1
            while loads[gpu_type] > a * capacity:
                loads[gpu_type] -= sizes[falling[j - fits[gpu_type]]]
                fits[gpu_type] -= 1
        if sum(k * number for k, (_, number) in zip(fits, types, strict=True)) < j:
            return tuple(sorted(falling[:j])), fits
    return None


def _release_value(
    scaled: ScaledInstance,
    types: Sequence[tuple[int, int]],
    models: Sequence[int],
    fits: Sequence[int],
) -> Fraction:
    """The smallest KVPR at which the GPUs may hold all of `models`.

    `fits` says how many a GPU of each type holds below it. The count of a type
    grows to k at the smallest KVPR that any k of the models can have; the smallest
    such value over the types is the next to try.
    """
    items = [(scaled.sizes[i], scaled.pressures[i]) for i in models]
    counts, value = list(fits), Fraction(0)
    while sum(k * number for k, (_, number) in zip(counts, types, strict=True)) < len(items):
        step, gpu_type = min(
            (_smallest_kvpr(items, k + 1, capacity), gpu_type)
            for gpu_type, (k, (capacity, _)) in enumerate(zip(counts, types, strict=True))
            if k < len(items)
        )
        assert isinstance(step, Fraction), "all models fit at some finite threshold"
        counts[gpu_type] += 1
        value = step
    return value * scaled.kvpr_unit


def _smallest_kvpr(items: Sequence[tuple[int, int]], count: int, capacity: int) -> Fraction | float:
    """The smallest pressure / free memory of any `count` items on one GPU.

    Dinkelbach's method for a ratio of sums (doi:10.1287/mnsc.13.7.492): at a
    trial value t the `count` items of smallest n + t m are the best choice;
    their own ratio is the next t, until it no longer falls.
    """
    zeros = sorted(size for size, pressure in items if pressure == 0)[:count]
    if len(zeros) == count and sum(zeros) <= capacity:
        return Fraction(0)  # models without pressure may fill a GPU completely
    by_size = sorted(items)[:count]
    if sum(size for size, _ in by_size) >= capacity:
        return math.inf
    best = _ratio(by_size, capacity)
    while True:
        a, f = best.numerator, best.denominator
        chosen = sorted(items, key=lambda item: (f * item[1] + a * item[0], item))[:count]
        if sum(size for size, _ in chosen) >= capacity:
            return best
        ratio = _ratio(chosen, capacity)
        if ratio >= best:
            return best
        best = ratio


def _ratio(items: Sequence[tuple[int, int]], capacity: int) -> Fraction:
    pressure = sum(pressure for _, pressure in items)
    return Fraction(pressure, capacity - sum(size for size, _ in items))
