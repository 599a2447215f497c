"""A user's own heuristics: a file, or a function in a module that can be imported.

A file has a function ``place`` at its top level; a function elsewhere is named
``python:module:function``. Either takes an :class:`~kvpr_opt.problem.instance.Instance` and
returns a mapping from the name of each model to the name of its GPU, or ``None`` where
it finds no placement. ``docs/heuristics.md`` shows one.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from kvpr_opt.errors import InputError
from kvpr_opt.files.source import read_text
from kvpr_opt.problem.instance import Instance

#: The prefix of methods that are functions in a module.
PREFIX = "python:"

#: The function that a file has to have.
FUNCTION = "place"

#: The type of a heuristic.
Heuristic = Callable[[Instance], Mapping[str, str] | None]


@dataclass(frozen=True)
class UserHeuristic:
    """A user's heuristic, checked but not run.

    Attributes
    ----------
    reference
        As in the study: the path of a file, or ``python:module:function``.
    path
        The absolute path of the file; empty for a function in a module.
    source
        The text of the file or module, which is sent to the worker; empty in what was
        read from a record.
    """

    reference: str
    path: str = field(default="", compare=False)
    source: str = field(default="", compare=False, repr=False)

    @property
    def sha256(self) -> str:
        """SHA-256 of the source; recorded runs of another source are outdated."""
        return hashlib.sha256(self.source.encode("utf-8")).hexdigest()


def program_of(reference: str, folder: str) -> UserHeuristic:
    """The program at a path, or of ``python:module:function``.

    Parameters
    ----------
    reference
        As in the study.
    folder
        The folder that paths are relative to.

    Raises
    ------
    InputError
        If it cannot be read or imported, is not Python, or lacks the function.
    """
    if reference.startswith(PREFIX):
        module, _, name = reference.removeprefix(PREFIX).partition(":")
        function = _function(reference, module, name)
        return UserHeuristic(reference, source=_module_text(function))
    path = os.path.abspath(os.path.join(folder, reference))
    source = read_text(path)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"not Python: {error}", source=reference) from None
    if FUNCTION not in _names(tree):
        raise InputError(f"no function {FUNCTION!r} at its top level", source=reference)
    return UserHeuristic(reference, path, source)


def load(program: UserHeuristic) -> Heuristic:
    """Execute the file of a program, or import its module, and return its function.

    Raises
    ------
    InputError
        If a module cannot be imported here, or has no such function.
    Exception
        Whatever the file raises.
    """
    if not program.path:
        name, _, function = program.reference.removeprefix(PREFIX).partition(":")
        return _function(program.reference, name, function)
    folder = os.path.dirname(program.path)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as if Python had been started with it
    # A new module each time: nothing that it remembers of one fleet helps with the next.
    module = ModuleType(f"_heuristic_{program.sha256[:16]}")
    module.__file__ = program.path
    sys.modules[module.__name__] = module  # dataclasses, for one, look it up there
    exec(compile(program.source, program.path, "exec"), module.__dict__)
    return _callable(getattr(module, FUNCTION), program.reference)


def _function(reference: str, module: str, name: str) -> Heuristic:
    if not module or not name:
        raise InputError(f"{reference!r} is not {PREFIX}module:function")
    try:
        found = importlib.import_module(module)
    except Exception as error:  # whatever the module does when it is imported
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"module {module!r} cannot be imported: {reason}") from None
    if not hasattr(found, name):
        raise InputError(f"module {module!r} has no function {name!r}")
    return _callable(getattr(found, name), reference)


def _callable(found: Any, reference: str) -> Heuristic:
    if not callable(found):
        raise InputError(f"{reference!r} is {found!r}, not a function")
    function: Heuristic = found
    return function


def _module_text(function: Heuristic) -> str:
    """The text of the file that defines a function; empty if there is none."""
    module = sys.modules.get(getattr(function, "__module__", ""), None)
    path = getattr(module, "__file__", None)
    return read_text(path) if path and path.endswith(".py") else ""


def _names(tree: ast.Module) -> set[str]:
    """The names that a file binds at its top level."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names
