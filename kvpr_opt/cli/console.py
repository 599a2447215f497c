"""Where commands write: answers to stdout, progress and remarks to stderr."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from kvpr_opt.text import printable


def answer_console(*, quiet: bool = False, stdout_taken: bool = False) -> Console:
    """The console for what a command answers: stdout, or stderr where that carries data.

    Parameters
    ----------
    quiet
        Whether nothing is to be shown.
    stdout_taken
        Whether a file was asked for on stdout, by ``--output -``.
    """
    # None where the program was started without one, as by `>&-`.
    return Console(stderr=stdout_taken or sys.stdout is None, quiet=quiet, highlight=False)


def remark_console(*, quiet: bool = False) -> Console:
    """The console for progress and remarks, which are not part of the answer: stderr."""
    return Console(stderr=True, quiet=quiet, highlight=False)


def line_width(console: Console) -> int | None:
    """Cells in a line of a terminal; ``None`` in a pipe or a file, where nothing is wrapped."""
    return console.width if console.is_terminal else None


def print_line(console: Console, text: str) -> None:
    """Write a text as it is: it may wrap on a terminal, and is one line in a pipe."""
    console.print(Text(printable(text)), soft_wrap=not console.is_terminal)


def shortened(name: str, width: int) -> Text:
    """A name on one line of at most `width` cells, shortened with an ellipsis."""
    text = Text(printable(name))
    text.truncate(width, overflow="ellipsis")
    return text
