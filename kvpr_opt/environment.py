"""What a run ran on: versions of the software, and cores that it may use."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from kvpr_opt._version import __version__


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of what it solves with."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "kvpr-opt": __version__}
    for name in ("ortools", "highspy", "pulp", "numpy", "numba"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def usable_cores() -> int:
    """Cores that this process may use, as far as the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
