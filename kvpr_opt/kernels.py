"""Compiled functions: machine code cached on disk, with plain Python as a fallback.

A kernel is compiled at its first call, except inside :func:`interpreted`, where it runs
as plain Python: slow, but without delay.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import pickle
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cache, wraps
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numba
import numpy as np
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.registry import CPUDispatcher

#: Message to users if no folder can hold compiled code.
NOT_KEPT = "in every run, as no cache folder can be written (NUMBA_CACHE_DIR names another)"

#: Groups of kernels compiled together: those of the pattern engine, then the rest.
Group = Literal["patterns", "local search"]
GROUPS: tuple[Group, ...] = ("patterns", "local search")

#: Whether kernels are never compiled and always run as Python.
DISABLED = bool(numba.config.DISABLE_JIT)

_PACKAGE = Path(__file__).parent
_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile a function at its first call, and cache the machine code on disk.

    If the package directory is not writable, the code goes to the user's cache
    directory; if that is not writable either, to a temporary directory that is removed
    when the process ends. The cache is keyed by the source file of the kernel: after a
    change in one file, kernels in other files that call into it are recompiled only
    once ``__pycache__`` is deleted. Compiled code releases the interpreter lock.
    """
    if DISABLED:
        return _plain(function)
    kernel = _Kernel(py_func=function, targetoptions={"nopython": True, "nogil": True})
    try:
        kernel.enable_caching()
    except RuntimeError:  # numba found no writable folder
        with _caching_in(_temporary_folder()):
            kernel.enable_caching()
    return cast(_F, kernel)


def _plain(function: _F) -> _F:
    @wraps(function)
    def call(*arguments: Any) -> Any:
        with np.errstate(over="ignore"):  # random numbers wrap around, as in machine code
            return function(*arguments)

    return cast(_F, call)


class _Kernel(CPUDispatcher):  # type: ignore[misc]
    """A compiled function that can also run as plain Python."""

    def __call__(self, *arguments: Any) -> Any:
        if _interpreted.get():
            with np.errstate(over="ignore"):  # 64-bit numbers wrap around, as in machine code
                return self.py_func(*arguments)
        return super().__call__(*arguments)

    def enable_caching(self) -> None:
        self._cache = _Cache(self.py_func)


#: Whether kernels that are called in this context run as plain Python.
_interpreted: ContextVar[bool] = ContextVar("interpreted", default=DISABLED)


@contextlib.contextmanager
def interpreted() -> Iterator[None]:
    """Run kernels called inside as plain Python: about a hundred times slower, but no delay."""
    before = _interpreted.set(True)
    try:
        yield
    finally:
        _interpreted.reset(before)


def are_interpreted() -> bool:
    """Whether kernels called here run as plain Python."""
    return _interpreted.get()


# -- where the code is kept ------------------------------------------------------------


class _Cache(FunctionCache):  # type: ignore[misc]
    """Machine code on disk, each file with its digest; damaged files are recompiled."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file: IndexDataCacheFile = _CheckedFile(
            self._cache_path, self._impl.filename_base, stamp
        )


class _CheckedFile(IndexDataCacheFile):  # type: ignore[misc]
    """Index and machine code of one kernel; a corrupted file counts as missing."""

    def _load_index(self) -> dict[Any, str]:
        index = self._read(self._index_path)
        if index is None or index[:2] != (self._version, self._source_stamp):
            return {}
        return cast(dict[Any, str], index[2])

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return self._read(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _read(self, path: str) -> Any:
        """The content as written, or ``None``."""
        try:
            with open(path, "rb") as file:
                digest, body = file.read(_DIGEST), file.read()
        except OSError:
            return None
        # Damaged machine code would crash the process instead of raising an error.
        if digest != _digest(body):
            return None
        try:
            return pickle.loads(body)
        except (AttributeError, ImportError, TypeError, ValueError):
            return None  # written by another version, with types unknown to this one

    def _write(self, path: str, content: Any) -> None:
        body = self._dump(content)
        with self._open_for_write(path) as file:
            file.write(_digest(body) + body)


_DIGEST = hashlib.sha256().digest_size


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


@cache
def _temporary_folder() -> str:
    """A folder for the machine code of this process and its children, removed at exit."""
    folder = tempfile.mkdtemp(prefix="kvpr-opt-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _caching_in(folder: str) -> Iterator[None]:
    """Make numba use this folder for our kernels; other code is cached where it was before."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = folder
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


@compiled
def _mark() -> None:
    """Do nothing; this kernel shows where kernels are cached and that they can be called."""


def folder() -> Path | None:
    """The folder of the compiled code; ``None`` if nothing is compiled."""
    return None if DISABLED else Path(_mark.stats.cache_path)  # type: ignore[attr-defined]


def folder_kept_in() -> Path | None:
    """The folder that keeps compiled code; ``None`` if none is writable."""
    found = folder()
    if found is None or (
        _temporary_folder.cache_info().currsize and found.is_relative_to(_temporary_folder())
    ):
        return None
    return found


# -- whether the code is there ---------------------------------------------------------

_ready: set[Group] = set(GROUPS if DISABLED else ())


def are_ready(*groups: Group) -> bool:
    """Whether the current kernels were compiled, by this process or another one.

    Parameters
    ----------
    groups
        The groups of kernels; all by default.
    """
    for group in groups or GROUPS:
        if group in _ready:
            continue
        where = folder()
        if where is None or not os.path.exists(where / _marker_name(group)):
            return False
        _ready.add(group)  # from now on without checking the disk
    return True


def set_ready(group: Group) -> None:
    """Record that a group of kernels is ready; only in memory, if no file can be written."""
    _mark()
    _ready.add(group)
    where = folder()
    if where is not None:
        with contextlib.suppress(OSError):
            where.mkdir(parents=True, exist_ok=True)
            (where / _marker_name(group)).touch()


@cache
def _marker_name(group: Group) -> str:
    """A name that changes with everything that makes numba recompile."""
    parts = [numba.__version__, sys.version, platform.machine(), str(_PACKAGE), group]
    for source in sorted(_PACKAGE.rglob("*.py")):
        status = source.stat()
        parts.append(f"{source} {status.st_mtime_ns} {status.st_size}")
    return f"kernels-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.ready"
