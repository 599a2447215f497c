"""Reading a fleet, whatever its format."""

from __future__ import annotations

import os
from pathlib import Path

from kvpr_opt.errors import InputError
from kvpr_opt.files.csv_fleet import csv_fleet, looks_like_csv
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.records import identical_gpus
from kvpr_opt.files.schema import fleet
from kvpr_opt.files.source import Format, format_of, label, read_text
from kvpr_opt.files.tree import Tree
from kvpr_opt.files.yaml_tree import yaml_tree
from kvpr_opt.problem.instance import Instance, Number

_NO_GPUS = "a CSV file lists models only; give number and memory of the GPUs"


def read_instance(
    path: str | os.PathLike[str], *, gpus: int | None = None, memory: Number | None = None
) -> Instance:
    """Read a fleet from a file.

    Parameters
    ----------
    path
        A ``.json``, ``.yaml``, ``.yml`` or ``.csv`` file; ``-`` for any of these from
        standard input.
    gpus, memory
        Number and memory of the GPUs, for a file that has only models: CSV, or
        JSON or YAML without ``gpus``.

    Raises
    ------
    InputError
        If the file cannot be read or is not a fleet; the error names the file,
        the place in it, the value and what is allowed.
    """
    source = label(path)
    if (gpus is None) != (memory is None):
        raise InputError("number and memory of the GPUs must be given together")
    given = None if gpus is None or memory is None else identical_gpus(gpus, memory)
    file_format = format_of(path)
    if file_format == "csv" and given is None:
        raise InputError(_NO_GPUS, source=source)
    text = read_text(path)
    # Of standard input, "-", it is the current folder.
    base = Path(path).parent
    try:
        if file_format == "csv" or (file_format == "stream" and looks_like_csv(text)):
            if given is None:
                raise InputError(_NO_GPUS)
            return csv_fleet(text, given, base)
        return fleet(_tree(text, file_format), given, base)
    except InputError as error:
        raise error.within(source=source) from None


def _tree(text: str, file_format: Format) -> Tree:
    if file_format == "json":
        return json_tree(text)
    if file_format == "stream" and text.lstrip().startswith(("{", "[")):
        try:
            return json_tree(text)
        except InputError:
            return yaml_tree(text)  # whose lists and mappings may open like that, too
    return yaml_tree(text)
