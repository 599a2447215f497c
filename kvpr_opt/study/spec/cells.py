"""One cell of a study file: the fleets in it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from kvpr_opt.errors import InputError, check_known
from kvpr_opt.generate import FAMILIES
from kvpr_opt.study.spec.values import check_keys, exact_text, refused, table, texts, whole
from kvpr_opt.suites import catalogue
from kvpr_opt.suites.cells import PRISM, Cell, FixedFleet
from kvpr_opt.suites.pcmax import EMBEDDINGS
from kvpr_opt.suites.pcmax_files import SUFFIXES, read_instances, with_optima

#: A fleet of a cell: what it is drawn or taken from, and its seed.
Member = tuple[Cell | FixedFleet, int]

_Found = TypeVar("_Found")

_OPTIONS = ("skew",)
_MAX_SEEDS = 1_000_000
_RANGE = re.compile(r"\s*(\d{1,10})\s*-\s*(\d{1,10})\s*", re.ASCII)


def members(entry: Mapping[str, Any], common_seeds: list[int] | None, folder: str) -> list[Member]:
    """The fleets of a cell, in order.

    Parameters
    ----------
    entry
        The table of the cell, without its methods.
    common_seeds
        The seeds of a family without its own; ``None`` if the file has none.
    folder
        The folder that paths are relative to.

    Raises
    ------
    InputError
        If it is not a cell, or a fleet in it cannot be drawn or read; with the place
        within the cell.
    """
    kinds = [kind for kind in _KINDS if kind in entry]
    if len(kinds) > 1:
        raise InputError(f"a cell cannot have both {kinds[0]!r} and this", place=kinds[1])
    if not kinds:
        check_keys(entry, (*_KINDS, *_FAMILY_KEYS))
        raise InputError(f"a cell needs one of the keys {', '.join(_KINDS)}")
    read, keys = _KINDS[kinds[0]]
    check_keys(entry, (kinds[0], *keys))
    return read(entry, common_seeds, folder)


def seed_list(value: Any, place: str) -> list[int]:
    """The seeds in a list or in a range such as "0-9", both ends included.

    Raises
    ------
    InputError
        If the value is neither, or a seed appears twice.
    """
    match = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        first, last = int(match[1]), int(match[2])
        if first <= last < first + _MAX_SEEDS:
            return list(range(first, last + 1))
    elif isinstance(value, list) and value:
        seeds = [whole(seed, f"{place}[{index}]", least=0) for index, seed in enumerate(value)]
        twice = [seed for seed, count in Counter(seeds).items() if count > 1]
        if twice:
            raise InputError(f"duplicate seed {twice[0]}", place=place)
        return seeds
    raise refused(value, "a list of whole numbers or a range such as '0-9'", place)


def _of_family(
    entry: Mapping[str, Any], common_seeds: list[int] | None, _folder: str
) -> list[Member]:
    cell = _cell(entry)
    seeds = seed_list(entry["seeds"], "seeds") if "seeds" in entry else common_seeds
    if seeds is None:
        raise InputError("missing key 'seeds', here or at the top of the file")
    # Drawn once, so that a cell that its family refuses is refused here.
    cell.fleet(seeds[0])
    if cell.family == PRISM:
        cell.fleet(max(seeds))
    return [(cell, seed) for seed in seeds]


def _of_suite(entry: Mapping[str, Any], _common: list[int] | None, _folder: str) -> list[Member]:
    name = entry["suite"]
    if not isinstance(name, str):
        raise refused(name, "the name of a suite", "suite")
    return list(catalogue.named(name).members())


def _of_files(entry: Mapping[str, Any], _common: list[int] | None, folder: str) -> list[Member]:
    given = entry["files"]
    paths = [given] if isinstance(given, str) else texts(given, "paths", "files")
    found = _placed("files", lambda: catalogue.read_fleets([_path(folder, path) for path in paths]))
    return [(FixedFleet.of(", ".join(paths), name, fleet), 0) for name, fleet in found]


def _of_pcmax(entry: Mapping[str, Any], _common: list[int] | None, folder: str) -> list[Member]:
    given = entry["pcmax"]
    paths = [given] if isinstance(given, str) else texts(given, "paths", "pcmax")
    embeddings = texts(entry.get("embeddings", list(EMBEDDINGS)), "embeddings", "embeddings")
    for embedding in embeddings:
        check_known("embedding", embedding, EMBEDDINGS, place="embeddings")
    optima = texts([entry["optima"]], "a path", "optima")[0] if "optima" in entry else None
    found = []
    for path in paths:
        files = _placed("pcmax", partial(catalogue.expand, _path(folder, path), SUFFIXES))
        for file in files:
            if optima is not None and os.path.relpath(file, folder or ".") == os.path.normpath(
                optima
            ):
                continue
            # A path is named as the study has it, files of a pattern from its folder on.
            cell = path if files == [_path(folder, path)] else os.path.relpath(file, folder or ".")
            found += [(cell, one) for one in _placed("pcmax", partial(read_instances, file))]
    schedules = [schedule for _, schedule in found]
    if optima is not None:
        schedules = _placed("optima", partial(with_optima, schedules, _path(folder, optima)))
    return [
        (
            FixedFleet.of(
                cell, f"{one.name}@{embedding}", one.fleet(embedding), one.published(embedding)
            ),
            0,
        )
        for (cell, _), one in zip(found, schedules, strict=True)
        for embedding in embeddings
    ]


_FAMILY_KEYS = ("gpus", "models", "options", "seeds")

# For each kind of cell: its key, the function that reads it, and the other keys allowed.
_Read = Callable[[Mapping[str, Any], list[int] | None, str], list[Member]]
_KINDS: dict[str, tuple[_Read, tuple[str, ...]]] = {
    "family": (_of_family, _FAMILY_KEYS),
    "suite": (_of_suite, ()),
    "files": (_of_files, ()),
    "pcmax": (_of_pcmax, ("embeddings", "optima")),
}


def _path(folder: str, path: str) -> str:
    return os.path.join(folder, path) if folder else path


def _placed(place: str, read: Callable[[], list[_Found]]) -> list[_Found]:
    """Read files; an error in one is reported with its place in the study as well."""
    try:
        return read()
    except InputError as error:
        raise InputError(str(error), place=place) from None


def _cell(entry: Mapping[str, Any]) -> Cell:
    family = entry["family"]
    known = (PRISM, *FAMILIES)
    if not isinstance(family, str):
        raise refused(family, "the name of a family", "family")
    check_known("family", family, known, place="family")
    sized = [key for key in ("gpus", "models", "options") if key in entry]
    if family == PRISM:
        if sized:
            raise InputError(
                "'prism' does not accept this key; its fleets are fixed", place=sized[0]
            )
        return Cell(PRISM)
    options = table(entry.get("options", {}), "options")
    check_keys(options, _OPTIONS, "options")
    return Cell(
        family,
        gpus=whole(entry.get("gpus"), "gpus", least=1),
        models=whole(entry.get("models"), "models", least=0),
        options=tuple(
            (name, exact_text(value, name, "options")) for name, value in sorted(options.items())
        ),
    )
