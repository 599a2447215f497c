"""The file that says what a study runs. It is checked as a whole before anything runs.

``docs/study_format.md`` describes it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kvpr_opt.errors import InputError
from kvpr_opt.files.source import STANDARD_STREAM, label, read_text
from kvpr_opt.study.runs import Run
from kvpr_opt.study.spec.cells import members, seed_list
from kvpr_opt.study.spec.methods import read_methods
from kvpr_opt.study.spec.values import check_keys, refused, table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: A study of more runs is taken for a mistake and refused.
MAX_RUNS = 1_000_000

_TOP_KEYS = ("output", "seeds", "time_limit", "threads", "methods", "certificates", "cells")


@dataclass(frozen=True)
class Spec:
    """A study to run.

    Attributes
    ----------
    output
        Folder of the record; empty if the file names none.
    runs
        Every run, in order: cell by cell, seed by seed, and on each fleet the
        methods one after the other, so that they meet the same state of the machine.
    text
        The file as it was read.
    """

    output: str
    runs: tuple[Run, ...]
    text: str


def read_spec(path: str | os.PathLike[str]) -> Spec:
    """Read and check a study.

    Parameters
    ----------
    path
        A TOML file; ``-`` for standard input.

    Raises
    ------
    InputError
        If it is not as ``docs/study_format.md`` has it; the error names the file, the
        place in it, the value and what is allowed.
    """
    source = label(path)
    text = read_text(path)
    folder = "" if os.fspath(path) == STANDARD_STREAM else os.path.dirname(path)
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise InputError("nested too deeply", source=source) from None
    except ValueError as error:  # also for numbers of thousands of digits
        raise InputError(f"not TOML: {error}", source=source) from None
    try:
        return _spec(tree, text, os.fspath(folder))
    except InputError as error:
        raise error.within(source=source) from None


def _spec(tree: Mapping[str, Any], text: str, folder: str) -> Spec:
    check_keys(tree, _TOP_KEYS)
    output = tree.get("output", "")
    if not isinstance(output, str):
        raise refused(output, "the path of a folder", "output")
    if not isinstance(tree.get("cells"), list) or not tree["cells"]:
        raise InputError("a study needs at least one table [[cells]]", place="cells")
    seeds = seed_list(tree["seeds"], "seeds") if "seeds" in tree else None
    keep = tree.get("certificates", False)
    if not isinstance(keep, bool):
        raise refused(keep, "true or false", "certificates")
    runs: list[Run] = []
    where: dict[str, str] = {}
    for index, entry in enumerate(tree["cells"]):
        place = f"cells[{index}]"
        for run in _runs(table(entry, place), tree, seeds, folder, place):
            if run.key in where:
                raise InputError(f"duplicate run: {run} is also in {where[run.key]}", place=place)
            where[run.key] = place
            runs.append(replace(run, keep_certificate=keep))
            if len(runs) > MAX_RUNS:
                raise InputError(f"more than {MAX_RUNS} runs", place=place)
    return Spec(output, tuple(runs), text)


def _runs(
    entry: Mapping[str, Any],
    top: Mapping[str, Any],
    seeds: list[int] | None,
    folder: str,
    place: str,
) -> Iterator[Run]:
    """The runs of one cell."""
    fleets = {key: value for key, value in entry.items() if key != "methods"}
    try:
        found = members(fleets, seeds, folder)
    except InputError as error:
        raise error.within(place=place) from None
    if "methods" in entry:
        methods = read_methods(entry["methods"], f"{place}.methods", top, folder)
    elif "methods" in top:
        methods = read_methods(top["methods"], "methods", top, folder)
    else:
        raise InputError("missing key 'methods', here or at the top of the file", place=place)
    return (Run(cell, seed, method) for cell, seed in found for method in methods)
