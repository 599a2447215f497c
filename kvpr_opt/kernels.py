"""Compiled functions: Python source, machine code cached on disk, plain Python without it.

A kernel is compiled at its first call, unless that takes place inside
:func:`interpreted`, where it runs as the Python that it is written in: slow, but at once.
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
import threading
from collections.abc import Callable, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numba
import numpy as np
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.registry import CPUDispatcher

#: What users are told if no folder can hold compiled code.
NOT_KEPT = "in every run, as no cache folder can be written (NUMBA_CACHE_DIR names another)"

#: Kernels that are compiled together: those of the pattern engine, then the rest.
Group = Literal["patterns", "local search"]
GROUPS: tuple[Group, ...] = ("patterns", "local search")

#: Whether kernels are not to be compiled at all, but always run as Python.
DISABLED = bool(numba.config.DISABLE_JIT)

_PACKAGE = Path(__file__).parent
_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Compile a function at its first call, and keep the machine code on disk.

    Where the package directory cannot be written, the code goes to the cache
    directory of the user; where that cannot be written either, to a temporary one that
    ends with the process. The code is found again by the file that the kernel is written
    in: after a change in one file, kernels of other files that call into it are
    renewed only once ``__pycache__`` is deleted. Other threads run while compiled
    code does.
    """
    if DISABLED:
        return _plain(function)
    kernel = _Kernel(py_func=function, targetoptions={"nopython": True, "nogil": True})
    try:
        kernel.enable_caching()
    except RuntimeError:  # numba found no folder that can be written
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
    """A compiled function that can run as plain Python, too."""

    def __call__(self, *arguments: Any) -> Any:
        if _here.interpreted:
            with np.errstate(over="ignore"):  # numbers of 64 bits wrap around, as in machine code
                return self.py_func(*arguments)
        return super().__call__(*arguments)

    def enable_caching(self) -> None:
        self._cache = _Cache(self.py_func)


class _Here(threading.local):
    """Whether kernels that this thread calls run as plain Python."""

    interpreted = DISABLED


_here = _Here()


@contextlib.contextmanager
def interpreted() -> Iterator[None]:
    """Run kernels as plain Python, in this thread: some hundred times slower, but at once."""
    before, _here.interpreted = _here.interpreted, True
    try:
        yield
    finally:
        _here.interpreted = before


# -- where the code is kept ------------------------------------------------------------


class _Cache(FunctionCache):  # type: ignore[misc]
    """Machine code on disk, each file with its digest: what is damaged is compiled anew."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file: IndexDataCacheFile = _CheckedFile(
            self._cache_path, self._impl.filename_base, stamp
        )


class _CheckedFile(IndexDataCacheFile):  # type: ignore[misc]
    """Index and machine code of one kernel; a file that is not as it was written is absent."""

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
        """What was written, or ``None``."""
        try:
            with open(path, "rb") as file:
                digest, body = file.read(_DIGEST), file.read()
        except OSError:
            return None
        # Damaged machine code would not raise an error, but end the process.
        if digest != _digest(body):
            return None
        try:
            return pickle.loads(body)
        except (AttributeError, ImportError, TypeError, ValueError):
            return None  # another version kept it, with types that this one does not have

    def _write(self, path: str, content: Any) -> None:
        body = self._dump(content)
        with self._open_for_write(path) as file:
            file.write(_digest(body) + body)


_DIGEST = hashlib.sha256().digest_size


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


@cache
def _temporary_folder() -> str:
    """A folder for the machine code of this process and its children, removed at its end."""
    folder = tempfile.mkdtemp(prefix="kvpr-opt-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _caching_in(folder: str) -> Iterator[None]:
    """Let numba choose this folder; what others compile goes where it went before."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = folder
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


@compiled
def _mark() -> None:
    """Do nothing: it shows where kernels are kept, and that they can be called."""


def folder() -> Path | None:
    """Where compiled code is: ``None`` where nothing is compiled."""
    return None if DISABLED else Path(_mark.stats.cache_path)  # type: ignore[attr-defined]


def folder_kept_in() -> Path | None:
    """Where compiled code is kept, ``None`` where no folder can be written."""
    found = folder()
    if found is None or (
        _temporary_folder.cache_info().currsize and found.is_relative_to(_temporary_folder())
    ):
        return None
    return found


# -- whether the code is there ---------------------------------------------------------

_ready: set[Group] = set(GROUPS if DISABLED else ())


def are_ready(*groups: Group) -> bool:
    """Whether kernels were compiled, as they are now, in this process or by another.

    Parameters
    ----------
    groups
        Which; all by default.
    """
    for group in groups or GROUPS:
        if group in _ready:
            continue
        where = folder()
        if where is None or not os.path.exists(where / _marker_name(group)):
            return False
        _ready.add(group)  # from now on without a look at the disk
    return True


def set_ready(group: Group) -> None:
    """Remember that the kernels of a group are; where no file can be written, in this process."""
    _mark()
    _ready.add(group)
    where = folder()
    if where is not None:
        with contextlib.suppress(OSError):
            where.mkdir(parents=True, exist_ok=True)
            (where / _marker_name(group)).touch()


@cache
def _marker_name(group: Group) -> str:
    """A name that changes with whatever makes numba compile anew."""
    parts = [numba.__version__, sys.version, platform.machine(), str(_PACKAGE), group]
    for source in sorted(_PACKAGE.rglob("*.py")):
        status = source.stat()
        parts.append(f"{source} {status.st_mtime_ns} {status.st_size}")
    return f"kernels-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.ready"
