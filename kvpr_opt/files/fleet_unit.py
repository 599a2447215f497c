"""The unit in which a fleet file counts memory: said, or read off its amounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import Tree, shown
from kvpr_opt.problem.gpu import GPU_MEMORY_MIB
from kvpr_opt.problem.units import read_amount

#: Keys whose values are amounts of memory.
GPU_AMOUNTS = ("memory", "reserved")
MODEL_AMOUNTS = ("size", "overhead", "kv_floor", "kv_demand", "model_size")

#: What plain amounts and suffixes count where every amount has a suffix, but not the same one.
_DEFAULT = "GB"


def fleet_unit(
    said: str | None,
    gpus: Iterable[tuple[str, Tree]],
    models: Iterable[tuple[str, Tree]],
    *,
    plain_gpus: bool = False,
) -> str | None:
    """The unit of a fleet; ``None`` where all its amounts are plain.

    Parameters
    ----------
    said
        What the file says, if anything.
    gpus, models
        The records, each with its place.
    plain_gpus
        Whether plain amounts are given beside the file.

    Raises
    ------
    InputError
        If plain amounts and amounts with a suffix are mixed, and the file does not say
        what the plain ones count.
    """
    if said is not None:
        return said
    plain = "memory, as given beside the file," if plain_gpus else ""
    place, suffixed, units = "", "", set()
    for at, key, value in [*_amounts(gpus, GPU_AMOUNTS), *_amounts(models, MODEL_AMOUNTS)]:
        unit = _unit_of(key, value)
        if unit:
            suffixed = suffixed or f"{key} {shown(value)} of {at}"
            units.add(unit)
        elif unit is None and not plain:
            plain, place = f"{key} {shown(value)}", f"{at}.{key}"
    if plain and suffixed:
        raise InputError(
            f"{plain} has no unit, {suffixed} has one; give all a unit, or the file the key "
            "unit, which says what plain numbers count",
            place=place,
        )
    if not units:
        return None
    return units.pop() if len(units) == 1 else _DEFAULT


def _amounts(
    records: Iterable[tuple[str, Tree]], keys: tuple[str, ...]
) -> Iterator[tuple[str, str, Tree]]:
    for place, record in records:
        if not isinstance(record, Mapping):
            continue
        if keys is GPU_AMOUNTS and "memory" not in record:
            kind = record.get("type")
            if isinstance(kind, str) and kind in GPU_MEMORY_MIB:
                yield place, "type", kind
        for key in keys:
            if key in record:
                yield place, key, record[key]


def _unit_of(key: str, value: Tree) -> str | None:
    """The unit of an amount; empty where it goes with every unit, ``None`` where it has none.

    Anything else is refused later, with its place.
    """
    if key == "type":
        return "MiB"
    if not isinstance(value, str) or len(value) > 400 or value.rstrip().endswith("%"):
        return ""
    try:
        amount = read_amount(value, key)
    except InputError:
        return ""
    if amount.unit is None and amount.number == Fraction(0):
        return ""
    return amount.unit
