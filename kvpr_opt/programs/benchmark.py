"""The public benchmark's interface, ``compute_model_placement(gpu_num, models)``.

It has no word for the memory of a GPU: the benchmark's is 80, and its programs have that
number built in. A fleet of identical GPUs of another memory C is told in units in which C
is 80, which changes no verdict and multiplies every KVPR by the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from kvpr_opt.errors import InputError, InvalidPlacementError
from kvpr_opt.problem.instance import Instance
from kvpr_opt.programs.contract import BENCHMARK, BENCHMARK_MEMORY, FIELDS, BenchmarkModel

#: What a field of a model holds.
Field = int | float | str


def benchmark_scale(instance: Instance) -> Fraction:
    """The factor from the memory of the fleet to that of the benchmark.

    Raises
    ------
    InputError
        If the GPUs differ in memory, or have none to use.
    """
    capacities = {gpu.usable for gpu in instance.gpus}
    if len(capacities) != 1 or capacities == {0}:
        raise InputError(
            f"{BENCHMARK}(gpu_num, models) cannot be told of GPUs of different memory, or of none; "
            "place(instance) or an executable can"
        )
    return BENCHMARK_MEMORY / capacities.pop()


def records(instance: Instance) -> list[dict[str, Field]]:
    """The fields of the model objects that a program gets for a fleet.

    Raises
    ------
    InputError
        If the interface has no words for the fleet.
    """
    if instance.constraints:
        raise InputError(
            f"{BENCHMARK}(gpu_num, models) cannot be told of constraints; "
            "place(instance) or an executable can"
        )
    scale = benchmark_scale(instance)
    told: list[dict[str, Field]] = []
    for index, model in enumerate(instance.models):
        rate, slo = model.req_rate, model.slo
        if rate is None or slo is None or model.part is not None:
            rate, slo = model.pressure, Fraction(1)
        numbers = map(_number, (model.footprint * scale, rate, slo))
        values = (model.name, *numbers)
        told.append({**dict(zip(FIELDS, values, strict=True)), "cur_gpu_id": index})
    return told


def _number(value: Fraction) -> int | float:
    """A whole number as such, like the benchmark has them; else the nearest double."""
    if value.denominator == 1:
        return value.numerator
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{BENCHMARK}(gpu_num, models) has no numbers that large") from None


def as_place(
    function: Callable[[int, list[BenchmarkModel]], Any],
) -> Callable[[Instance], Mapping[str, str]]:
    """A function of the benchmark's contract as one of the contract ``place(instance)``.

    Parameters
    ----------
    function
        ``compute_model_placement`` of a program.

    Returns
    -------
    callable
        Takes a fleet, calls the function and returns the name of a GPU for each model.
        It raises :class:`~kvpr_opt.errors.InvalidPlacementError` for an answer that is no
        dict of lists of the models, or of copies with the same numbers.
    """

    def place(instance: Instance) -> Mapping[str, str]:
        told = records(instance)
        models = [BenchmarkModel(**record) for record in told]  # type: ignore[arg-type]
        given = list(models)
        answer = function(len(instance.gpus), models)
        for model, record in zip(given, told, strict=True):
            _check_unchanged(model, record)
        return _assignment(instance, answer, {str(record["model_name"]): record for record in told})

    # It is from where the function is from: a study records the text of that module.
    place.__module__ = getattr(function, "__module__", place.__module__)
    return place


def _assignment(
    instance: Instance, answer: Any, told: Mapping[str, Mapping[str, Field]]
) -> dict[str, str]:
    if not isinstance(answer, dict):
        raise InvalidPlacementError(f"{BENCHMARK} returned {type(answer).__name__}, not a dict")
    assignment: dict[str, str] = {}
    for key, models in answer.items():
        if not isinstance(models, list | tuple):
            raise InvalidPlacementError(f"{type(models).__name__} under {key!r}, not a list")
        for model in models:
            name = getattr(model, "model_name", None)
            if not isinstance(name, str) or name not in told:
                raise InvalidPlacementError(f"model {name!r} on GPU {key!r} is not in the fleet")
            _check_unchanged(model, told[name])
            if name in assignment:
                raise InvalidPlacementError(f"model {name!r} is placed more than once")
            if isinstance(key, bool) or not isinstance(key, int) or key not in _range(instance):
                raise InvalidPlacementError(f"there is no GPU {key!r}")
            assignment[name] = instance.gpus[key].name
    return assignment


def _range(instance: Instance) -> range:
    return range(len(instance.gpus))


def _check_unchanged(model: Any, record: Mapping[str, Field]) -> None:
    for name in FIELDS:
        if getattr(model, name, None) != record[name]:
            raise InvalidPlacementError(
                f"{name} of model {record['model_name']!r} is {getattr(model, name, None)!r}, "
                f"was {record[name]!r}"
            )
