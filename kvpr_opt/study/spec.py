"""The file that says what a study runs. It is checked as a whole before anything runs.

A study is a list of cells; each is a family of fleets at one size, its seeds,
and the methods that solve every one of them (TOML)::

    output = "engine"            # folder of the record, from where the command is called
    seeds = "0-9"                # for every cell without its own; also a list
    time_limit = 60              # for every method without its own; seconds or "none"
    threads = 2                  # likewise; all cores if left out
    methods = ["auto"]           # for every cell without its own

    [[cells]]
    family = "long-tail"
    gpus = 16
    models = 64
    options = { skew = "0.5" }
    methods = ["auto", { name = "auto", time_limit = 5, skip = ["polish"] }]

    [[cells]]
    family = "prism"             # its fleets are fixed: the seeds are its cases
    seeds = "0-49"
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.exact import decimal_text, to_fraction
from kvpr_opt.files.source import label, read_text
from kvpr_opt.generate import FAMILIES
from kvpr_opt.solve import check_method, check_stages
from kvpr_opt.study.runs import PRISM, Cell, Method, Run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: More runs than this are taken for a slip of the hand.
MOST_RUNS = 1_000_000

_TOP_KEYS = ("output", "seeds", "time_limit", "threads", "methods", "cells")
_CELL_KEYS = ("family", "gpus", "models", "options", "seeds", "methods")
_METHOD_KEYS = ("name", "time_limit", "threads", "gap", "seed", "skip")
_OPTIONS = ("skew",)

_RANGE = re.compile(r"\s*(\d{1,10})\s*-\s*(\d{1,10})\s*", re.ASCII)


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
        For anything that is not as the description of this module has it; the
        error names the file, the place in it, the value and what is allowed.
    """
    source = label(path)
    text = read_text(path)
    try:
        return _spec(tomllib.loads(text), text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}", source=source) from None
    except RecursionError:
        raise InputError("nested too deeply", source=source) from None
    except InputError as error:
        raise error.within(source=source) from None


def _spec(tree: Mapping[str, Any], text: str) -> Spec:
    _check_keys(tree, _TOP_KEYS)
    output = tree.get("output", "")
    if not isinstance(output, str):
        raise _refused(output, "the path of a folder", "output")
    if not isinstance(tree.get("cells"), list) or not tree["cells"]:
        raise InputError("a study is a list of [[cells]], at least one", place="cells")
    runs: list[Run] = []
    where: dict[str, str] = {}
    for index, entry in enumerate(tree["cells"]):
        place = f"cells[{index}]"
        for run in _runs(_table(entry, place), tree, place):
            if run.key in where:
                raise InputError(f"{run} is in {where[run.key]} already", place=place)
            where[run.key] = place
            runs.append(run)
            if len(runs) > MOST_RUNS:
                raise InputError(f"more than {MOST_RUNS} runs", place=place)
    return Spec(output, tuple(runs), text)


def _runs(entry: Mapping[str, Any], top: Mapping[str, Any], place: str) -> Iterator[Run]:
    """The runs of one cell."""
    _check_keys(entry, _CELL_KEYS, place)
    cell = _cell(entry, place)
    seeds = _seeds(*_own_or_common("seeds", entry, top, place))
    methods = list(_methods(*_own_or_common("methods", entry, top, place), top))
    try:
        # Drawn once, so that a cell which its family refuses is refused here.
        cell.fleet(seeds[0])
        if cell.family == PRISM:
            cell.fleet(max(seeds))
    except InputError as error:
        raise error.within(place=place) from None
    return (Run(cell, seed, method) for seed in seeds for method in methods)


def _own_or_common(
    key: str, entry: Mapping[str, Any], top: Mapping[str, Any], place: str
) -> tuple[Any, str]:
    if key in entry:
        return entry[key], f"{place}.{key}"
    if key in top:
        return top[key], key
    raise InputError(f"no key {key!r}, neither here nor at the top of the file", place=place)


def _cell(entry: Mapping[str, Any], place: str) -> Cell:
    family = entry.get("family")
    known = (PRISM, *FAMILIES)
    if not isinstance(family, str) or family not in known:
        hint = nearest(family, known) if isinstance(family, str) else ""
        raise InputError(
            f"no family {family!r}{hint}; known: {', '.join(known)}", place=f"{place}.family"
        )
    sized = [key for key in ("gpus", "models", "options") if key in entry]
    if family == PRISM:
        if sized:
            raise InputError("the fleets of prism are fixed", place=f"{place}.{sized[0]}")
        return Cell(PRISM)
    options = _table(entry.get("options", {}), f"{place}.options")
    _check_keys(options, _OPTIONS, f"{place}.options")
    return Cell(
        family,
        gpus=_whole(entry.get("gpus"), f"{place}.gpus", least=1),
        models=_whole(entry.get("models"), f"{place}.models", least=0),
        options=tuple(
            (name, _exact_text(value, name, f"{place}.options"))
            for name, value in sorted(options.items())
        ),
    )


def _seeds(value: Any, place: str) -> list[int]:
    """The seeds of a list, or of a range such as "0-9", both ends included."""
    match = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        first, last = int(match[1]), int(match[2])
        if first <= last < first + MOST_RUNS:
            return list(range(first, last + 1))
    elif isinstance(value, list) and value:
        seeds = [_whole(seed, f"{place}[{index}]", least=0) for index, seed in enumerate(value)]
        if len(set(seeds)) < len(seeds):
            raise InputError("a seed is there twice", place=place)
        return seeds
    raise _refused(value, "a list of whole numbers or a range such as '0-9'", place)


def _methods(value: Any, place: str, top: Mapping[str, Any]) -> Iterator[Method]:
    if not isinstance(value, list) or not value:
        raise _refused(value, "a list of methods, at least one", place)
    for index, entry in enumerate(value):
        here = f"{place}[{index}]"
        try:
            table = {"name": entry} if isinstance(entry, str) else _table(entry, "")
            yield _method(table, top)
        except InputError as error:
            raise error.within(place=here) from None


def _method(table: Mapping[str, Any], top: Mapping[str, Any]) -> Method:
    _check_keys(table, _METHOD_KEYS)
    name = table.get("name")
    if not isinstance(name, str):
        raise _refused(name, "the name of a method", "name")
    check_method(name)
    skip = table.get("skip", [])
    if not isinstance(skip, list) or not all(isinstance(stage, str) for stage in skip):
        raise _refused(skip, "a list of stages", "skip")
    gap = to_fraction(_exact_text(table.get("gap", 0), "gap", ""), "gap")
    if not 0 <= gap < 1:
        raise _refused(table["gap"], "at least 0 and below 1", "gap")
    threads = table.get("threads", top.get("threads"))
    limit = table.get("time_limit", top.get("time_limit"))
    if limit is None:
        raise InputError("no time limit, neither here nor at the top of the file", place=name)
    return Method(
        name=name,
        time_limit=_seconds(limit),
        threads=None if threads is None else _whole(threads, "threads", least=1),
        gap=decimal_text(gap),
        seed=_whole(table.get("seed", 0), "seed", least=0),
        skip=tuple(sorted(check_stages(skip))),
    )


def _seconds(value: Any) -> float | None:
    if value == "none":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _refused(value, "a number of seconds above 0, or 'none'", "time_limit")
    return float(value)


def _whole(value: Any, place: str, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
        allowed = f"a whole number of at least {least}"
        raise InputError("missing" if value is None else f"{value!r} is not {allowed}", place=place)
    return value


def _exact_text(value: Any, name: str, place: str) -> str:
    try:
        return decimal_text(to_fraction(value, name))
    except InputError as error:
        raise error.within(place=f"{place}.{name}" if place else name) from None


def _table(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _refused(value, "a table", place)
    return value


def _refused(value: object, allowed: str, place: str) -> InputError:
    return InputError(f"{value!r} is not {allowed}", place=place)


def _check_keys(keys: Iterable[str], known: tuple[str, ...], place: str = "") -> None:
    for key in keys:
        if key not in known:
            raise InputError(
                f"unknown key{nearest(key, known)}; known: {', '.join(known)}",
                place=f"{place}.{key}" if place else key,
            )
