"""The problem: models, GPUs, and the fleet of both. Frozen, exact, self-validating."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

from kvpr_opt.errors import InputError
from kvpr_opt.problem.exact import to_fraction
from kvpr_opt.problem.scaled import ScaledInstance

#: What a quantity may be given as; text and ``Decimal`` are read digit by digit.
Number = int | float | str | Decimal | Fraction


@dataclass(frozen=True)
class GPU:
    """One GPU.

    Parameters
    ----------
    name
        Unique within the fleet.
    memory
        Nominal memory, in the unit of the fleet (GB by habit).
    reserved
        The part of `memory` that is neither weights nor KV cache: context,
        activations, other programs.

    Raises
    ------
    InputError
        If `memory` is not positive, or `reserved` is negative or above it.
    """

    name: str
    memory: Fraction
    reserved: Fraction = Fraction(0)

    def __init__(self, name: str, memory: Number, reserved: Number = 0) -> None:
        object.__setattr__(self, "name", _name(name))
        object.__setattr__(self, "memory", _quantity(memory, "memory", positive=True))
        object.__setattr__(self, "reserved", _quantity(reserved, "reserved"))
        if self.reserved > self.memory:
            raise InputError(
                f"reserved {reserved} is more than the memory {memory} of GPU {name!r}",
                place="reserved",
            )

    @property
    def usable(self) -> Fraction:
        """Memory for weights and KV cache: ``memory - reserved``."""
        return self.memory - self.reserved


@dataclass(frozen=True)
class LLM:
    """One served model.

    Parameters
    ----------
    name
        Unique within the fleet.
    size
        Memory of its weights, in the unit of the fleet.
    req_rate
        Request rate, at least 0. Given together with `slo`.
    slo
        The latency objective that a request has to meet, above 0.
    pressure
        Its KV-cache pressure ``req_rate / slo``, for who has it directly.

    Raises
    ------
    InputError
        If a number is out of its range, if neither `req_rate` and `slo` nor
        `pressure` is given, or if all three are and disagree.
    """

    name: str
    size: Fraction
    req_rate: Fraction | None
    slo: Fraction | None
    pressure: Fraction

    def __init__(
        self,
        name: str,
        size: Number,
        req_rate: Number | None = None,
        slo: Number | None = None,
        pressure: Number | None = None,
    ) -> None:
        object.__setattr__(self, "name", _name(name))
        object.__setattr__(self, "size", _quantity(size, "size"))
        rate = None if req_rate is None else _quantity(req_rate, "req_rate")
        objective = None if slo is None else _quantity(slo, "slo", positive=True)
        given = None if pressure is None else _quantity(pressure, "pressure")
        object.__setattr__(self, "req_rate", rate)
        object.__setattr__(self, "slo", objective)
        object.__setattr__(self, "pressure", _pressure(rate, objective, given))


def _pressure(
    rate: Fraction | None, objective: Fraction | None, given: Fraction | None
) -> Fraction:
    if rate is not None and objective is not None:
        ratio = rate / objective
        if given is not None and given != ratio:
            raise InputError(
                f"pressure {given} is not req_rate / slo = {ratio}; give one or the other",
                place="pressure",
            )
        return ratio
    if given is None or rate is not None or objective is not None:
        raise InputError("a model needs either both req_rate and slo, or pressure")
    return given


@dataclass(frozen=True)
class Instance:
    """A fleet: the GPUs there are and the models to place on them, in the order given.

    Parameters
    ----------
    gpus
        At least one GPU.
    models
        Any number of models; none at all is a valid fleet of KVPR 0.

    Raises
    ------
    InputError
        If there is no GPU, or if two GPUs or two models share a name.
    """

    gpus: tuple[GPU, ...]
    models: tuple[LLM, ...]

    def __init__(self, gpus: Iterable[GPU], models: Iterable[LLM]) -> None:
        object.__setattr__(self, "gpus", tuple(gpus))
        object.__setattr__(self, "models", tuple(models))
        if not self.gpus:
            raise InputError("a fleet needs at least one GPU", place="gpus")
        _unique("gpus", [gpu.name for gpu in self.gpus])
        _unique("models", [model.name for model in self.models])

    @cached_property
    def scaled(self) -> ScaledInstance:
        """The same fleet in whole numbers; computed once, shared by all algorithms."""
        return ScaledInstance.of(
            sizes=[model.size for model in self.models],
            pressures=[model.pressure for model in self.models],
            capacities=[gpu.usable for gpu in self.gpus],
        )

    @cached_property
    def gpu_index(self) -> dict[str, int]:
        """Position of each GPU by name."""
        return {gpu.name: index for index, gpu in enumerate(self.gpus)}

    @cached_property
    def model_index(self) -> dict[str, int]:
        """Position of each model by name."""
        return {model.name: index for index, model in enumerate(self.models)}


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"name {name!r} is not a non-empty text", place="name")
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise InputError(f"name {name!r} is not valid Unicode", place="name")
    return name


def _quantity(value: object, what: str, *, positive: bool = False) -> Fraction:
    try:
        number = to_fraction(value, what)
    except InputError as error:
        raise error.within(place=what) from None
    if number < 0 or (positive and number == 0):
        allowed = "above 0" if positive else "at least 0"
        raise InputError(f"{what} {value} is not {allowed}", place=what)
    return number


def _unique(place: str, names: list[str]) -> None:
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            raise InputError(
                f"name {name!r} is taken by {place}[{seen[name]}] already",
                place=f"{place}[{index}].name",
            )
        seen[name] = index
