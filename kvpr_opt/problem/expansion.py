"""From models as they are declared to the parts that are placed: copies, replicas, shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.problem.llm import LLM, Part


def expand(models: Sequence[LLM]) -> list[tuple[int, LLM]]:
    """The parts of all models in their order, each with the position of its model.

    A model without ``count``, ``replicas`` and ``shards`` is its own only part.

    Raises
    ------
    InputError
        For a part of another fleet: what keeps it with the other parts would be lost.
    """
    placed: list[tuple[int, LLM]] = []
    for position, model in enumerate(models):
        if model.part is not None:
            raise InputError(
                f"model {model.name!r} is a part of {model.part.model!r}; "
                "give the model itself (Instance.declared has it)",
                place=f"models[{position}]",
            )
        if model.count is None and model.replicas == model.shards == 1:
            placed.append((position, model))
        else:
            placed.extend((position, part) for part in _parts(model))
    return placed


def _parts(model: LLM) -> Iterator[LLM]:
    each = model.replicas * model.shards
    for copy in range(model.count or 1):
        name = model.name if model.count is None else f"{model.name}-{copy}"
        first = copy * each
        for number in range(each):
            replica, shard = divmod(number, model.shards)
            yield _part(model, name, replica, shard, first + number)


def _part(model: LLM, name: str, replica: int, shard: int, number: int) -> LLM:
    replicated, sharded = model.replicas > 1, model.shards > 1
    suffix = (f"/r{replica}" if replicated else "") + (f"/s{shard}" if sharded else "")
    rate, tokens, kv = model.req_rate, model.token_rate, model.kv_demand
    share = _shard_share(model)
    return replace(
        model,
        name=name + suffix,
        size=model.size / model.shards,
        pressure=model.pressure / model.replicas * share,
        # What a server of a replica sees; its shards all see the same requests.
        req_rate=None if rate is None else rate / model.replicas,
        token_rate=None if tokens is None else tokens / model.replicas,
        kv_demand=None if kv is None else kv / model.replicas * share,
        pin=_own(model.pin, number),
        current=_own(model.current, number),
        count=None,
        replicas=1,
        shards=1,
        kv_share=None,
        # A mere copy is independent of the others, and a model like any.
        part=Part(name, replica, shard) if replicated or sharded else None,
    )


def _shard_share(model: LLM) -> Fraction:
    """The share of the demand of a replica that each of its shards carries."""
    if model.kv_share is not None:
        return model.kv_share
    return Fraction(1, min(model.shards, model.kv_heads or model.shards))


def _own(listed: tuple[str, ...], number: int) -> tuple[str, ...]:
    return listed if len(listed) < 2 else (listed[number],)
