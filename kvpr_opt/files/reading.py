"""Reading a fleet, whatever its format."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kvpr_opt.errors import InputError
from kvpr_opt.files.csv_table import csv_table
from kvpr_opt.files.fleet_unit import fleet_unit
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.model_folders import with_folders
from kvpr_opt.files.records import MODEL_LISTS, check_model_keys, identical_gpus, models
from kvpr_opt.files.schema import fleet
from kvpr_opt.files.source import Format, format_of, label, read_text
from kvpr_opt.files.tree import Tree
from kvpr_opt.files.yaml_tree import yaml_tree
from kvpr_opt.problem.instance import GPU, Instance, Number


def read_instance(
    path: str | os.PathLike[str], *, gpus: int | None = None, memory: Number | None = None
) -> Instance:
    """Read a fleet from a file.

    Parameters
    ----------
    path
        A ``.json``, ``.yaml``, ``.yml`` or ``.csv`` file; ``-`` for JSON or YAML
        from standard input.
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
        raise InputError("number and memory of the GPUs go together, one alone is not enough")
    given = None if gpus is None or memory is None else identical_gpus(gpus, memory)
    file_format = format_of(path)
    if file_format == "csv" and given is None:
        raise InputError(
            "a CSV file has models only; give number and memory of the GPUs", source=source
        )
    text = read_text(path)
    # Of standard input, "-", it is the current folder.
    base = Path(path).parent
    try:
        if file_format == "csv":
            return _csv_fleet(text, given or [], base)
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


def _csv_fleet(text: str, gpus: list[GPU], base: Path) -> Instance:
    table = csv_table(text)
    check_model_keys(table.columns, "header")
    rows = with_folders(
        [(f"row {number}", _csv_record(values)) for number, values in table.rows], base
    )
    unit = fleet_unit(None, [], rows, plain_gpus=True)
    made = models(rows, unit)
    try:
        return Instance(gpus, made, unit)
    except InputError as error:
        place = re.sub(r"^models\[(\d+)\]", lambda match: rows[int(match[1])][0], error.place)
        raise InputError(error.message, place=place) from None


def _csv_record(values: dict[str, str]) -> Tree:
    """A row as a record; several names in one cell are separated by semicolons."""
    record: dict[str, Tree] = dict(values)
    for key in MODEL_LISTS:
        if key in values:
            record[key] = [name.strip() for name in values[key].split(";")]
    return record
