"""Compiled functions: Python source, machine code kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

#: What users are told where there is no folder to keep compiled code in.
NOT_KEPT = "in every run, as no cache folder can be written (NUMBA_CACHE_DIR names another)"

_PACKAGE = Path(__file__).parent

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile a function at its first call, and keep the machine code on disk.

    Where the package directory cannot be written, the code goes to the cache
    directory of the user; where that cannot be written either, every process
    compiles anew. The code is found again by the file that the kernel is written
    in: after a change in one file, kernels of other files that call into it are
    renewed only once ``__pycache__`` is deleted. Other threads run while compiled
    code does.
    """
    try:
        return cast(_F, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba found no folder that can be written
        return cast(_F, numba.njit(nogil=True)(function))


@compiled
def _mark() -> None:
    """Do nothing: compiled last of all kernels, and kept where they are."""


def are_ready() -> bool:
    """Whether the kernels, as they are now, were compiled in this process or kept by another."""
    if _mark.signatures:  # type: ignore[attr-defined]
        return True
    folder = folder_kept_in()
    if folder is None or not os.path.exists(folder / _marker_name()):
        return False
    _mark()  # which says so from now on, without a look at the disk
    return True


def set_ready() -> None:
    """Remember that they are; where no folder can be written, in this process alone."""
    _mark()
    folder = folder_kept_in()
    if folder is not None:
        with contextlib.suppress(OSError):
            (folder / _marker_name()).touch()


def folder_kept_in() -> Path | None:
    """Where compiled code is kept, ``None`` where no folder can be written."""
    path = _mark.stats.cache_path  # type: ignore[attr-defined]
    return None if path is None else Path(path)


def _marker_name() -> str:
    """A name that changes with whatever makes numba compile anew."""
    parts = [numba.__version__, sys.version, platform.machine(), str(_PACKAGE)]
    for source in sorted(_PACKAGE.rglob("*.py")):
        status = source.stat()
        parts.append(f"{source} {status.st_mtime_ns} {status.st_size}")
    return f"kernels-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.ready"
