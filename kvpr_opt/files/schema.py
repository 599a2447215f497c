"""What a fleet file may say: from a tree of text to GPUs and models.

The quantities check themselves (:class:`GPU`, :class:`LLM`); here are the keys,
and the place of everything, so that an error can name it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from kvpr_opt.certificates.canonical import SCHEMA as CANONICAL
from kvpr_opt.errors import InputError, nearest
from kvpr_opt.files.tree import NumberText, Tree, shown
from kvpr_opt.problem.exact import MAX_DIGITS, to_fraction, whole_number
from kvpr_opt.problem.instance import GPU, LLM, Instance, Number

#: More GPUs than this are taken for a slip of the hand.
MAX_GPUS = 100_000

# A canonical fleet is a fleet file too, hence the last two.
_FLEET_KEYS = ("gpus", "models", "schema", "constraints")
_GPU_KEYS = ("name", "count", "memory", "reserved")
_MODEL_KEYS = ("name", "size", "req_rate", "slo", "pressure")
#: The records of the public benchmark, and what we call their keys.
_BENCHMARK_KEYS = {
    "model_name": "name",
    "model_size": "size",
    "req_rate": "req_rate",
    "slo": "slo",
    "cur_gpu_id": "",  # read, not used
}
_LATER_GPU_KEYS = ("type", "node", "labels")
_LATER_MODEL_KEYS = (
    "current",
    "pin",
    "only",
    "never",
    "apart",
    "replicas",
    "shards",
    "move_cost",
)

# More characters than any number within MAX_DIGITS needs, short of idle zeros.
_LONGEST_NUMBER = 400

# A longer one is no misspelling, and must not fill the screen.
_LONGEST_KEY = 40

# JSON may write half of a character, which UTF-8 cannot.
_SURROGATE = re.compile("[\ud800-\udfff]")

_Named = TypeVar("_Named", GPU, LLM)


def fleet(tree: Tree, given_gpus: list[GPU] | None = None) -> Instance:
    """The fleet that a JSON or YAML file describes.

    Parameters
    ----------
    tree
        The file: a mapping with ``gpus`` and ``models``, or a list of models.
    given_gpus
        The GPUs, where they are given beside the file.

    Raises
    ------
    InputError
        For anything that the schema does not allow.
    """
    if isinstance(tree, list):
        tree = {"models": tree}
    if not isinstance(tree, dict):
        raise InputError(f"a fleet is a mapping with the keys gpus and models, not {shown(tree)}")
    _check_keys(tree, _FLEET_KEYS)
    _check_canonical(tree)
    if "models" not in tree:
        raise InputError("no key 'models'; an empty fleet has 'models: []'")
    if given_gpus is not None and "gpus" in tree:
        raise InputError("the file has gpus of its own; give none beside it", place="gpus")
    if given_gpus is None and "gpus" not in tree:
        raise InputError("no key 'gpus'; put it in the file, or give number and memory of the GPUs")
    gpus = _gpus(tree["gpus"]) if given_gpus is None else given_gpus
    records = _list(tree["models"], "models")
    return Instance(
        gpus, models((f"models[{index}]", record) for index, record in enumerate(records))
    )


def models(records: Iterable[tuple[str, Tree]]) -> list[LLM]:
    """The models of records, each with its place in the file."""
    return _unique((place, _model(record, place)) for place, record in records)


def identical_gpus(count: int, memory: Number) -> list[GPU]:
    """GPUs ``gpu0``, ``gpu1``, ... of one memory, as given beside a file of models."""
    number = whole_number("gpus", count, 1, MAX_GPUS)
    first = GPU("gpu0", memory)
    return [first, *(GPU(f"gpu{index}", first.memory) for index in range(1, number))]


def check_model_keys(keys: Collection[str], place: str) -> None:
    """Refuse keys that a model does not have, and the two ways of writing one mixed."""
    own_to_benchmark = [key for key in keys if key in _BENCHMARK_KEYS and key not in _MODEL_KEYS]
    if not own_to_benchmark:
        _check_keys(keys, _MODEL_KEYS, _LATER_MODEL_KEYS, place)
        return
    native = [key for key in keys if key in _MODEL_KEYS and key not in _BENCHMARK_KEYS]
    if native:
        raise InputError(
            f"key {native[0]!r} beside {own_to_benchmark[0]!r}: "
            f"either {', '.join(_MODEL_KEYS)} or {', '.join(_BENCHMARK_KEYS)}",
            place=f"{place}.{native[0]}",
        )
    _check_keys(keys, tuple(_BENCHMARK_KEYS), _LATER_MODEL_KEYS, place)


def _check_keys(
    keys: Iterable[str], known: tuple[str, ...], later: tuple[str, ...] = (), place: str = ""
) -> None:
    for key in keys:
        if key in known:
            continue
        short = len(key) <= _LONGEST_KEY
        if key in later:
            reason = "this version does not read that key yet"
        else:
            hint = nearest(key, known) if short else ""
            reason = f"unknown key{hint}; known: {', '.join(known)}"
        named = key if short and key.isidentifier() else shown(key)
        raise InputError(reason, place=f"{place}.{named}" if place else named)


def _check_canonical(tree: Mapping[str, Tree]) -> None:
    if tree.get("schema", CANONICAL) != CANONICAL:
        raise InputError(f"{shown(tree['schema'])} is not {CANONICAL!r}", place="schema")
    if tree.get("constraints", []) != []:
        raise InputError("this version reads no constraints yet", place="constraints")


# -- GPUs ----------------------------------------------------------------------------


def _gpus(tree: Tree) -> list[GPU]:
    """The GPUs, every ``count`` expanded; the expanded ones are numbered in one sequence."""
    entries = [
        (f"gpus[{index}]", _mapping(entry, f"gpus[{index}]"))
        for index, entry in enumerate(_list(tree, "gpus"))
    ]
    gpus: list[tuple[str, GPU]] = []
    expanded = 0
    for place, entry in entries:
        _check_keys(entry, _GPU_KEYS, _LATER_GPU_KEYS, place)
        if ("name" in entry) == ("count" in entry):
            raise InputError("a GPU needs either a name or a count", place=place)
        try:
            _require(entry, "memory")
            quantities = _numbers(entry, ("memory", "reserved"))
            if "name" in entry:
                gpus.append((place, GPU(_text(entry["name"], "name"), **quantities)))
                continue
            count = _count(entry["count"], MAX_GPUS - len(gpus))
            first = GPU(f"gpu{expanded}", **quantities)
        except InputError as error:
            raise error.within(place=place) from None
        gpus.extend(
            (place, GPU(f"gpu{index}", first.memory, first.reserved))
            for index in range(expanded, expanded + count)
        )
        expanded += count
    return _unique(gpus)


def _count(value: Tree, most: int) -> int:
    count = to_fraction(_number(value, "count"), "count")
    if count.denominator != 1 or not 1 <= count <= most:
        allowed = f"a whole number of at least 1, with at most {MAX_GPUS} GPUs in all"
        raise InputError(f"count {shown(value)} is not {allowed}", place="count")
    return int(count)


# -- models --------------------------------------------------------------------------


def _model(tree: Tree, place: str) -> LLM:
    record = _mapping(tree, place)
    check_model_keys(record.keys(), place)
    names = {key: key for key in _MODEL_KEYS}
    if "model_name" in record or "model_size" in record or "cur_gpu_id" in record:
        names = {ours: theirs for theirs, ours in _BENCHMARK_KEYS.items() if ours}
    try:
        _require(record, names["name"], names["size"])
        if "pressure" in record and ("req_rate" in record or "slo" in record):
            raise InputError("give either req_rate and slo, or pressure", place="pressure")
        ours = {key: record[name] for key, name in names.items() if name in record}
        name = _text(ours["name"], "name")
        return LLM(name, **_numbers(ours, ("size", "req_rate", "slo", "pressure")))
    except InputError as error:
        inner = names.get(error.place, error.place)
        raise InputError(error.message, place=f"{place}.{inner}" if inner else place) from None


# -- values --------------------------------------------------------------------------


def _require(record: Mapping[str, Tree], *keys: str) -> None:
    for key in keys:
        if key not in record:
            raise InputError(f"no key {key!r}")


def _numbers(record: Mapping[str, Tree], keys: tuple[str, ...]) -> dict[str, str]:
    """Those of the keys that the record has, with their numbers, still as text."""
    return {key: _number(record[key], key) for key in keys if key in record}


def _number(value: Tree, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{what} {shown(value)} is not a number", place=what)
    if len(value) > _LONGEST_NUMBER:
        allowed = f"a number of at most {MAX_DIGITS} digits"
        raise InputError(f"{what} {shown(value)} is not {allowed}", place=what)
    return value


def _text(value: Tree, what: str) -> str:
    if isinstance(value, NumberText) or not isinstance(value, str) or not value.strip():
        raise InputError(f"{what} {shown(value)} is not a non-empty text in quotes", place=what)
    if _SURROGATE.search(value):
        raise InputError(f"{what} {shown(value)} has half of a surrogate pair", place=what)
    return value


def _list(tree: Tree, place: str) -> list[Tree]:
    if not isinstance(tree, list):
        raise InputError(f"{shown(tree)} is not a list", place=place)
    return tree


def _mapping(tree: Tree, place: str) -> dict[str, Tree]:
    if not isinstance(tree, dict):
        raise InputError(f"{shown(tree)} is not a mapping", place=place)
    return tree


def _unique(placed: Iterable[tuple[str, _Named]]) -> list[_Named]:
    """The GPUs or models in their order, refusing a name that another has."""
    places: dict[str, str] = {}
    values = []
    for place, value in placed:
        if value.name in places:
            raise InputError(
                f"name {shown(value.name)} is taken by {places[value.name]} already", place=place
            )
        places[value.name] = place
        values.append(value)
    return values
