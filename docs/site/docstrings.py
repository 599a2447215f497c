"""Docstrings as Markdown: their Sphinx roles become links."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|meth|data|attr|mod|exc|obj):`(~?)([\w.]+)`")


class Roles(griffe.Extension):
    """Rewrites the docstring of every object."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change what the page shows, before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value, obj)


def as_markdown(text: str, obj: griffe.Object) -> str:
    """A docstring whose references are links, where a page has what they name.

    Parameters
    ----------
    text
        The docstring.
    obj
        What it is of: names are looked up from there.
    """

    def link(found: re.Match[str]) -> str:
        name = found[2]
        shown = name.rsplit(".", 1)[-1] if found[1] else name
        # Optional: what no page has stays text.
        return (
            f'<autoref optional identifier="{resolved(name, obj)}"><code>{shown}</code></autoref>'
        )

    return _ROLE.sub(link, text)


def resolved(name: str, obj: griffe.Object) -> str:
    """The full path of a name that is used in the docstring of an object."""
    if name.startswith(("kvpr_opt.", "formulations.")):
        package, _, rest = name.partition(".")
        # A public name is documented where it is defined.
        return obj.package.imports.get(rest, name) if obj.package.path == package else name
    try:
        return obj.resolve(name)
    except griffe.NameResolutionError:
        return f"{obj.path}.{name}"
