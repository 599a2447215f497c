"""A user's own heuristics: a file, or a function in a module that can be imported.

A file keeps to one of the two contracts of :mod:`kvpr_opt.programs.contract`; a function
elsewhere is named ``python:module:function`` and keeps to the contract ``place``, unless
its name is that of the other. ``docs/heuristics.md`` shows one.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kvpr_opt.errors import InputError
from kvpr_opt.files.source import read_text
from kvpr_opt.problem.instance import Instance
from kvpr_opt.programs import contract
from kvpr_opt.programs.benchmark import as_place
from kvpr_opt.text import error_text, one_line

#: The prefix of methods that are functions in a module.
PREFIX = "python:"

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
        return UserHeuristic(reference, source=_module_text(_function(reference)))
    path = os.path.abspath(os.path.join(folder, reference))
    source = read_text(path)
    try:
        contract.contract_of(source, path)
    except SyntaxError as error:
        line = "" if error.lineno is None else f"line {error.lineno}"
        raise InputError(f"not Python: {error.msg}", place=line, source=reference) from None
    except LookupError as error:
        raise InputError(str(error), source=reference) from None
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
        function = _function(program.reference)
        return _as_place(getattr(function, "__name__", ""), function)
    # A new module each time: nothing that it remembers of one fleet helps with the next.
    name = f"_heuristic_{program.sha256[:16]}"
    module = contract.load_module(program.source, program.path, name)
    found = contract.function_of(module)
    if found is None:
        raise InputError(contract.MISSING, source=program.reference)
    return _as_place(*found)


def _as_place(name: str, function: Any) -> Heuristic:
    """A function of either contract as one that takes a fleet and returns names of GPUs."""
    place: Heuristic = as_place(function) if name == contract.BENCHMARK else function
    return place


def _function(reference: str) -> Callable[..., Any]:
    """The function that ``python:module:function`` names."""
    module, _, name = reference.removeprefix(PREFIX).partition(":")
    if not module or not name:
        raise InputError(f"{reference!r} is not {PREFIX}module:function")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except (Exception, SystemExit) as error:  # whatever the module does when it is imported
        reason = one_line(error_text(error))
        raise InputError(f"module {module!r} cannot be imported: {reason}") from None
    if found is None:
        raise InputError(f"module {module!r} has no function {name!r}")
    if not callable(found):
        raise InputError(f"{reference!r} is of type {type(found).__name__}, not a function")
    function: Callable[..., Any] = found
    return function


def _module_text(function: Callable[..., Any]) -> str:
    """The text of the file that defines a function; empty if there is none."""
    module = sys.modules.get(getattr(function, "__module__", ""), None)
    path = getattr(module, "__file__", None)
    return read_text(path) if path and path.endswith(".py") else ""
