"""The demand for each model, merged from all sources."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields, replace
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.files.checkpoints.kv_cache import KVCache
from kvpr_opt.files.tree import shown
from kvpr_opt.integrations.records import Demand

_QUANTITIES = tuple(field.name for field in fields(Demand) if field.default is None)


def merged(demands: Iterable[tuple[str, Demand]]) -> dict[str, Demand]:
    """One demand per model, from sources that each give different values.

    Parameters
    ----------
    demands
        Each with the file that it comes from.

    Raises
    ------
    InputError
        If two of them give the same value for one model.
    """
    found: dict[str, Demand] = {}
    for source, demand in demands:
        known = found.get(demand.model)
        if known is None:
            found[demand.model] = demand
            continue
        said = {
            name: getattr(demand, name) for name in _QUANTITIES if getattr(demand, name) is not None
        }
        for name in said:
            if getattr(known, name) is not None:
                raise InputError(
                    f"{name} of model {shown(demand.model)} is given twice", source=source
                )
        found[demand.model] = replace(known, origin=f"{known.origin}; {demand.origin}", **said)
    return found


def resident_kv(demand: Demand, cache: KVCache) -> int:
    """Bytes of KV cache that a model's requests occupy on average, rounded up.

    By Little's law (Little 1961, doi:10.1287/opre.9.3.383) there are ``req_rate * latency``
    requests in the server at a time. Each has its prompt and, on average over its output, half
    of that. (For layers with a window this is an upper bound.)

    Raises
    ------
    InputError
        If a value it needs is unknown.
    """
    if demand.req_rate == 0:
        return 0
    rate, latency, prompt, output = (
        _known(demand, name) for name in ("req_rate", "latency", "prompt_tokens", "output_tokens")
    )
    return math.ceil(rate * latency * cache.bytes_of(prompt + output / 2))


def _known(demand: Demand, name: str) -> Fraction:
    value = getattr(demand, name)
    if value is None:
        raise InputError(
            f"no {name} for model {shown(demand.model)}, which --demand kv needs; two scrapes have "
            "it, or a column of that name in a table of rates"
        )
    assert isinstance(value, Fraction)
    return value
