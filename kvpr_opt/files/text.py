"""Text from outside on its way out: on one line, encodable, and not too long."""

from __future__ import annotations

# Invisible, but part of how emoji and many scripts are written.
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    r"""A text on one line, with an escape for each character that a reader would not see.

    Control characters, line ends, marks that change the direction of writing, and
    halves of surrogate pairs (which UTF-8 cannot encode) are all written out.

    Examples
    --------
    >>> print(printable("a\nb"))
    a\nb
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in _JOINERS
        else character.encode("unicode_escape").decode()
        for character in text
    )


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters of a text, and how many more there are.

    Examples
    --------
    >>> shortened("abcdefgh", 3)
    'abc... (5 more characters)'
    """
    more = len(text) - limit
    return text if more <= 0 else f"{text[:limit]}... ({more} more characters)"
