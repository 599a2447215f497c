"""Where commands write: answers to stdout, progress and notes to stderr."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from kvpr_opt.text import printable


def answer_console(*, quiet: bool = False, stdout_taken: bool = False) -> Console:
    """The console for a command's answer: stdout, or stderr if stdout carries data.

    Parameters
    ----------
    quiet
        Whether to show nothing.
    stdout_taken
        Whether ``--output -`` writes a file to stdout.
    """
    # None if the program was started without the stream, for example with `>&-`.
    return Console(stderr=stdout_taken or sys.stdout is None, quiet=quiet, highlight=False)


def remark_console(*, quiet: bool = False) -> Console:
    """The console for progress and remarks, which are not part of the answer: stderr."""
    return Console(stderr=True, quiet=quiet, highlight=False)


def line_width(console: Console) -> int | None:
    """Width of the terminal in cells; ``None`` for a pipe or file, where nothing is wrapped."""
    return console.width if console.is_terminal else None


def print_line(console: Console, text: str) -> None:
    """Write a text unchanged: a terminal may wrap it, a pipe gets one line."""
    console.print(Text(printable(text)), soft_wrap=not console.is_terminal)


def shortened(name: str, width: int) -> Text:
    """A name on one line of at most `width` cells, shortened with an ellipsis."""
    text = Text(printable(name))
    text.truncate(width, overflow="ellipsis")
    return text
