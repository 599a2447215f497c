"""Bytes of the tensors in a folder, from the headers of its safetensors files.

The format (https://huggingface.co/docs/safetensors): eight bytes, the length of a JSON
header, the header with the place of each tensor, the tensors. Only headers are read.
"""

from __future__ import annotations

import os
from pathlib import Path

from kvpr_opt.errors import InputError
from kvpr_opt.files.fields import whole
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.source import read_text, refusal
from kvpr_opt.files.tree import Tree
from kvpr_opt.files.values import as_list, as_mapping

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

#: No header of a published model is near this.
MAX_HEADER = 64 << 20

_LENGTH = 8


def tensor_bytes(folder: Path) -> dict[str, int] | None:
    """Bytes by name of each tensor of the model in a folder; ``None`` without safetensors.

    Raises
    ------
    InputError
        If a file that the index names is missing, or a file is cut off or damaged.
    """
    index = folder / INDEX
    if index.is_file():
        names = _indexed(index)
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"names {missing[0]!r}, which is missing ({len(missing)} of {len(names)} files "
                "are)",
                source=str(index),
            )
        files = [folder / name for name in names]
    elif (folder / SINGLE).is_file():
        files = [folder / SINGLE]
    else:
        return None
    tensors: dict[str, int] = {}
    for file in files:
        try:
            tensors |= _header(file)
        except InputError as error:
            raise error.within(source=str(file)) from None
        except OSError as error:
            raise refusal(str(file), "read", error) from None
    return tensors


def _indexed(index: Path) -> list[str]:
    try:
        weight_map = as_mapping(
            as_mapping(json_tree(read_text(index)), "").get("weight_map", ""), "weight_map"
        )
        names = {_file_name(name, tensor) for tensor, name in weight_map.items()}
    except InputError as error:
        raise error.within(source=str(index)) from None
    return sorted(names)


def _file_name(name: Tree, tensor: str) -> str:
    if not isinstance(name, str) or name != os.path.basename(name) or not name:
        raise InputError(f"{name!r} is not the name of a file", place=f"weight_map.{tensor}")
    return name


def _header(file: Path) -> dict[str, int]:
    size = file.stat().st_size
    with open(file, "rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH), "little")
        if not 2 <= length <= min(MAX_HEADER, size - _LENGTH):
            raise InputError("not a safetensors file, or truncated within its header")
        try:
            text = stream.read(length).decode("utf-8")
        except UnicodeDecodeError:
            raise InputError("not a safetensors file: its header is not text") from None
    header = as_mapping(json_tree(text), "header")
    tensors, end = {}, 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        place = f"header.{name}.data_offsets"
        offsets = as_list(as_mapping(entry, f"header.{name}").get("data_offsets", ""), place)
        if len(offsets) != 2:
            raise InputError("not two numbers", place=place)
        first = whole(offsets[0], place)
        last = whole(offsets[1], place, least=first)
        tensors[name] = last - first
        end = max(end, last)
    if _LENGTH + length + end != size:
        raise InputError(
            f"has {size} bytes, but its header describes {_LENGTH + length + end}; a download "
            "that has not finished?"
        )
    return tensors
