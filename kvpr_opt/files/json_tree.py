"""JSON, with every number kept as text and every doubtful document refused."""

from __future__ import annotations

import json
import re
from typing import cast

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import NumberText, Tree, shown

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]', re.DOTALL)


class _DuplicateKeyError(Exception):
    """Raised from within the decoder, which does not say where it is."""


def json_tree(text: str, source: str = "") -> Tree:
    """Read one JSON document.

    Numbers become :class:`NumberText`, also ``NaN`` and ``Infinity``: whatever
    needs a number reads the text with :func:`kvpr_opt.problem.exact.to_fraction`, which
    refuses those and bounds the digits, and knows the place for the error.

    Parameters
    ----------
    text
        The document.
    source
        The file it is from, for errors.

    Raises
    ------
    InputError
        If it is not JSON, has a key twice in one object or is nested too deeply.
    """
    try:
        return cast(
            Tree,
            json.loads(
                text,
                parse_float=NumberText,
                parse_int=NumberText,
                parse_constant=NumberText,
                object_pairs_hook=_object,
            ),
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"not JSON: {error.msg}", place=place, source=source) from None
    except _DuplicateKeyError:
        line, key = _first_duplicate(text)
        raise InputError(
            f"duplicate key {shown(key)}", place=f"line {line}", source=source
        ) from None
    except RecursionError:
        raise InputError("nested too deeply", source=source) from None


def _object(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _DuplicateKeyError
    return members


def _first_duplicate(text: str) -> tuple[int, str]:
    """Line and key of the first repeated key, in a text that is well formed up to there."""
    keys: list[set[str] | None] = []  # of the open objects; None for an open list
    before = ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "{":
            keys.append(set())
        elif token == "[":
            keys.append(None)
        elif token in "}]":
            keys.pop()
        elif token[0] == '"' and before in "{," and keys[-1] is not None:
            key = str(json.loads(token))
            if key in keys[-1]:
                return text.count("\n", 0, match.start()) + 1, key
            keys[-1].add(key)
        before = token
    raise AssertionError("the decoder saw a repeated key")
