"""Text from outside: a file, a pipe or standard input, within bounds."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

from kvpr_opt.errors import InputError, nearest

#: A larger file is refused unread.
MAX_BYTES = 64 << 20

#: The path that stands for standard input or output.
STANDARD_STREAM = "-"

#: What a file holds; ``stream`` has no name to tell by.
Format = Literal["json", "yaml", "csv", "stream"]

_FORMATS: dict[str, Format] = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".csv": "csv"}


def label(path: str | os.PathLike[str]) -> str:
    """What an error calls the input at `path`."""
    return _named(os.fspath(path), "standard input")


def _named(name: str, stream: str) -> str:
    return stream if name == STANDARD_STREAM else name


def format_of(path: str | os.PathLike[str]) -> Format:
    """The format of a file, by the suffix of its name.

    ``stream`` for standard input and for pipes and devices without a known suffix.

    Raises
    ------
    InputError
        For any other suffix.
    """
    name = os.fspath(path)
    suffix = Path(name).suffix.lower()
    if suffix in _FORMATS:
        return _FORMATS[suffix]
    if name == STANDARD_STREAM or _is_special(name):
        return "stream"
    known = ", ".join(_FORMATS)
    hint = nearest(suffix, _FORMATS) if suffix else ""
    raise InputError(
        f"the suffix {suffix!r} of the file name is not known{hint}; known: {known}", source=name
    )


def _is_special(name: str) -> bool:
    try:
        return os.path.exists(name) and not os.path.isfile(name) and not os.path.isdir(name)
    except ValueError:  # a NUL in the path
        return False


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8-sig") -> str:
    """All text of a file in UTF-8, a byte-order mark at its start left out.

    Parameters
    ----------
    path
        The file; ``-`` for standard input.
    encoding
        ``"utf-8"`` to keep a byte-order mark, for a format that does not allow any.

    Raises
    ------
    InputError
        If it cannot be read, is larger than :data:`MAX_BYTES` or is not UTF-8.
    """
    name = os.fspath(path)
    try:
        if name == STANDARD_STREAM:
            if sys.stdin is None:
                raise ValueError("it is closed")
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with open(name, "rb") as stream:
                data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise refusal(name, "read", error) from None
    if len(data) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES >> 20} MB, the limit", source=label(path))
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"byte 0x{data[error.start]:02x} is not UTF-8 text",
            place=f"line {line}",
            source=label(path),
        ) from None


def refusal(name: str, verb: Literal["read", "written"], error: OSError | ValueError) -> InputError:
    """The one-line error for a file that the system will not let us read or write."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    stream = "standard input" if verb == "read" else "standard output"
    return InputError(f"cannot be {verb}: {reason}", source=_named(name, stream))
