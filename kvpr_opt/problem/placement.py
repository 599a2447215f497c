"""An answer to the problem: which model runs on which GPU, and how hard each GPU is pressed."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kvpr_opt.drawing.rows import MAX_GPUS, counted, kvpr_text
from kvpr_opt.errors import InvalidPlacementError, nearest
from kvpr_opt.problem.exact import exact_sum
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.scaled import Threshold

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A KVPR: exact, or ``math.inf`` for a GPU that is full and under pressure.
Kvpr = Fraction | float


@dataclass(frozen=True)
class GPULoad:
    """What a placement puts on one GPU. Quantities in the units of the fleet.

    Attributes
    ----------
    name
        The GPU.
    memory
        Its usable memory.
    used
        Memory of the weights placed on it.
    pressure
        Sum of the pressures of its models.
    kvpr
        ``pressure / (memory - used)``; 0 for a full GPU without pressure,
        ``math.inf`` for a full GPU with pressure.
    models
        Names of its models, in input order.
    """

    name: str
    memory: Fraction
    used: Fraction
    pressure: Fraction
    kvpr: Kvpr
    models: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Placement:
    """Every model of a fleet on one of its GPUs, within memory and all constraints.

    Parameters
    ----------
    instance
        The fleet.
    gpu_of
        For each model, in input order, the index of its GPU.

    Raises
    ------
    InvalidPlacementError
        If a model is missing, an index is not an integer or is out of range, the models
        on a GPU exceed its usable memory, or a constraint is broken.

    Notes
    -----
    A full GPU under pressure is legal here (its KVPR is infinite), so that a
    heuristic can be measured; it never becomes an incumbent.
    """

    instance: Instance
    gpu_of: tuple[int, ...]

    def __init__(self, instance: Instance, gpu_of: Sequence[int]) -> None:
        object.__setattr__(self, "instance", instance)
        object.__setattr__(self, "gpu_of", tuple(map(_number, gpu_of)))
        if len(self.gpu_of) != len(instance.models):
            raise InvalidPlacementError(
                f"{len(self.gpu_of)} models placed, the fleet has {len(instance.models)}"
            )
        for model, gpu in zip(instance.models, self.gpu_of, strict=True):
            if not 0 <= gpu < len(instance.gpus):
                raise InvalidPlacementError(
                    f"model {model.name!r} is on GPU number {gpu}, "
                    f"the fleet has 0 to {len(instance.gpus) - 1}"
                )
        for gpu, (used, _) in enumerate(self._loads):
            capacity = instance.scaled.capacities[gpu]
            if used > capacity:
                unit = instance.scaled.memory_unit
                raise InvalidPlacementError(
                    f"GPU {instance.gpus[gpu].name!r} holds {float(used * unit):g} of weights, "
                    f"more than its {float(capacity * unit):g} of usable memory"
                )
        broken = instance.constraints.broken(self.gpu_of) if instance.constraints else ""
        if broken:
            raise InvalidPlacementError(broken)

    @classmethod
    def of(cls, instance: Instance, assignment: Mapping[str, str]) -> Placement:
        """The placement that maps each model's name to a GPU's name.

        Raises
        ------
        InvalidPlacementError
            As the constructor, and for names that the fleet does not have.
        """
        for name in assignment:
            if name not in instance.model_index:
                known = nearest(str(name), instance.model_index)
                raise InvalidPlacementError(f"the fleet has no model {name!r}{known}")
        gpu_of = []
        for model in instance.models:
            if model.name not in assignment:
                raise InvalidPlacementError(f"model {model.name!r} is not placed")
            gpu = assignment[model.name]
            if gpu not in instance.gpu_index:
                known = nearest(str(gpu), instance.gpu_index)
                raise InvalidPlacementError(
                    f"model {model.name!r} is on GPU {gpu!r}, which the fleet does not have{known}"
                )
            gpu_of.append(instance.gpu_index[gpu])
        return cls(instance, gpu_of)

    @cached_property
    def _loads(self) -> tuple[tuple[int, int], ...]:
        """Memory used and pressure of each GPU, in whole units."""
        scaled = self.instance.scaled
        used = [0] * len(scaled.capacities)
        pressure = [0] * len(scaled.capacities)
        for model, gpu in enumerate(self.gpu_of):
            used[gpu] += scaled.sizes[model]
            pressure[gpu] += scaled.pressures[model]
        return tuple(zip(used, pressure, strict=True))

    @cached_property
    def assignment(self) -> dict[str, str]:
        """GPU name by model name, in input order."""
        gpus, models = self.instance.gpus, self.instance.models
        return {model.name: gpus[gpu].name for model, gpu in zip(models, self.gpu_of, strict=True)}

    @cached_property
    def kvpr(self) -> dict[str, Kvpr]:
        """KVPR by GPU name; ``math.inf`` for a full GPU with pressure."""
        values = map(self._kvpr, range(len(self.instance.gpus)))
        return {gpu.name: value for gpu, value in zip(self.instance.gpus, values, strict=True)}

    def _kvpr(self, gpu: int) -> Kvpr:
        scaled = self.instance.scaled
        used, pressure = self._loads[gpu]
        if pressure == 0:  # rounded or not: no pressure is rounded to nothing
            return Fraction(0)
        free = scaled.capacities[gpu] - used
        if free == 0:
            return math.inf
        if scaled.rounding is None:
            return Fraction(pressure, free) * scaled.kvpr_unit
        return self._pressure(gpu) / (free * scaled.memory_unit)

    def _pressure(self, gpu: int) -> Fraction:
        """The pressure on a GPU, exactly."""
        scaled = self.instance.scaled
        if scaled.rounding is None:
            return self._loads[gpu][1] * scaled.pressure_unit
        return exact_sum(self.instance.models[model].pressure for model in self._models_on[gpu])

    @cached_property
    def _models_on(self) -> list[list[int]]:
        on: list[list[int]] = [[] for _ in self.instance.gpus]
        for model, gpu in enumerate(self.gpu_of):
            on[gpu].append(model)
        return on

    @cached_property
    def max_kvpr(self) -> Kvpr:
        """The KVPR of the most pressed GPU; ``math.inf`` if one is full and under pressure."""
        return max(map(self._kvpr, self._most_pressed()))

    @cached_property
    def rounded_max_kvpr(self) -> Kvpr:
        """The maximum as the whole numbers of the fleet show it.

        The same as :attr:`max_kvpr`, but where the pressures of the fleet are rounded: a
        little less there.
        """
        if self.instance.scaled.rounding is None:
            return self.max_kvpr
        capacities = self.instance.scaled.capacities
        loads = [(load, c - used) for (used, load), c in zip(self._loads, capacities, strict=True)]
        if any(load and not free for load, free in loads):
            return math.inf
        ratios = (Fraction(load, free) for load, free in set(loads) if load)
        return max(ratios, default=Fraction(0)) * self.instance.scaled.kvpr_unit

    def _most_pressed(self) -> list[int]:
        """The GPUs that the maximum may be on: floats leave out those that are clearly below."""
        scaled = self.instance.scaled
        # Rounding takes less than one unit from each model.
        lost = 0 if scaled.rounding is None else max(map(len, self._models_on))
        least: list[float] = []
        most: list[float] = []
        for (used, pressure), capacity in zip(self._loads, scaled.capacities, strict=True):
            if pressure and used == capacity:
                return [len(least)]
            least.append(_ratio(pressure, capacity - used))
            most.append(_ratio(pressure + lost, capacity - used) if pressure else 0.0)
        enough = max(least) * (1 - 1e-9)
        return [gpu for gpu, ratio in enumerate(most) if ratio >= enough]

    @property
    def gpus(self) -> tuple[GPULoad, ...]:
        """What is on each GPU, in input order."""
        instance = self.instance
        on_gpu: list[list[str]] = [[] for _ in instance.gpus]
        for model, index in zip(instance.models, self.gpu_of, strict=True):
            on_gpu[index].append(model.name)
        return tuple(
            GPULoad(
                name=gpu.name,
                memory=gpu.usable,
                used=used * instance.scaled.memory_unit,
                pressure=self._pressure(index),
                kvpr=self.kvpr[gpu.name],
                models=tuple(names),
            )
            for index, (gpu, (used, _), names) in enumerate(
                zip(instance.gpus, self._loads, on_gpu, strict=True)
            )
        )

    # -- for people ------------------------------------------------------------------

    def __repr__(self) -> str:
        models, gpus = len(self.instance.models), len(self.instance.gpus)
        size = f"{counted(models, 'model')} on {counted(gpus, 'GPU')}"
        return f"<Placement: {size}, max KVPR {kvpr_text(self.max_kvpr)}>"

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, *, width: int | None = None) -> str:
        """The GPUs with what they hold, as a table; the command prints it, too.

        Parameters
        ----------
        width
            Cells in a line; ``None`` for one line per GPU, as long as it may be.
        """
        from kvpr_opt.drawing.text import placement_text

        return placement_text(self.gpus, width, all_models=True).plain

    def _repr_html_(self) -> str:
        from kvpr_opt.drawing.page import placement_html

        return placement_html(self.gpus, max_gpus=MAX_GPUS)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the placement to scale, with the KVPR of each GPU, by matplotlib.

        Parameters
        ----------
        ax
            Where to draw; a figure is made without.

        Returns
        -------
        matplotlib.axes.Axes
            The axis; its ``figure`` can be saved.

        Raises
        ------
        InputError
            If matplotlib is not installed (extra ``study``).
        """
        from kvpr_opt.drawing.plot import plot_placement

        sizes = {model.name: float(model.footprint) for model in self.instance.models}
        return plot_placement(self.gpus, sizes, ax)

    def to_records(self) -> list[dict[str, Any]]:
        """A row per model, in input order, for a data frame.

        Returns
        -------
        list of dict
            ``model`` and ``gpu`` by name; ``size`` (all memory that it occupies), and what
            that consists of: ``weights``, ``overhead`` and ``kv_floor``, in the unit of the
            fleet; its ``pressure``, and ``gpu_kvpr``, the KVPR of its GPU, as floats.
        """
        return [
            {
                "model": model.name,
                "gpu": gpu,
                "size": float(model.footprint),
                "weights": float(model.size),
                "overhead": float(model.overhead),
                "kv_floor": float(model.kv_floor),
                "pressure": float(model.pressure),
                "gpu_kvpr": float(self.kvpr[gpu]),
            }
            for model, gpu in zip(self.instance.models, self.assignment.values(), strict=True)
        ]

    def meets(self, threshold: Threshold) -> bool:
        """Whether every GPU is within a threshold, exactly."""
        return self.max_kvpr <= threshold.value


def _ratio(pressure: int, free: int) -> float:
    """About pressure / free; infinite where that is too large for a float."""
    try:
        return pressure / free if pressure else 0.0
    except OverflowError:
        return math.inf


def _number(gpu: object) -> int:
    try:
        return operator.index(gpu)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidPlacementError(
            f"{gpu!r} is not the number of a GPU; Placement.of takes names"
        ) from None
