"""Pieces that several pages are made of."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping

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


def explained(
    explanation: str, said: str, files: Mapping[str, str], command: str
) -> Iterator[Html]:
    """A proof in words, the files that it is in, and the command that checks them."""
    lines = [element("p", line) for line in explanation.splitlines() if line.strip()]
    yield element("div", *lines, class_="proof")
    links = [download(name, text) for name, text in files.items()]
    joint = [each for link in links for each in (" and ", link)][1:]
    checked = " checks it without any solver."
    yield element("p", said, *joint, ". ", element("code", command), checked, class_="download")
