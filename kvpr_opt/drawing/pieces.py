"""Pieces that several pages are made of."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from kvpr_opt.html import Html, element, joined


def section(title: str, content: Iterable[Html]) -> Html:
    """A section with its heading."""
    return element("section", element("h2", title), *content)


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Names and values, below each other."""
    return element(
        "dl", *(joined([element("dt", name), element("dd", value)]) for name, value in pairs)
    )


def download(name: str, text: str) -> Html:
    """A link to a file that is in the page itself, and its size."""
    data = text.encode()
    address = f"data:application/json;base64,{base64.b64encode(data).decode()}"
    link = element("a", name, href=address, download=name)
    return joined([link, f" ({-(-len(data) // 1000)} kB)"])
