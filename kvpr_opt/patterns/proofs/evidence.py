"""Turn answers about classes and types into placements and evidence about models and GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from kvpr_opt.certificates import evidence
from kvpr_opt.patterns.problem import DualValues, NoPacking, Packing
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import ScaledInstance, Threshold
from kvpr_opt.verify import LIMITS

#: Maximum points of a model or a GPU that the checker accepts.
MAX_POINTS: int = 10**LIMITS.point_digits - 1


def points_by_model(scaled: ScaledInstance, class_values: Sequence[int]) -> tuple[int, ...]:
    """The points of each model, from those of its class."""
    points = [0] * len(scaled.sizes)
    for value, group in zip(class_values, scaled.classes, strict=True):
        for model in group.models:
            points[model] = value
    return tuple(points)


def dual_proof(
    scaled: ScaledInstance, threshold: Threshold, vector: DualValues, *, most: int = LIMITS.row_work
) -> evidence.Evidence:
    """A dual vector by model and GPU type, or a simpler argument that proves as much.

    The checker accepts numbers of a few digits, and `most` bytes of work at most. Longer ones come
    from the sizes themselves, where the volume refutes the threshold; any others become our own
    claim.
    """
    problem = scaled.packing(threshold)
    if isinstance(scaled, ConstrainedInstance):
        return _constrained_proof(scaled, threshold, vector, most)
    points = evidence.DualVector(points_by_model(scaled, vector.class_values), vector.type_values)
    work = points.row_work(problem.sizes, max(problem.capacities))
    if _can_be_checked(points, work, most):
        return points
    if sum(problem.sizes) > sum(problem.capacities):
        return evidence.Volume()
    return _own_claim(threshold, "dual vector of long numbers", {})


def _can_be_checked(
    points: evidence.DualVector | evidence.ConstrainedVector, work: int | None, most: int
) -> bool:
    short = max(*points.models, *points.gpus, 0) <= MAX_POINTS
    return short and work is not None and work <= most


def _constrained_proof(
    scaled: ConstrainedInstance, threshold: Threshold, vector: DualValues, most: int
) -> evidence.Evidence:
    types = [0] * len(scaled.capacities)
    for number, gpu_type in enumerate(scaled.types):
        for gpu in gpu_type.gpus:
            types[gpu] = number
    points = evidence.ConstrainedVector(
        points_by_model(scaled, vector.class_values), vector.type_values, tuple(types)
    )
    room = max(scaled.packing(threshold).capacities)
    work = points.row_work(room, *scaled.rules_checked) if room >= 0 else None
    if _can_be_checked(points, work, most):
        return points
    return _own_claim(threshold, "dual vector too long for the checker, under constraints", {})


def exhaustion(threshold: Threshold, answer: NoPacking) -> evidence.SolverClaim:
    """Our own claim that every way to pack was tried; no checker can repeat it."""
    return _own_claim(threshold, "exhaustive search over patterns", {"nodes": answer.nodes})


def _own_claim(threshold: Threshold, what: str, parameters: dict[str, int]) -> evidence.SolverClaim:
    return evidence.SolverClaim(
        solver=f"kvpr-opt, {what}",
        version=version("kvpr-opt"),
        threshold=threshold.value,
        parameters=dict(parameters),
    )


def placement_of(instance: Instance, packing: Packing) -> Placement:
    """The placement that puts each pattern on a GPU of its type.

    Models in no pattern, because they need nothing, go to the first GPU. With
    constraints, they go to the first GPU that they may share, and pinned ones to theirs.

    Raises
    ------
    InvalidPlacementError
        If a packing of rounded sizes does not fit in exact numbers, or breaks a constraint
        that patterns do not model.
    """
    scaled = instance.scaled
    free = [list(gpu_type.gpus) for gpu_type in scaled.types]
    waiting = [list(group.models) for group in scaled.classes]
    gpu_of = [0] * len(scaled.sizes)
    for counts, gpu_type in zip(packing.counts, packing.types, strict=True):
        gpu = free[gpu_type].pop(0)
        for c in counts.nonzero()[0]:
            for _ in range(int(counts[c])):
                gpu_of[waiting[c].pop(0)] = gpu
    if isinstance(scaled, ConstrainedInstance):
        _place_rest(scaled, [model for models in waiting for model in models], gpu_of)
    return Placement(instance, gpu_of)


def _place_rest(scaled: ConstrainedInstance, rest: list[int], gpu_of: list[int]) -> None:
    """Place the models in no pattern: pinned ones, and those that need nothing."""
    constraints = scaled.constraints
    assert constraints is not None, "made with constraints"
    for model in rest:
        gpu_of[model] = scaled.pinned.get(model, -1)
    members: dict[int, set[int]] = {}
    for number, group in enumerate(constraints.apart):
        for model in group.models:
            members.setdefault(model, set()).add(number)
    taken = {(gpu_of[model], group) for model, groups in members.items() for group in groups}
    everywhere = frozenset(range(len(scaled.capacities)))
    for model in sorted(rest):
        if gpu_of[model] >= 0:
            continue
        groups = members.get(model, set())
        possible = sorted(constraints.admissible.get(model, everywhere))
        free = (gpu for gpu in possible if not any((gpu, group) in taken for group in groups))
        gpu_of[model] = next(free, possible[0])
        taken |= {(gpu_of[model], group) for group in groups}


def packing_of(placement: Placement) -> Packing:
    """A placement as a pattern for each GPU, in GPU order, empty ones included."""
    scaled = placement.instance.scaled
    class_of = {model: c for c, group in enumerate(scaled.classes) for model in group.models}
    counts = np.zeros((len(scaled.capacities), len(scaled.classes)), dtype=np.int16)
    for model, gpu in enumerate(placement.gpu_of):
        counts[gpu, class_of[model]] += 1
    if isinstance(scaled, ConstrainedInstance):
        # Pinned models are part of the bins; models that need nothing belong to no bin.
        items = [
            group.models[0] not in scaled.pinned and group.size + group.pressure > 0
            for group in scaled.classes
        ]
        counts[:, ~np.array(items, dtype=bool)] = 0
    types = np.zeros(len(scaled.capacities), dtype=np.int64)
    for k, gpu_type in enumerate(scaled.types):
        types[list(gpu_type.gpus)] = k
    return Packing(counts, types)
