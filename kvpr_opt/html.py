"""HTML that is safe by construction: text is escaped wherever it is put in.

A template engine would do the same, but only where it is told to, and it would
be a dependency more; the page is a plain sequence of headings, tables and
figures, for which one function is enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_WITHOUT_END = {"meta"}


class Html(str):
    """Text that is HTML already. All other text is escaped on its way into an element."""

    __slots__ = ()


def element(tag: str, *content: str, **attributes: str) -> Html:
    """An element with its content, each part of it an :class:`Html` or text to escape.

    Parameters
    ----------
    tag
        Its name.
    content
        What is in it, in order.
    attributes
        By name; an underscore at the end is left out (``class_``), others are hyphens.

    Examples
    --------
    >>> print(element("p", "a < b", element("b", "c"), class_="note"))
    <p class="note">a &lt; b<b>c</b></p>
    """
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
    )
    if tag in _WITHOUT_END:
        return Html(f"<{tag}{named}>")
    return Html(f"<{tag}{named}>{joined(content)}</{tag}>")


def joined(parts: Iterable[str]) -> Html:
    """Parts one after the other, each an :class:`Html` or text to escape."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))
