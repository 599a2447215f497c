"""GPUs of one machine, as ``nvidia-smi`` lists them.

The vendor's manual does not promise a stable output format, so every value is checked and
nothing is skipped. ``nvml.py`` queries the underlying library instead. An additional column
``memory.free`` is used if present: it accounts for the few hundred MiB that the driver keeps.
"""

from __future__ import annotations

import csv
import io
import re

from kvpr_opt.errors import InputError
from kvpr_opt.integrations.records import GPURecord

NAME = "CSV of nvidia-smi"

#: The command whose output is read.
COMMAND = "nvidia-smi --query-gpu=index,uuid,name,memory.total,memory.used --format=csv"

_NEEDED = ("index", "uuid", "name", "memory.total", "memory.used")
_MIB = re.compile(r"(\d+)(?: MiB)?", re.ASCII)
_UUID = re.compile(r"(?:GPU|MIG)-[0-9A-Za-z/-]+")


def recognises(text: str) -> bool:
    """Whether the first line is an ``nvidia-smi`` header, even with columns missing."""
    head = text.lstrip().partition("\n")[0]
    return "memory.total" in head or "memory.used" in head or head.startswith(("0, GPU-", "index"))


def gpus(text: str, node: str) -> tuple[GPURecord, ...]:
    """The GPUs of the table, named ``NODE-INDEX``; memory already in use is reserved."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text), skipinitialspace=True) if row]
    except csv.Error as error:
        raise InputError(f"not CSV: {error}") from None
    if not rows:
        raise InputError(f"empty; it is the output of: {COMMAND}")
    columns = {cell.split(" [")[0].strip(): place for place, cell in enumerate(rows[0])}
    missing = [column for column in _NEEDED if column not in columns]
    if missing:
        raise InputError(f"no column {missing[0]!r}; it is the output of: {COMMAND}", place="row 1")
    found: list[GPURecord] = []
    for number, row in enumerate(rows[1:], start=2):
        place = f"row {number}"
        if len(row) != len(rows[0]):
            raise InputError(
                f"{len(row)} values, the header has {len(rows[0])} columns", place=place
            )
        values = {column: row[columns[column]].strip() for column in columns}
        found.append(_gpu(values, place, node))
    if not found:
        raise InputError("no GPU in it; nvidia-smi found none")
    for index, record in enumerate(found):
        if any(record.uuid == other.uuid for other in found[:index]):
            raise InputError(f"duplicate uuid {record.uuid}", place=f"row {index + 2}")
    return tuple(found)


def _gpu(values: dict[str, str], place: str, node: str) -> GPURecord:
    if values.get("mig.mode.current") == "Enabled":
        raise InputError(
            "this GPU is divided into MIG devices, which this table does not list", place=place
        )
    if not re.fullmatch(r"\d{1,4}", values["index"], re.ASCII):
        raise InputError(f"{values['index']!r} is not a number", place=f"{place}: index")
    if not _UUID.fullmatch(values["uuid"]):
        raise InputError(f"{values['uuid']!r} is not GPU-...", place=f"{place}: uuid")
    total = _bytes(values, "memory.total", place)
    used = _bytes(values, "memory.used", place)
    what = "memory.used is reserved"
    if "memory.free" in values:
        # Less than total minus used: the driver keeps some for itself.
        used, what = total - _bytes(values, "memory.free", place), "all but memory.free is reserved"
    if not 0 <= used <= total or not total:
        raise InputError("more memory is used or free than there is", place=place)
    index = int(values["index"])
    return GPURecord(
        name=f"{node}-{index}",
        memory=total,
        reserved=used,
        node=node,
        index=index,
        uuid=values["uuid"],
        labels=(label_of(values["name"]),),
        origin=f"nvidia-smi: {values['name']}, {what}",
    )


def _bytes(values: dict[str, str], column: str, place: str) -> int:
    match = _MIB.fullmatch(values[column])
    if not match:
        raise InputError(
            f"{values[column]!r} is not a whole number of MiB, such as '81559 MiB'",
            place=f"{place}: {column}",
        )
    return int(match[1]) << 20


def label_of(product: str) -> str:
    """The product name as a label, without the vendor and without spaces."""
    words = product.replace("NVIDIA", "").split()
    return re.sub(r"[^A-Za-z0-9.-]+", "-", "-".join(words)).strip("-") or "gpu"
