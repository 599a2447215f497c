"""Simple constructions as baselines: one pass over the models, in exact numbers.

Each takes the models one by one and puts each on a GPU that has room for it and keeps
a finite KVPR. They differ in the order of the models and in the choice of the GPU; ties
go to the first one in input order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement


def greedy(instance: Instance) -> Placement | None:
    """Models in input order, each to the GPU with the smallest resulting KVPR.

    Returns
    -------
    Placement or None
        ``None`` if a model fits on no GPU.
    """
    return _place(instance, range(len(instance.models)), _resulting_kvpr)


def lpt(instance: Instance) -> Placement | None:
    """As :func:`greedy`, with the models by decreasing pressure.

    This is the scheduling rule 'longest processing time first' [1]_, with the pressure as
    the processing time and the KVPR as the load of a machine.

    Returns
    -------
    Placement or None
        ``None`` if a model fits on no GPU.

    References
    ----------
    .. [1] R. L. Graham, Bounds on multiprocessing timing anomalies, 1969,
       doi:10.1137/0117039.
    """
    pressures = instance.scaled.pressures
    order = sorted(range(len(pressures)), key=lambda model: -pressures[model])
    return _place(instance, order, _resulting_kvpr)


def best_fit(instance: Instance) -> Placement | None:
    """Models by decreasing size, each to the GPU left with the least memory.

    This is 'best fit decreasing' from bin packing [1]_; it ignores pressures.

    Returns
    -------
    Placement or None
        ``None`` if a model fits on no GPU.

    References
    ----------
    .. [1] D. S. Johnson et al., Worst-case performance bounds for simple
       one-dimensional packing algorithms, 1974, doi:10.1137/0203025.
    """
    sizes = instance.scaled.sizes
    order = sorted(range(len(sizes)), key=lambda model: -sizes[model])
    return _place(instance, order, _room_left)


# Rates a GPU by its free memory and its pressure once the model is on it; least is best.
_Judge = Callable[[int, int], Fraction]


def _resulting_kvpr(free: int, pressure: int) -> Fraction:
    return Fraction(pressure, free) if pressure else Fraction(0)


def _room_left(free: int, _pressure: int) -> Fraction:
    return Fraction(free)


def _place(instance: Instance, order: Iterable[int], judge: _Judge) -> Placement | None:
    scaled = instance.scaled
    free, pressure = list(scaled.capacities), [0] * len(scaled.capacities)
    gpu_of = [0] * len(scaled.sizes)
    for model in order:
        size, load = scaled.sizes[model], scaled.pressures[model]
        fitting = [
            gpu
            for gpu, room in enumerate(free)
            if room > size or (room == size and pressure[gpu] + load == 0)
        ]
        if not fitting:
            return None
        best = min(fitting, key=lambda gpu: judge(free[gpu] - size, pressure[gpu] + load))
        gpu_of[model] = best
        free[best] -= size
        pressure[best] += load
    return Placement(instance, gpu_of)
