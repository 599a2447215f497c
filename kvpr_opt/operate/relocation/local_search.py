"""Local search within a budget: the best move or exchange off the most pressed GPU.

The seed heuristic's descent (single moves, then swaps with the worst GPU), where each model that
leaves its home costs something. Scores are doubles; a placement is taken by its exact value.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kvpr_opt._types import FloatArray, IntArray
from kvpr_opt.limits import Limits
from kvpr_opt.operate.relocation.problem import RelocationProblem
from kvpr_opt.problem.placement import Placement

# Maximum number of changes evaluated exactly, best first, before the search gives up.
_TRIES = 24


def descend(problem: RelocationProblem, start: Placement, budget: int, limits: Limits) -> Placement:
    """Lower the maximum KVPR step by step, while the cost stays within the budget."""
    best = start
    while not limits.stopped:
        better = _first_better(problem, best, budget)
        if better is None:
            return best
        best = better
    return best


def _first_better(problem: RelocationProblem, current: Placement, budget: int) -> Placement | None:
    for tried, gpu_of in enumerate(_changes(problem, current)):
        if tried == _TRIES:
            return None
        if problem.instance.constraints.broken(gpu_of):
            continue
        found = Placement(problem.instance, gpu_of)
        if found.max_kvpr < current.max_kvpr and problem.cost(found) <= budget:
            return found
    return None


def _changes(problem: RelocationProblem, current: Placement) -> Iterator[list[int]]:
    """Placements that differ by one move or swap with the worst GPU, the most promising first."""
    scaled = problem.instance.scaled
    sizes = np.array(scaled.sizes, dtype=np.float64)
    pressures = np.array(scaled.pressures, dtype=np.float64)
    gpu_of = np.array(current.gpu_of)
    gpus = len(scaled.capacities)
    free = np.array(scaled.capacities, dtype=np.float64)
    np.subtract.at(free, gpu_of, sizes)
    load = np.zeros(gpus)
    np.add.at(load, gpu_of, pressures)
    worst = int(np.argmax(_kvpr(load, free)))
    here = np.flatnonzero(gpu_of == worst)
    there = np.flatnonzero(gpu_of != worst)
    # The last row and column mean "no model": a plain move to a GPU.
    scores = [
        _pair_score(sizes, pressures, free, load, worst, here[:, None], there, gpu_of[there]),
        _move_score(sizes, pressures, free, load, worst, here),
    ]
    flat = np.concatenate([score.ravel() for score in scores])
    for place in np.argsort(flat, kind="stable")[: 8 * _TRIES]:
        if not np.isfinite(flat[place]):
            return
        changed = list(current.gpu_of)
        if place < scores[0].size:
            one, two = divmod(int(place), len(there))
            changed[here[one]], changed[there[two]] = int(gpu_of[there[two]]), worst
        else:
            one, gpu = divmod(int(place) - scores[0].size, gpus)
            changed[here[one]] = gpu
        yield changed


def _kvpr(load: FloatArray, free: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(free > 0, load / free, np.inf)
    return np.asarray(np.where((load == 0) & (free >= 0), 0.0, np.where(free < 0, np.inf, ratio)))


def _move_score(
    sizes: FloatArray,
    pressures: FloatArray,
    free: FloatArray,
    load: FloatArray,
    worst: int,
    here: IntArray,
) -> FloatArray:
    m, n = sizes[here][:, None], pressures[here][:, None]
    target = _kvpr(load + n, free - m)
    left = _kvpr(load[worst] - n, free[worst] + m)
    score = np.maximum(target, left)
    score[:, worst] = np.inf
    return score


def _pair_score(
    sizes: FloatArray,
    pressures: FloatArray,
    free: FloatArray,
    load: FloatArray,
    worst: int,
    here: IntArray,
    there: IntArray,
    on: IntArray,
) -> FloatArray:
    m, n = sizes[there] - sizes[here], pressures[there] - pressures[here]
    return np.maximum(_kvpr(load[worst] + n, free[worst] - m), _kvpr(load[on] - n, free[on] + m))
