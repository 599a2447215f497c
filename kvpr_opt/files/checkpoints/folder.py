"""A model on disk, in a folder as Hugging Face lays them out.

What its weights take is counted in its safetensors files, if they are there; otherwise it
is computed from ``config.json``. What its KV cache takes always comes from there, and only
for architectures that are known (``architectures.py``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kvpr_opt.errors import InputError
from kvpr_opt.files.checkpoints.architectures import Architecture, architecture_of
from kvpr_opt.files.checkpoints.kv_cache import KVCache
from kvpr_opt.files.checkpoints.parameters import weight_bytes
from kvpr_opt.files.checkpoints.safetensors import tensor_bytes
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.source import read_text
from kvpr_opt.files.tree import Tree
from kvpr_opt.files.values import as_mapping


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk, in bytes and tokens.

    Attributes
    ----------
    name
        Of its folder, or as given.
    folder
        Where it is.
    weights
        Bytes that its weights take once they are loaded.
    origin
        In a few words, where that number is from.
    kv_cache
        What its KV cache takes.
    max_tokens
        The longest sequence that its configuration allows, where it says so.
    """

    name: str
    folder: str
    weights: int
    origin: str
    kv_cache: KVCache
    max_tokens: int | None = None


CONFIG = "config.json"

# How the cache of Hugging Face names the folders of a model and of its versions.
_CACHED = re.compile(r"models--(?:.+?--)?(.+)")

#: Heads of the output that the file holds although the model uses its embedding for it.
_TIED = ("lm_head.weight", "model.lm_head.weight", "language_model.lm_head.weight")


def folders(given: str) -> list[tuple[str | None, Path]]:
    """The model folders that an argument means, each with the name it is given there.

    ``DIR`` is a model or a folder of models, ``NAME=DIR`` a model by another name.

    Raises
    ------
    InputError
        If it has no ``config.json``, and no folder in it has one.
    """
    name, equals, path = given.partition("=")
    if equals and name and os.sep not in name:
        return [(name, _with_config(Path(path)))]
    folder = Path(given)
    if (folder / CONFIG).is_file() or not folder.is_dir():
        return [(None, _with_config(folder))]
    inner = sorted(child for child in folder.iterdir() if (child / CONFIG).is_file())
    if not inner:
        raise InputError(f"no {CONFIG} in it, nor in a folder in it", source=given)
    return [(None, child) for child in inner]


def read_checkpoint(folder: Path, name: str | None = None) -> Checkpoint:
    """What a model takes, from its folder.

    Raises
    ------
    InputError
        If ``config.json`` is missing or no such file, the architecture is not known, or
        files that the index names are missing or cut off.
    """
    source = str(folder / CONFIG)
    try:
        config = as_mapping(json_tree(read_text(_with_config(folder) / CONFIG)), "")
        architecture = architecture_of(config)
        weights, origin = _weights(folder, config, architecture)
    except InputError as error:
        raise error if error.source else error.within(source=source) from None
    return Checkpoint(
        name=name_of(folder) if name is None else name,
        folder=str(folder),
        weights=weights,
        origin=origin,
        kv_cache=architecture.kv_cache,
        max_tokens=architecture.max_tokens,
    )


def _with_config(folder: Path) -> Path:
    if not folder.is_dir():
        raise InputError("no such folder", source=str(folder))
    if not (folder / CONFIG).is_file():
        raise InputError(f"no {CONFIG} in it", source=str(folder))
    return folder


def name_of(folder: Path) -> str:
    """The name of the model in a folder: that of the folder, or of the cache's."""
    path = folder.resolve()
    if path.parent.name == "snapshots":
        path = path.parent.parent
    cached = _CACHED.fullmatch(path.name)
    return cached[1] if cached else path.name


def _weights(folder: Path, config: dict[str, Tree], architecture: Architecture) -> tuple[int, str]:
    tensors = tensor_bytes(folder)
    if tensors is None:
        return weight_bytes(config, architecture), f"computed from {CONFIG}; no safetensors there"
    unused = _unused(tensors) if architecture.tied_embeddings else 0
    origin = "bytes of the tensors on disk"
    return sum(tensors.values()) - unused, origin + (", without the tied head" if unused else "")


def _unused(tensors: dict[str, int]) -> int:
    return sum(tensors[head] for head in _found(_TIED, tensors))


def _found(names: Iterable[str], tensors: dict[str, int]) -> list[str]:
    embeddings = any(name.endswith("embed_tokens.weight") for name in tensors)
    return [name for name in names if name in tensors and embeddings]
