"""The fleet file that an import writes: YAML, with the origin of each number beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.integrations.records import GPURecord
from kvpr_opt.problem.exact import decimal_text

_GB = 10**9
_MIB = 1 << 20

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


@dataclass(frozen=True)
class FleetEntry:
    """One key of a model: its value as written, and its origin."""

    key: str
    value: str
    origin: str


def fleet_text(
    header: Sequence[str], gpus: Sequence[GPURecord], models: Sequence[Sequence[FleetEntry]]
) -> str:
    """The text of the fleet file.

    Parameters
    ----------
    header
        Comment lines for its top.
    gpus
        Left out of the file if there are none.
    models
        The keys of each model in order, the name first.
    """
    lines = [*(f"# {_one_line(line)}" for line in header), "unit: GB"]
    if gpus:
        lines.append("gpus:")
    before = ""
    for gpu in gpus:
        if gpu.origin != before:
            lines.append(f"  # {_one_line(gpu.origin)}")
            before = gpu.origin
        lines.append(f"  - {_gpu(gpu)}")
    lines.append("models:" if models else "models: []")
    for entries in models:
        lines += _model(entries)
    return "\n".join(lines) + "\n"


def text_value(text: str) -> str:
    """A text as YAML."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    # JSON strings are valid YAML as long as they are pure ASCII.
    return json.dumps(text)


def gigabytes(size: int | Fraction) -> str:
    """An amount in bytes as an exact number of GB."""
    return decimal_text(Fraction(size) / _GB)


def number_value(number: Fraction) -> str:
    """A number as YAML; a fraction needs quotes."""
    text = decimal_text(number)
    return f'"{text}"' if "/" in text else text


def _gpu(gpu: GPURecord) -> str:
    pairs = [("name", text_value(gpu.name)), ("memory", _memory(gpu.memory))]
    if gpu.reserved:
        pairs.append(("reserved", _memory(gpu.reserved)))
    if gpu.node is not None:
        pairs.append(("node", text_value(gpu.node)))
    if gpu.index is not None:
        pairs.append(("index", str(gpu.index)))
    if gpu.uuid is not None:
        pairs.append(("uuid", text_value(gpu.uuid)))
    if gpu.labels:
        pairs.append(("labels", f"[{', '.join(map(text_value, gpu.labels))}]"))
    return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"


def _memory(size: int) -> str:
    return f"{size // _MIB}MiB" if size % _MIB == 0 else f"{size}bytes"


def _model(entries: Sequence[FleetEntry]) -> list[str]:
    lines = []
    width = max(len(entry.key) + len(entry.value) for entry in entries)
    for number, entry in enumerate(entries):
        dash = "  - " if number == 0 else "    "
        gap = " " * (width - len(entry.key) - len(entry.value) + 2)
        lines.append(f"{dash}{entry.key}: {entry.value}{gap}# {_one_line(entry.origin)}")
    return lines


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
