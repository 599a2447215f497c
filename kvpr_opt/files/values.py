"""Single values of a fleet file: what may stand where, and the place of what may not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.files.tree import NumberText, Tree, shown
from kvpr_opt.problem.exact import MAX_DIGITS
from kvpr_opt.problem.instance import GPU, LLM

# More characters than any number within MAX_DIGITS needs, short of idle zeros.
_LONGEST_NUMBER = 400

# A longer one is not a misspelling, and must not fill the screen.
_LONGEST_KEY = 40

# JSON may write half of a character, which UTF-8 cannot.
_SURROGATE = re.compile("[\ud800-\udfff]")

# A number as it is written in much of the world.
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")

_Named = TypeVar("_Named", GPU, LLM)


def check_keys(keys: Iterable[str], known: tuple[str, ...], place: str = "") -> None:
    """Refuse keys that are not known, with the nearest one that is."""
    for key in keys:
        if key in known:
            continue
        short = len(key) <= _LONGEST_KEY
        hint = nearest(key, known) if short else ""
        reason = f"unknown key{hint}; known: {', '.join(known)}"
        named = key if short and key.isidentifier() else shown(key)
        raise InputError(reason, place=f"{place}.{named}" if place else named)


def require(record: Mapping[str, Tree], *keys: str) -> None:
    """Refuse a record that lacks one of the keys."""
    for key in keys:
        if key not in record:
            raise InputError(f"no key {key!r}")


def numbers(record: Mapping[str, Tree], keys: tuple[str, ...]) -> dict[str, str]:
    """Those of the keys that the record has, with their numbers, still as text."""
    return {key: number(record[key], key) for key in keys if key in record}


def number(value: Tree, what: str) -> str:
    """The text of a number, of bounded length; whether it is one is seen where it is used."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{what} {shown(value)} is not a number", place=what)
    if len(value) > _LONGEST_NUMBER:
        allowed = f"a number of at most {MAX_DIGITS} digits"
        raise InputError(f"{what} {shown(value)} is not {allowed}", place=what)
    if _DECIMAL_COMMA.fullmatch(value.strip()):
        raise InputError(
            f"{what} {shown(value)} has a comma; write decimals with a point", place=what
        )
    return value


def text(value: Tree, what: str) -> str:
    """A name or another word, without white space around it."""
    if isinstance(value, NumberText) or not isinstance(value, str) or not value.strip():
        raise InputError(f"{what} {shown(value)} is not a non-empty text in quotes", place=what)
    if _SURROGATE.search(value):
        raise InputError(f"{what} {shown(value)} has half of a surrogate pair", place=what)
    return value.strip()


def texts(record: Mapping[str, Tree], keys: tuple[str, ...]) -> dict[str, str]:
    """Those of the keys that the record has, with their words."""
    return {key: text(record[key], key) for key in keys if key in record}


def name_lists(record: Mapping[str, Tree], keys: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Those of the keys that the record has, with their names: one, or a list of them."""
    found = {}
    for key in keys:
        if key in record:
            value = record[key]
            listed = value if isinstance(value, list) else [value]
            found[key] = tuple(text(name, key) for name in listed)
    return found


def as_list(tree: Tree, place: str) -> list[Tree]:
    """The tree, if it is a list."""
    if not isinstance(tree, list):
        raise InputError(f"{shown(tree)} is not a list", place=place)
    return tree


def as_mapping(tree: Tree, place: str) -> dict[str, Tree]:
    """The tree, if it is a mapping."""
    if not isinstance(tree, dict):
        raise InputError(f"{shown(tree)} is not a mapping", place=place)
    return tree


def unique(placed: Iterable[tuple[str, _Named]]) -> list[_Named]:
    """The GPUs or models in their order, refusing a name that another has."""
    places: dict[str, str] = {}
    values = []
    for place, value in placed:
        if value.name in places:
            raise InputError(
                f"name {shown(value.name)} is taken by {places[value.name]} already", place=place
            )
        places[value.name] = place
        values.append(value)
    return values
