"""Text from outside, made safe to write: to a file, a terminal, a page or a table.

A name or an error may hold anything: half of a surrogate pair, which UTF-8 cannot
encode; control characters and marks that reverse the direction of writing, which a
terminal or a browser acts on; line breaks and bars, which break a table; megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Bytes in UTF-8 to which :func:`writable` shortens a text by default.
MAX_TEXT_BYTES = 10_000

# Room for the note at the end of a shortened text.
_NOTE_BYTES = 40

# Invisible, but part of how emoji and many scripts are written.
_JOINERS = "\u200c\u200d"


def writable(text: str, limit: int = MAX_TEXT_BYTES) -> str:
    r"""A text that any file can hold: encodable in UTF-8, and of bounded length.

    Half of a surrogate pair becomes its escape; line breaks are kept.

    Parameters
    ----------
    text
        Any text. Of a subclass of ``str`` no method is called.
    limit
        Bytes in UTF-8 that the result may have. A longer text is cut and ends with a
        note of its length.

    Examples
    --------
    >>> print(writable("a\ud800"))
    a\ud800
    >>> writable("b" * 999, limit=50)
    'bbbbbbbbbb... (999 characters)'
    """
    start = str.__getitem__(text, slice(limit + 1))
    data = str.encode(start, "utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode("utf-8")
    kept = data[: limit - _NOTE_BYTES].decode("utf-8", "ignore")
    return f"{kept}... ({str.__len__(text)} characters)"


def printable(text: str) -> str:
    r"""A text on one line, with an escape for each character that a terminal would act on.

    Examples
    --------
    >>> print(printable("a\nb"))
    a\nb
    """
    return "".join(
        character
        if character.isprintable() or character in _JOINERS
        else character.encode("unicode_escape").decode()
        for character in text
    )


def one_line(text: str) -> str:
    r"""As :func:`printable`, with every run of white space as one space.

    Examples
    --------
    >>> print(one_line("two\n  lines \u202e"))
    two lines \u202e
    """
    return printable(" ".join(text.split()))


def listed(names: Iterable[str], most: int) -> str:
    """A list of names, of which the first ones are written out and the rest counted.

    Parameters
    ----------
    names
        The names, as they are to be written.
    most
        How many of them are written out.

    Examples
    --------
    >>> listed(["a", "b"], most=2)
    'a, b'
    >>> listed("abcde", most=2)
    'a, b and 3 more'
    """
    written = list(names)
    more = len(written) - most
    return ", ".join(written[:most]) + (f" and {more} more" if more > 0 else "")


def markdown_cell(text: str) -> str:
    r"""As :func:`one_line`, safe inside a table in Markdown.

    Examples
    --------
    >>> print(markdown_cell("a|b"))
    a\|b
    """
    return one_line(text).replace("|", "\\|")


def error_text(error: BaseException) -> str:
    """What an error says, as :func:`writable` text: its class and its message.

    Examples
    --------
    >>> error_text(ValueError("no such model"))
    'ValueError: no such model'
    """
    kind = type(error).__name__
    try:
        message = str(error)
    except Exception as failure:  # the class of the error is foreign code, too
        message = f"its message cannot be read ({type(failure).__name__})"
    return writable(f"{kind}: {message}")
