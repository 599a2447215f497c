"""YAML, with every scalar kept as text and every surprise of the language refused.

``no`` is the text "no", ``1:30`` the text "1:30" and ``0.1`` the decimal 0.1.
Anchors, aliases, tags, merge keys and further documents are not read: a fleet
does not need them, and a few bytes of aliases can stand for gigabytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from kvpr_opt.errors import InputError
from kvpr_opt.files.tree import Tree, shown

#: Mappings and lists within each other.
MAX_DEPTH = 64

# The same language in C, ten times as fast, where PyYAML was built with it.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def yaml_tree(text: str, source: str = "") -> Tree:
    """Read one YAML document.

    Parameters
    ----------
    text
        The document.
    source
        The file it is from, for errors.

    Raises
    ------
    InputError
        If it is not YAML, has a key twice in one mapping, is nested too deeply,
        or uses what is not allowed: anchors, aliases, tags, keys that are not text,
        more than one document.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"not YAML: {error.problem}", place=place, source=source) from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"not YAML: {reason}", source=source) from None
    except InputError as error:
        raise error.within(source=source) from None
    return builder.root


@dataclass
class _Open:
    """A mapping or list that is not complete yet, and the key that waits for its value."""

    node: dict[str, Tree] | list[Tree]
    key: str | None = None


class _Builder:
    """Builds the tree from parser events; its own stack instead of recursion."""

    def __init__(self) -> None:
        self.root: Tree = ""
        self._open: list[_Open] = []
        self._documents = 0

    def take(self, event: Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, NodeEvent):
            _refuse_extras(event, line)
        if isinstance(event, ScalarEvent):
            self._add(event.value, line)
        elif isinstance(event, MappingStartEvent):
            self._enter({}, line)
        elif isinstance(event, SequenceStartEvent):
            self._enter([], line)
        elif isinstance(event, CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise InputError("a second document; only one is allowed", place=f"line {line}")

    def _enter(self, node: dict[str, Tree] | list[Tree], line: int) -> None:
        self._add(node, line)
        self._open.append(_Open(node))
        if len(self._open) > MAX_DEPTH:
            raise InputError("nested too deeply", place=f"line {line}")

    def _add(self, value: Tree, line: int) -> None:
        if not self._open:
            self.root = value
            return
        parent = self._open[-1]
        if isinstance(parent.node, list):
            parent.node.append(value)
        elif parent.key is not None:
            parent.node[parent.key] = value
            parent.key = None
        elif not isinstance(value, str):
            raise InputError(f"{shown(value)} is not a key; keys are text", place=f"line {line}")
        elif value in parent.node:
            raise InputError(f"duplicate key {shown(value)}", place=f"line {line}")
        else:
            parent.key = value


def _refuse_extras(event: NodeEvent, line: int) -> None:
    place = f"line {line}"
    if isinstance(event, AliasEvent):
        raise InputError(f"alias {shown(event.anchor)}: aliases are not allowed", place=place)
    if event.anchor is not None:
        raise InputError(f"anchor {shown(event.anchor)}: anchors are not allowed", place=place)
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise InputError(f"tag {shown(tag)}: tags are not allowed", place=place)
