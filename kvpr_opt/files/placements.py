"""Placements that exist, as files: a result, JSON ``{model: gpu}``, or CSV ``model,gpu``."""

from __future__ import annotations

import os
from collections.abc import Mapping

from kvpr_opt.errors import InputError
from kvpr_opt.files.csv_table import csv_table
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.results import read_result
from kvpr_opt.files.source import STANDARD_STREAM, label, read_text
from kvpr_opt.files.tree import shown
from kvpr_opt.problem.instance import Instance
from kvpr_opt.result import SCHEMA

# What CSV files call the two columns, in the order of preference.
_MODEL_COLUMNS, _GPU_COLUMNS = ("model", "name", "model_name"), ("gpu", "gpu_name", "current")


def read_placement(path: str | os.PathLike[str], instance: Instance) -> dict[str, str]:
    """Where the models of a fleet run, GPU name by model name, from a file.

    Parameters
    ----------
    path
        A result of ``solve --output``, a JSON object of names, or a CSV file with the columns
        ``model`` and ``gpu``; ``-`` for standard input.
    instance
        The fleet; a result has to be one of it.

    Raises
    ------
    InputError
        If the file cannot be read, has none of these forms, names a model twice, or is the
        result of another fleet or one without a placement.
    """
    source = label(path)
    text = read_text(path)
    try:
        if not text.lstrip().startswith("{"):
            return _from_csv(text)
        tree = json_tree(text)
        if isinstance(tree, Mapping) and tree.get("schema") == SCHEMA:
            return _from_result(path, instance)
        return _from_json(tree)
    except InputError as error:
        raise error if error.source else error.within(source=source) from None


def _from_result(path: str | os.PathLike[str], instance: Instance) -> dict[str, str]:
    if os.fspath(path) == STANDARD_STREAM:
        raise InputError("a result is read from a file, not from standard input")
    try:
        result = read_result(path, instance)
    except InputError as error:
        if error.place != "instance_sha256":
            raise
        raise InputError(
            "the result belongs to another fleet; if only the demand of the fleet has changed "
            "since, give its 'assignment' as a file of its own",
            place=error.place,
        ) from None
    if result.placement is None:
        raise InputError("the result has no placement", place="assignment")
    return dict(result.placement.assignment)


def _from_json(tree: object) -> dict[str, str]:
    if not isinstance(tree, Mapping):
        raise InputError("not an object of model and GPU names")
    for model, gpu in tree.items():
        if not isinstance(gpu, str):
            raise InputError(f"{shown(gpu)} is not the name of a GPU", place=str(model))
    return dict(tree)


def _from_csv(text: str) -> dict[str, str]:
    table = csv_table(text)
    columns = [
        next((name for name in known if name in table.columns), None)
        for known in (_MODEL_COLUMNS, _GPU_COLUMNS)
    ]
    model_column, gpu_column = columns
    if model_column is None or gpu_column is None:
        raise InputError(
            f"the columns {', '.join(table.columns)} are not those of a placement: model, gpu",
            place="header",
        )
    found: dict[str, str] = {}
    for number, values in table.rows:
        place = f"row {number}"
        if model_column not in values or gpu_column not in values:
            raise InputError("a model and its GPU are needed", place=place)
        model = values[model_column]
        if model in found:
            raise InputError(f"model {model!r} is placed twice", place=place)
        found[model] = values[gpu_column]
    return found
