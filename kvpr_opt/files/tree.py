"""What a file says, before anything is made of it: mappings, lists and text.

Every reader of a format gives the same tree. A number stays the text that was
written, so that no digit is lost on the way.
"""

from __future__ import annotations

from typing import TypeAlias


class NumberText(str):
    """A number of a JSON file, as written."""

    __slots__ = ()


#: Mappings and lists of text; JSON also has numbers, true, false and null.
Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | NumberText | bool | None"

_LONGEST_SHOWN = 40


def shown(value: Tree) -> str:
    """How a value is called in an error: scalars as written, the rest by their kind."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if value == "":
        return "(nothing)"
    if len(value) > _LONGEST_SHOWN:
        return f"{value[:_LONGEST_SHOWN]!r}... ({len(value)} characters)"
    return str(value) if isinstance(value, NumberText) else repr(value)
