"""Pages as a reader sees them, for the tests of whatever writes one."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

_WITHOUT_END = {"meta"}

#: A name that would do harm where it is not escaped.
AWKWARD = "<script>alert('&amp;')</script>\"x\" é \u202e"


class Page(HTMLParser):
    """The elements of a page, which has to be well formed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert len(dict(attributes)) == len(attributes)
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in _WITHOUT_END:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def having(self, name: str) -> list[str]:
        """The values of an attribute, in order."""
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    def classed(self, tag: str, name: str) -> int:
        """How many elements of a tag have a class."""
        return sum(
            found == tag and name in attributes.get("class", "").split()
            for found, attributes in self.elements
        )

    def downloads(self) -> dict[str, str]:
        """The files that the page holds, by name."""
        return {
            attributes["download"]: base64.b64decode(
                attributes["href"].partition("base64,")[2]
            ).decode()
            for tag, attributes in self.elements
            if tag == "a"
        }


def check_self_contained(text: str) -> None:
    """Nothing on a page comes from elsewhere, runs, or has escaped from a name."""
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "link", "img", "iframe", "object", "i"})
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "src", "xlink:href"):
                assert value.startswith("data:application/json;base64,")
    assert not re.search(r"https?://", re.sub(r"base64,[^\"]*", "", text))
    assert "url(" not in text
    assert "@import" not in text
