"""Compiled functions: Python source, machine code kept on disk."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

#: What the kernels work on.
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
Counts = NDArray[np.int16]

_PACKAGE = Path(__file__).parent

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile a function at its first call, and keep the machine code on disk.

    Where the package directory cannot be written, the code goes to the cache
    directory of the user. The code is found again by the file that the kernel
    is written in: after a change in one file, kernels of other files that call
    into it are renewed only once ``__pycache__`` is deleted. Other threads run
    while compiled code does.
    """
    return cast(_F, numba.njit(cache=True, nogil=True)(function))


def are_ready() -> bool:
    """Whether the kernels, as they are now, were compiled on this machine before."""
    name = _marker_name()
    return any((folder / name).exists() for folder in _folders())


def set_ready() -> None:
    """Remember that they are. Where no folder can be written, the next run compiles again."""
    name = _marker_name()
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        except OSError:
            continue
        return


def _folders() -> tuple[Path, ...]:
    """Where the marker may stand: with the compiled code, so that both go together."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    home = Path(cache) if cache else Path.home() / ".cache"
    return _PACKAGE / "__pycache__", home / "kvpr-opt"


def _marker_name() -> str:
    """A name that changes with whatever makes numba compile anew."""
    parts = [numba.__version__, sys.version, platform.machine(), str(_PACKAGE)]
    for source in sorted(_PACKAGE.rglob("*.py")):
        status = source.stat()
        parts.append(f"{source} {status.st_mtime_ns} {status.st_size}")
    return f"kernels-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.ready"
