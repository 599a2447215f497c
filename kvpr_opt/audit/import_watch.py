"""Which imports of a program's own files fail, and whether it uses this package.

A program that carries on without a missing module is not the program that its author
measured, and its answers do not show the difference.

Standard library only, and Python 3.8 or newer: loaded by its path into the process of a
program, like :mod:`kvpr_opt.programs.contract`.
"""

from __future__ import annotations

import builtins
import os
import sys
from types import FrameType, ModuleType
from typing import Any

# Maximum number of names reported, and of characters in each.
_MAX_NAMES, _MAX_NAME = 50, 200


class ImportWatch:
    """Watches the imports of a program's own files.

    Parameters
    ----------
    folder
        The folder of the program and the modules beside it.
    """

    def __init__(self, folder: str) -> None:
        self._folder = os.path.join(folder, "")
        self._import = builtins.__import__
        self._failed: dict[str, None] = {}
        self._loaded = "kvpr_opt" in sys.modules
        self._package = False

    def install(self) -> None:
        """Start watching import statements and all other module lookups."""
        builtins.__import__ = self._watched
        sys.meta_path.append(self)

    def notes(self) -> dict[str, Any]:
        """The findings to report."""
        failed = [
            name
            for name in self._failed
            if not any(name.startswith(f"{other}.") for other in self._failed)
        ]
        # However it was loaded, unless this process itself had loaded it.
        used = self._package or ("kvpr_opt" in sys.modules and not self._loaded)
        return {"failed_imports": failed[:_MAX_NAMES], "uses_package": used}

    def _watched(
        self,
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> ModuleType:
        own = self._is_own(globals)
        try:
            module = self._import(name, globals, locals, fromlist, level)
        except (RecursionError, MemoryError):  # report nothing about the module
            raise
        except Exception:
            if own:
                self._failed[_shortened("." * level + name)] = None
            raise
        if own:
            self._package = self._package or name.split(".")[0] == "kvpr_opt"
            for item in fromlist or ():
                if item != "*" and not hasattr(module, item):
                    self._failed[_shortened(f"{name}.{item}")] = None
        return module

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Record a module that no earlier finder has found; this one is the last."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        if frame is not None and self._is_own(frame.f_globals):
            self._failed[_shortened(name)] = None

    def _is_own(self, globals: Any) -> bool:
        """Whether the code with these globals is the program or a module beside it."""
        file = globals.get("__file__") if isinstance(globals, dict) else None
        return (
            isinstance(file, str) and file.startswith(self._folder) and "site-packages" not in file
        )


def _shortened(name: str) -> str:
    """A name cut to a maximum length, with lone surrogates escaped."""
    start = str.__getitem__(name, slice(_MAX_NAME))
    return str.encode(start, "utf-8", "backslashreplace").decode("utf-8")
