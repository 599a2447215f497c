"""The key ``hf`` of a model: a folder with ``config.json`` that says what the model takes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kvpr_opt.errors import InputError
from kvpr_opt.files import values
from kvpr_opt.files.tree import Tree

#: The key.
KEY = "hf"


def with_folders(records: Iterable[tuple[str, Tree]], base: Path) -> list[tuple[str, Tree]]:
    """Models with what their folders say in place of the key; what is given by hand wins.

    Parameters
    ----------
    records
        Models as mappings, each with its place in the file.
    base
        The folder that relative paths start from: that of the fleet file.

    Raises
    ------
    InputError
        If a folder cannot be read as a model.
    """
    return [(place, _with_folder(record, place, base)) for place, record in records]


def _with_folder(record: Tree, place: str, base: Path) -> Tree:
    if not isinstance(record, dict) or KEY not in record:
        return record
    # Few fleets have such a folder: they alone import what reads it.
    from kvpr_opt.files.checkpoints.folder import read_checkpoint

    where = f"{place}.{KEY}"
    try:
        model = read_checkpoint(base / values.text(record[KEY], KEY))
    except InputError as error:
        raise InputError(str(error), place=where) from None
    cache = model.kv_cache
    # Latent attention has no heads to divide: every shard keeps all of it.
    said = {"size": f"{model.weights}bytes", "kv_heads": str(cache.kv_heads or 1)}
    if "token_rate" in record:
        said["kv_bytes_per_token"] = str(cache.full + cache.sliding)
    if "kv_share" in record:
        del said["kv_heads"]
    return {**said, **{key: value for key, value in record.items() if key != KEY}}
