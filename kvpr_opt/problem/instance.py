"""The problem: the fleet of models and GPUs. Frozen, exact, self-validating."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from kvpr_opt.drawing.rows import counted
from kvpr_opt.errors import InputError
from kvpr_opt.problem.constrained import ConstrainedInstance
from kvpr_opt.problem.constraints import Constraints
from kvpr_opt.problem.expansion import expand
from kvpr_opt.problem.gpu import GPU as GPU
from kvpr_opt.problem.gpu import Number as Number
from kvpr_opt.problem.llm import LLM as LLM
from kvpr_opt.problem.resolving import constraints
from kvpr_opt.problem.scaled import ScaledInstance
from kvpr_opt.problem.units import check_unit


@dataclass(frozen=True, repr=False)
class Instance:
    """A fleet: the GPUs there are and the models to place on them, in the order given.

    Parameters
    ----------
    gpus
        At least one GPU.
    models
        Any number of models; none at all is a valid fleet of KVPR 0.
    unit
        What amounts of memory count, one of :data:`kvpr_opt.problem.units.UNITS`, to be
        shown with them; by default what the GPUs and models say.

    Attributes
    ----------
    models
        What is placed: every copy, replica and shard is a model of its own here.
    declared
        The models as they were given.
    constraints
        Where models may run; false where every one may go anywhere.

    Raises
    ------
    InputError
        If there is no GPU, if two GPUs or two models share a name, if kinds of demand
        are mixed or units differ, or if keys of models name what is not there or leave
        no place for the model.
    """

    gpus: tuple[GPU, ...]
    models: tuple[LLM, ...]
    unit: str | None
    declared: tuple[LLM, ...] = field(init=False, repr=False)
    constraints: Constraints = field(init=False, repr=False, compare=False)

    def __init__(self, gpus: Iterable[GPU], models: Iterable[LLM], unit: str | None = None) -> None:
        object.__setattr__(self, "gpus", tuple(gpus))
        object.__setattr__(self, "declared", tuple(models))
        if not self.gpus:
            raise InputError("a fleet needs at least one GPU", place="gpus")
        _unique("gpus", list(enumerate(gpu.name for gpu in self.gpus)))
        placed = expand(self.declared)
        object.__setattr__(self, "models", tuple(model for _, model in placed))
        _unique("models", [(position, model.name) for position, model in placed])
        object.__setattr__(self, "unit", _common_unit(self, check_unit(unit)))
        _check_demand(self.declared)
        resolved = constraints(self.gpus, self.declared, placed)
        object.__setattr__(self, "constraints", resolved)

    def replace(
        self, *, gpus: Iterable[GPU] | None = None, models: Iterable[LLM] | None = None
    ) -> Instance:
        """The same fleet with other GPUs, or other models.

        Parameters
        ----------
        gpus
            Instead of those of the fleet.
        models
            Instead of :attr:`declared`: models before copies, replicas and shards are told apart.

        Raises
        ------
        InputError
            As the constructor.
        """
        return Instance(
            self.gpus if gpus is None else gpus,
            self.declared if models is None else models,
            self.unit,
        )

    @classmethod
    def from_records(
        cls,
        rows: Any,
        gpus: int | Iterable[GPU],
        memory: Number | None = None,
        *,
        unit: str | None = None,
    ) -> Instance:
        """The fleet of the models in a table: dicts, or a data frame of pandas or polars.

        Parameters
        ----------
        rows
            A row per model; keys or columns are the parameters of :class:`LLM`, or the
            names of the public benchmark (``model_name``, ``model_size``). What is
            ``None`` or not a number is not given.
        gpus
            The GPUs, or how many there are.
        memory
            Usable memory of each, for a number of GPUs.
        unit
            As for the constructor.

        Raises
        ------
        InputError
            For anything else; it names the row, the key, and what came.

        Examples
        --------
        >>> rows = [{"name": name, "size": 16, "pressure": 2} for name in "ab"]
        >>> Instance.from_records(rows, gpus=4, memory=80)
        <Instance: 2 models on 4 GPUs>
        """
        from kvpr_opt.problem.records import gpus_of, models_of

        return cls(gpus_of(gpus, memory), models_of(rows), unit)

    def __repr__(self) -> str:
        models, gpus = len(self.models), len(self.gpus)
        return f"<Instance: {counted(models, 'model')} on {counted(gpus, 'GPU')}>"

    @cached_property
    def scaled(self) -> ScaledInstance:
        """The same fleet in whole numbers; computed once, shared by all algorithms."""
        return self._scaled_by(None)

    def under(self, constraints: Constraints) -> Instance:
        """The same fleet under other constraints, for an algorithm that works on a part."""
        other = object.__new__(Instance)
        for name in ("gpus", "models", "unit", "declared"):
            object.__setattr__(other, name, getattr(self, name))
        object.__setattr__(other, "constraints", constraints)
        return other

    def rounded(self, unit: Fraction) -> ScaledInstance:
        """The same fleet with every pressure rounded down to a multiple of `unit`."""
        return self._scaled_by(unit)

    def _scaled_by(self, rounding: Fraction | None) -> ScaledInstance:
        scaled = ScaledInstance.of(
            sizes=[model.footprint for model in self.models],
            pressures=[model.pressure for model in self.models],
            capacities=[gpu.usable for gpu in self.gpus],
            rounding=rounding,
        )
        if self.constraints:
            return ConstrainedInstance.under(scaled, self.constraints)
        return scaled

    @cached_property
    def gpu_index(self) -> dict[str, int]:
        """Position of each GPU by name."""
        return {gpu.name: index for index, gpu in enumerate(self.gpus)}

    @cached_property
    def model_index(self) -> dict[str, int]:
        """Position of each model by name."""
        return {model.name: index for index, model in enumerate(self.models)}


def _common_unit(instance: Instance, unit: str | None) -> str | None:
    """The unit that the GPUs and models say, and the fleet does not contradict."""
    said = [(f"gpus[{index}]", gpu.unit) for index, gpu in enumerate(instance.gpus)]
    said += [(f"models[{index}]", model.unit) for index, model in enumerate(instance.declared)]
    for place, own in said:
        if own is not None and unit is not None and own != unit:
            raise InputError(
                f"its amounts count {own}, those before it {unit}; one unit is needed",
                place=f"{place}.unit",
            )
        unit = unit or own
    return unit


def _check_demand(models: tuple[LLM, ...]) -> None:
    """Refuse kinds of demand that do not add up; no demand goes with all."""
    first: dict[str, int] = {}
    for position, model in enumerate(models):
        if model.pressure:
            first.setdefault(model.demand, position)
    if len(first) > 1:
        (one, before), (other, position), *_ = first.items()
        key, against = (
            "pressure" if kind == "req_rate" and models[at].req_rate is None else kind
            for kind, at in ((other, position), (one, before))
        )
        raise InputError(
            f"{key} of model {models[position].name!r} beside {against} of model "
            f"{models[before].name!r}: kinds of demand that do not add up; one kind is needed",
            place=f"models[{position}].{key}",
        )


def _unique(place: str, names: list[tuple[int, str]]) -> None:
    seen: dict[str, int] = {}
    for index, name in names:
        if name in seen:
            raise InputError(
                f"name {name!r} is taken by {place}[{seen[name]}] already",
                place=f"{place}[{index}].name",
            )
        seen[name] = index
