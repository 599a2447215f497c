"""Models from rows of a table: dicts, or a data frame of pandas or polars."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.problem.gpu import GPU, Number
from kvpr_opt.problem.llm import LLM

#: What a row may give of a model: the parameters of :class:`LLM`.
KEYS = tuple(name for name in inspect.signature(LLM).parameters if name != "part")

#: The keys of a record of the public benchmark, and what they are called here.
BENCHMARK_KEYS = {
    "model_name": "name",
    "model_size": "size",
    "req_rate": "req_rate",
    "slo": "slo",
    "cur_gpu_id": "",  # read, not used
}


def models_of(rows: Any) -> list[LLM]:
    """The models of a table, in its order.

    Parameters
    ----------
    rows
        Dicts with the parameters of :class:`LLM` as keys, or a data frame of pandas or
        polars with such columns. What is ``None`` or not a number is not given.

    Raises
    ------
    InputError
        For anything else; the error names the row, the key and the value.
    """
    return [_model(record, f"rows[{index}]") for index, record in enumerate(_records(rows))]


def gpus_of(gpus: int | Iterable[GPU], memory: Number | None) -> list[GPU]:
    """The GPUs as given, or as many ``gpu0``, ``gpu1``, ... of equal memory.

    Raises
    ------
    InputError
        If a memory is missing, or given beside GPUs that have their own.
    """
    if isinstance(gpus, int) and not isinstance(gpus, bool):
        if memory is None:
            raise InputError("a number of GPUs needs the memory of each", place="memory")
        if gpus < 1:
            raise InputError(f"gpus {gpus} is not at least 1", place="gpus")
        return [GPU(f"gpu{index}", memory) for index in range(gpus)]
    if memory is not None:
        raise InputError("requires a number of GPUs; these have their own memory", place="memory")
    if isinstance(gpus, str | bytes | Mapping) or not isinstance(gpus, Iterable):
        raise InputError(f"{_called(gpus)} is neither a number nor a list of GPUs", place="gpus")
    found = list(gpus)
    for index, gpu in enumerate(found):
        if not isinstance(gpu, GPU):
            raise InputError(f"{_called(gpu)} is not a GPU", place=f"gpus[{index}]")
    return found


def _records(rows: Any) -> Iterable[Any]:
    if hasattr(rows, "to_dicts"):  # polars
        return list(rows.to_dicts())
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas
        return list(rows.to_dict(orient="records"))
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise InputError(
            f"{_called(rows)} is neither a list of dicts nor a data frame of pandas or polars",
            place="rows",
        )
    return rows


def _model(record: Any, place: str) -> LLM:
    if not isinstance(record, Mapping):
        raise InputError(f"{_called(record)} is not a dict with keys such as name", place=place)
    values = {}
    for given, value in record.items():
        key = BENCHMARK_KEYS.get(given, given)
        if key and key not in KEYS:
            hint = nearest(str(given), KEYS)
            raise InputError(f"unknown key {given!r}{hint}; known: {', '.join(KEYS)}", place=place)
        if key and not _missing(value):
            values[key] = value
    for key in ("name", "size"):
        if key not in values:
            there = ", ".join(map(str, record)) or "none"
            raise InputError(f"no key {key!r}; the keys are: {there}", place=place)
    try:
        return LLM(**values)
    except InputError as error:
        raise error.within(place=place) from None


def _missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # those of pandas
        return True
    return isinstance(value, float) and math.isnan(value)


def _called(value: object) -> str:
    return f"{type(value).__name__} {repr(value)[:40]}"
