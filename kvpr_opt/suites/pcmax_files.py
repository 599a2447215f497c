"""Collections of P||Cmax instances as people have them: files of several forms, and known optima.

Besides the ``.jsonl`` files of :mod:`kvpr_opt.suites.pcmax`, these are plain files of one
instance each, of whole numbers that any white space separates:

* ``p p_cmax JOBS MACHINES``, then the lengths of the jobs, and perhaps a 0 as an end mark;
* two numbers, then the lengths of the jobs. One of the two is how many lengths follow, the
  other one the number of machines.

What follows ``#`` on a line is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace

from kvpr_opt.errors import InputError
from kvpr_opt.files.source import label, read_text
from kvpr_opt.suites.pcmax import Schedule, read_schedules

#: Suffixes of the files that are taken of a folder; of several instances, and of one.
SUFFIXES = (".jsonl", ".txt", ".dat")

_HEADER = ("p", "p_cmax")

# A name, in quotes where it has white space, and an optimum, or a mark that none is known.
_LISTED = re.compile(
    r"""\s*(?:"([^"]+)"|([^,;\s"]+))(?:\s*[,;\s]\s*(\d{1,30}|-|\?)?)?\s*""", re.ASCII
)

Path = str | os.PathLike[str]


def read_instances(path: Path) -> list[Schedule]:
    """Read the instances of one file, of whichever form.

    Those of a plain file are named by it, without its suffix, and their class by its folder.

    Raises
    ------
    InputError
        If the file cannot be read, or is of no form known here.
    """
    text = os.fspath(path)
    return read_schedules(path) if text.endswith(".jsonl") else [_read_plain(text)]


def read_optima(path: Path) -> dict[str, int]:
    """Read known optima: a name and a whole number a line.

    White space, ``,`` or ``;`` separates them; a name with white space is in ``"``. The first
    line may be a heading. Where no optimum is known the number is missing, or ``-`` or
    ``?``. Folders and suffixes of names are left out.

    Raises
    ------
    InputError
        If a line is something else, or states another optimum for a name listed before.
    """
    known: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        match = _LISTED.fullmatch(line)
        if match is None:
            if line.strip() and number > 1:
                raise InputError(
                    f"{line[:60]!r} is not a name and an optimum",
                    place=f"line {number}",
                    source=label(path),
                )
            continue
        name, optimum = _plain_name(match[1] or match[2]), match[3]
        if optimum is None or not optimum.isdigit():
            continue
        if known.setdefault(name, int(optimum)) != int(optimum):
            raise InputError(
                f"the optimum of {name!r} is {optimum} here and {known[name]} before",
                place=f"line {number}",
                source=label(path),
            )
    return known


def with_optima(schedules: Iterable[Schedule], path: Path) -> list[Schedule]:
    """The instances with the optima of a file, see :func:`read_optima`.

    Raises
    ------
    InputError
        If the file knows none of them, or contradicts an instance that has an optimum.
    """
    known, made, met = read_optima(path), [], 0
    for schedule in schedules:
        optimum = known.get(_plain_name(schedule.name))
        met += optimum is not None
        if optimum is not None and schedule.optimum not in (None, optimum):
            raise InputError(
                f"the optimum of {schedule.name!r} is {optimum} here, and {schedule.optimum} in "
                "the file of the instance",
                source=label(path),
            )
        made.append(schedule if optimum is None else replace(schedule, optimum=optimum))
    if not met:
        raise InputError(
            f"states no optimum of any of the {len(made)} instances; they are called "
            f"{made[0].name!r} and so on" if made else "there are no instances",
            source=label(path),
        )  # fmt: skip
    return made


def _plain_name(name: str) -> str:
    stem, suffix = os.path.splitext(os.path.basename(name))
    return stem if suffix in SUFFIXES else os.path.basename(name)


def _read_plain(path: str) -> Schedule:
    lines = (line.partition("#")[0] for line in read_text(path).splitlines())
    words = [word for line in lines for word in line.split()]
    try:
        machines, items = _instance(words)
    except InputError as error:
        raise error.within(source=label(path)) from None
    group = os.path.basename(os.path.dirname(os.path.abspath(path)))
    return Schedule(_plain_name(path), machines, items, group=group)


def _instance(words: list[str]) -> tuple[int, tuple[int, ...]]:
    """Machines and jobs of a plain file."""
    headed = tuple(words[:2]) == _HEADER
    numbers = [_whole(word, place) for place, word in enumerate(words[2 * headed :], start=1)]
    if len(numbers) < 2:
        raise InputError("no instance of P||Cmax: it needs two numbers, then the jobs")
    first, second, items = numbers[0], numbers[1], numbers[2:]
    if headed and len(items) == first + 1 and items[-1] == 0:
        items.pop()
    if len(items) == first and (headed or first != second):
        machines = second
    elif len(items) == second and not headed:
        machines = first
    else:
        raise InputError(
            f"{len(items)} jobs follow on the numbers {first} and {second}; "
            f"{'the first' if headed else 'one'} of them has to say how many"
        )
    if machines < 1:
        raise InputError(f"{machines} machines; at least 1 is needed")
    return machines, tuple(items)


def _whole(word: str, place: int) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= 30):
        raise InputError(f"{word[:40]!r} is not a whole number", place=f"number {place}")
    return int(word)
