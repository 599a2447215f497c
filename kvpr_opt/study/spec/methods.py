"""The methods of a study file: what solves or places the fleets, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kvpr_opt.errors import InputError, check_known
from kvpr_opt.problem.exact import decimal_text, to_fraction
from kvpr_opt.solve import check_method, check_stages, known_methods
from kvpr_opt.study.heuristics import HEURISTICS
from kvpr_opt.study.runs import Method
from kvpr_opt.study.spec.values import check_keys, exact_text, refused, seconds, table, whole
from kvpr_opt.study.user_heuristics import PREFIX, UserHeuristic, program_of

#: Every method by name: those of :func:`kvpr_opt.solve`, and the heuristics of studies.
KNOWN = (*known_methods(), *HEURISTICS)

_KEYS = ("name", "program", "time_limit", "threads", "gap", "seed", "skip")

# The keys that a heuristic accepts.
_HEURISTIC_KEYS = ("name", "program", "time_limit", "threads")

_SEEDED = ("local-search",)


def read_methods(value: Any, place: str, top: Mapping[str, Any], folder: str) -> list[Method]:
    """The methods of a list.

    Parameters
    ----------
    value
        The list: names, and tables with a name.
    place
        Where in the file it is.
    top
        The file; its time limit and threads apply to methods without their own.
    folder
        The folder that paths of programs are relative to.

    Raises
    ------
    InputError
        If a value is not allowed; with its place.
    """
    if not isinstance(value, list) or not value:
        raise refused(value, "a list of methods, at least one", place)
    methods = []
    for index, entry in enumerate(value):
        try:
            asked = {"name": entry} if isinstance(entry, str) else table(entry, "")
            methods.append(_method(asked, top, folder))
        except InputError as error:
            raise error.within(place=f"{place}[{index}]") from None
    return methods


def _method(entry: Mapping[str, Any], top: Mapping[str, Any], folder: str) -> Method:
    check_keys(entry, _KEYS)
    name = entry.get("name")
    if not isinstance(name, str):
        raise refused(name, "the name of a method", "name")
    program = _program(name, entry, folder)
    if program is not None or name in HEURISTICS:
        _check_for_heuristic(name, entry)
    skip = entry.get("skip", [])
    if not isinstance(skip, list) or not all(isinstance(stage, str) for stage in skip):
        raise refused(skip, "a list of stages", "skip")
    gap = to_fraction(exact_text(entry.get("gap", 0), "gap", ""), "gap")
    if not 0 <= gap < 1:
        raise refused(entry["gap"], "at least 0 and below 1", "gap")
    threads = entry.get("threads", top.get("threads"))
    limit = entry.get("time_limit", top.get("time_limit"))
    if limit is None:
        raise InputError("missing time limit, here or at the top of the file", place=name)
    return Method(
        name=name,
        time_limit=seconds(limit),
        threads=None if threads is None else whole(threads, "threads", least=1),
        gap=decimal_text(gap),
        seed=whole(entry.get("seed", 0), "seed", least=0),
        skip=tuple(sorted(check_stages(skip))),
        program=program,
    )


def _program(name: str, entry: Mapping[str, Any], folder: str) -> UserHeuristic | None:
    """The user's program behind a method; ``None`` for methods of this package."""
    reference = entry.get("program")
    if reference is None and not name.startswith(PREFIX):
        if name.partition(":")[0] in known_methods():
            check_method(name)  # a solver may be named behind a formulation
        else:
            check_known("method", name, KNOWN, place="method")
        return None
    if reference is not None and (name in KNOWN or name.startswith(PREFIX)):
        raise InputError(
            f"{name!r} is a method of this package; choose another name for the program",
            place="name",
        )
    if reference is not None and not isinstance(reference, str):
        raise refused(reference, "the path of a program", "program")
    try:
        return program_of(name if reference is None else reference, folder)
    except InputError as error:
        raise InputError(str(error), place="name" if reference is None else "program") from None


def _check_for_heuristic(name: str, entry: Mapping[str, Any]) -> None:
    allowed = (*_HEURISTIC_KEYS, *(("seed",) if name in _SEEDED else ()))
    for key in entry:
        if key not in allowed:
            raise InputError(
                f"{name!r} does not accept this key; accepted: {', '.join(allowed)}", place=key
            )
