"""Turns answers about classes and types into placements and evidence about models and GPUs."""

from __future__ import annotations

from importlib.metadata import version

from kvpr_opt import evidence
from kvpr_opt.instance import Instance
from kvpr_opt.patterns.answers import DualVector, NoPacking, Packing
from kvpr_opt.placement import Placement
from kvpr_opt.scaled import ScaledInstance, Threshold


def dual_proof(scaled: ScaledInstance, vector: DualVector) -> evidence.DualVector:
    """A dual vector, by model and GPU type."""
    models = [0] * len(scaled.sizes)
    for value, group in zip(vector.class_values, scaled.classes, strict=True):
        for model in group.models:
            models[model] = value
    return evidence.DualVector(tuple(models), vector.type_values)


def exhaustion(threshold: Threshold, answer: NoPacking) -> evidence.SolverWord:
    """Our own word that every way to pack was tried: no checker can repeat it."""
    return evidence.SolverWord(
        solver="kvpr-opt, exhaustive search over patterns",
        version=version("kvpr-opt"),
        threshold=threshold.value,
        parameters={"nodes": answer.nodes},
    )


def placement_of(instance: Instance, packing: Packing) -> Placement:
    """The placement that puts each pattern on a GPU of its type.

    Models that no pattern holds, because they need nothing, go to the first GPU.

    Raises
    ------
    InvalidPlacementError
        If a packing of rounded sizes does not fit in exact numbers.
    """
    scaled = instance.scaled
    free = [list(kind.gpus) for kind in scaled.types]
    waiting = [list(group.models) for group in scaled.classes]
    gpu_of = [0] * len(scaled.sizes)
    for counts, kind in zip(packing.counts, packing.kinds, strict=True):
        gpu = free[kind].pop(0)
        for c in counts.nonzero()[0]:
            for _ in range(int(counts[c])):
                gpu_of[waiting[c].pop(0)] = gpu
    return Placement(instance, gpu_of)
