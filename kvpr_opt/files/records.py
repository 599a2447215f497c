"""Records of a fleet file: from mappings of text to GPUs and models.

The quantities check themselves (:class:`GPU`, :class:`LLM`); here are the keys, the other
names that the public benchmark has for them, and the place of everything, so that an error
can name it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from kvpr_opt.errors import InputError
from kvpr_opt.files import model_folders, values
from kvpr_opt.files.tree import Tree, shown
from kvpr_opt.problem.exact import to_fraction, whole_number
from kvpr_opt.problem.instance import GPU, LLM, Number
from kvpr_opt.problem.records import BENCHMARK_KEYS

#: More GPUs than this are taken for a slip of the hand.
MAX_GPUS = 100_000

_GPU_NUMBERS = ("memory", "reserved", "index")
_GPU_TEXTS = ("node", "uuid", "type")
GPU_KEYS = ("name", "count", "memory", "reserved", "node", "labels", "uuid", "index", "type")

MODEL_NUMBERS = (
    "size", "req_rate", "slo", "pressure", "overhead", "kv_floor", "kv_demand", "token_rate",
    "kv_bytes_per_token", "tpot_slo", "count", "replicas", "shards", "kv_heads", "kv_share",
    "move_cost",
)  # fmt: skip
_MODEL_TEXTS = ("spread",)

#: Keys of models with a name or a list of names.
MODEL_LISTS = ("pin", "only", "never", "apart", "current")
MODEL_KEYS = ("name", *MODEL_NUMBERS, *_MODEL_TEXTS, *MODEL_LISTS, model_folders.KEY)


def models(records: Iterable[tuple[str, Tree]], unit: str | None = None) -> list[LLM]:
    """The models of records, each with its place in the file."""
    return values.unique((place, _model(record, place, unit)) for place, record in records)


def identical_gpus(count: int, memory: Number) -> list[GPU]:
    """GPUs ``gpu0``, ``gpu1``, ... of one memory, as given beside a file of models."""
    number = whole_number("gpus", count, 1, MAX_GPUS)
    first = GPU("gpu0", memory)
    return [first, *(GPU(f"gpu{index}", first.memory) for index in range(1, number))]


def check_model_keys(keys: Collection[str], place: str) -> None:
    """Refuse keys that a model does not have, and the two ways of writing one mixed."""
    own_to_benchmark = [key for key in keys if key in BENCHMARK_KEYS and key not in MODEL_KEYS]
    if not own_to_benchmark:
        values.check_keys(keys, MODEL_KEYS, place)
        return
    native = [key for key in keys if key in MODEL_KEYS and key not in BENCHMARK_KEYS]
    if native:
        raise InputError(
            f"key {native[0]!r} beside {own_to_benchmark[0]!r}: "
            f"either {', '.join(MODEL_KEYS)} or {', '.join(BENCHMARK_KEYS)}",
            place=f"{place}.{native[0]}",
        )
    values.check_keys(keys, tuple(BENCHMARK_KEYS), place)


def gpus(tree: Tree, unit: str | None = None) -> list[GPU]:
    """The GPUs, every ``count`` expanded; the expanded ones are numbered in one sequence."""
    entries = [
        (f"gpus[{index}]", values.as_mapping(entry, f"gpus[{index}]"))
        for index, entry in enumerate(values.as_list(tree, "gpus"))
    ]
    made: list[tuple[str, GPU]] = []
    expanded = 0
    for place, entry in entries:
        values.check_keys(entry, GPU_KEYS, place)
        try:
            count = _gpu_count(entry, MAX_GPUS - len(made))
            name = values.text(entry["name"], "name") if count is None else f"gpu{expanded}"
            first = _gpu(entry, name, unit)
        except InputError as error:
            raise error.within(place=place) from None
        if count is None:
            made.append((place, first))
            continue
        made.extend(
            (place, replace(first, name=f"gpu{index}"))
            for index in range(expanded, expanded + count)
        )
        expanded += count
    return values.unique(made)


def _gpu_count(entry: dict[str, Tree], most: int) -> int | None:
    """How many GPUs an entry stands for; ``None`` for one with a name."""
    if ("name" in entry) == ("count" in entry):
        raise InputError("a GPU needs either a name or a count")
    if "name" in entry:
        return None
    for key in ("uuid", "index"):
        if key in entry:
            raise InputError(f"{key} requires a name, as it differs between GPUs", place=key)
    value = entry["count"]
    count = to_fraction(values.number(value, "count"), "count")
    if count.denominator != 1 or not 1 <= count <= most:
        allowed = f"a whole number of at least 1, with at most {MAX_GPUS} GPUs in all"
        raise InputError(f"count {shown(value)} is not {allowed}", place="count")
    return int(count)


def _gpu(entry: dict[str, Tree], name: str, unit: str | None) -> GPU:
    if "type" not in entry:
        values.require(entry, "memory")
    return GPU(
        name,
        **values.numbers(entry, _GPU_NUMBERS),
        **values.texts(entry, _GPU_TEXTS),
        **values.name_lists(entry, ("labels",)),  # type: ignore[arg-type]
        unit=unit,
    )


def _model(tree: Tree, place: str, unit: str | None) -> LLM:
    record = values.as_mapping(tree, place)
    check_model_keys(record.keys(), place)
    names = {key: key for key in MODEL_KEYS}
    if "model_name" in record or "model_size" in record or "cur_gpu_id" in record:
        names = {ours: theirs for theirs, ours in BENCHMARK_KEYS.items() if ours}
    try:
        values.require(record, names["name"], names["size"])
        if "pressure" in record and ("req_rate" in record or "slo" in record):
            raise InputError("give either req_rate and slo, or pressure", place="pressure")
        ours = {key: record[name] for key, name in names.items() if name in record}
        return LLM(
            values.text(ours["name"], "name"),
            **values.numbers(ours, MODEL_NUMBERS),  # type: ignore[arg-type]
            **values.texts(ours, _MODEL_TEXTS),  # type: ignore[arg-type]
            **values.name_lists(ours, MODEL_LISTS),  # type: ignore[arg-type]
            unit=unit,
        )
    except InputError as error:
        inner = names.get(error.place, error.place)
        raise InputError(error.message, place=f"{place}.{inner}" if inner else place) from None
