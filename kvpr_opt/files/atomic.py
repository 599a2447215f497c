"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path

from kvpr_opt.files.source import STANDARD_STREAM, refusal

_STDOUT = "/dev/stdout"


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8, completely or not at all.

    The text goes to a temporary file beside the target, which then takes the
    target's name. A symbolic link stays, and what it points to is replaced; an
    existing file keeps its mode. Anything but a regular file (a pipe, a terminal,
    ``/dev/stdout``) is written directly.

    Parameters
    ----------
    path
        The file; ``-`` for standard output.
    text
        The complete new content.

    Raises
    ------
    InputError
        If it cannot be written; nothing is left behind then.
    BrokenPipeError
        If it is a pipe whose reader has closed it.
    """
    try:
        data = text.encode("utf-8")
    except ValueError as error:
        raise refusal(os.fspath(path), "written", error) from None
    write_bytes(path, data)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write bytes, as :func:`write_text` writes text.

    Raises
    ------
    InputError, BrokenPipeError
        As there.
    """
    source = os.fspath(path)
    try:
        if source == STANDARD_STREAM:
            _write_to_stdout(data)
        elif _is_stream(source):
            _write_through(source, data)
        else:
            _replace(Path(os.path.realpath(source)), data)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise refusal(source, "written", error) from None


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check before hours of work whether a file can be written.

    Nothing is created, and success is not a guarantee.

    Raises
    ------
    InputError
        If the folder is missing or read-only, the file is read-only, the path is
        a folder, or standard output is closed.
    """
    source = os.fspath(path)
    try:
        if source == STANDARD_STREAM:
            _check_stdout()
            return
        if os.path.isdir(source):
            raise IsADirectoryError("it is a folder")
        if os.path.exists(source) and not os.access(source, os.W_OK):
            raise PermissionError("the file is read-only")
        if _is_stream(source):
            return
        folder = os.path.dirname(os.path.realpath(source))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"folder {folder} does not exist")
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"folder {folder} is read-only")
    except (OSError, ValueError) as error:
        raise refusal(source, "written", error) from None


def same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths name the same file.

    ``-`` is standard output here, which has other names as well.
    """
    paths = [_STDOUT if path == STANDARD_STREAM else os.fspath(path) for path in (one, other)]
    try:
        if os.path.realpath(paths[0]) == os.path.realpath(paths[1]):
            return True
        return os.path.samefile(*paths)
    except (OSError, ValueError):  # one of the two is not there
        return False


def _check_stdout() -> None:
    # None where the program was started without one, as by `>&-`.
    if sys.stdout is None:
        raise ValueError("it is closed")


def _write_to_stdout(data: bytes) -> None:
    _check_stdout()
    sys.stdout.flush()
    # A file is UTF-8 whatever the terminal is; a notebook's output takes text only.
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        sys.stdout.write(data.decode("utf-8"))
    else:
        binary.write(data)
    sys.stdout.flush()


def _is_stream(path: str) -> bool:
    # What /dev/stdout stands for may be a regular file, but the shell that
    # redirected into it holds that very file open: it must not be replaced.
    absolute = os.path.abspath(path)
    if absolute in (_STDOUT, "/dev/stderr") or absolute.startswith(("/dev/fd/", "/proc/")):
        return True
    return os.path.exists(path) and not os.path.isfile(path)


def _write_through(path: str, data: bytes) -> None:
    # Unbuffered, and appending where it is a regular file after all.
    with open(os.open(path, os.O_WRONLY | os.O_APPEND), "wb", buffering=0) as stream:
        rest = memoryview(data)
        while rest:
            rest = rest[stream.write(rest) :]


def _replace(target: Path, data: bytes) -> None:
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError("the file is read-only")
    # A short name of its own: the target's name may be as long as a name can be.
    temporary = target.with_name(f".kvpr-opt-{secrets.token_hex(8)}.tmp")
    # Not `tempfile`, which would ignore the umask.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if mode is not None:
            temporary.chmod(mode)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
