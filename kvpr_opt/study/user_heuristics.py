"""Heuristics of one's own: a file, or a function of a module that can be imported.

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

#: How the name of a method begins that is a function of a module.
PREFIX = "python:"

#: What a heuristic is.
Heuristic = Callable[[Instance], Mapping[str, str] | None]


@dataclass(frozen=True)
class UserHeuristic:
    """A heuristic of one's own, checked but not run.

    Attributes
    ----------
    reference
        As the study has it: the path of a file, or ``python:module:function``.
    path
        Where the file is; empty for a function of a module.
    source
        The text of the file or of the module, sent to where it is run; empty in
        what was read from a record.
    """

    reference: str
    path: str = field(default="", compare=False)
    source: str = field(default="", compare=False, repr=False)

    @property
    def sha256(self) -> str:
        """Of the source. With another source the recorded runs are no longer valid."""
        return hashlib.sha256(self.source.encode("utf-8")).hexdigest()


def program_of(reference: str, folder: str) -> UserHeuristic:
    """The program of a path or of ``python:module:function``.

    Parameters
    ----------
    reference
        As the study has it.
    folder
        Where paths start.

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
        contract.contract_of(source.encode("utf-8"), path)
    except SyntaxError as error:
        line = "" if error.lineno is None else f"line {error.lineno}"
        raise InputError(f"not Python: {error.msg}", place=line, source=reference) from None
    except LookupError as error:
        raise InputError(str(error), source=reference) from None
    return UserHeuristic(reference, path, source)


def load(program: UserHeuristic) -> Heuristic:
    """The function of a program, its file executed.

    Raises
    ------
    InputError
        If a module cannot be imported here, or what it has is no function.
    Exception
        Whatever the file raises.
    """
    if not program.path:
        name, _, function = program.reference.removeprefix(PREFIX).partition(":")
        return _function(program.reference, name, function)
    # A module anew each time: nothing that it remembers of a fleet helps with the next one.
    name = f"_heuristic_{program.sha256[:16]}"
    module = contract.load_module(program.source.encode("utf-8"), program.path, name)
    found = contract.function_of(module)
    if found is None:
        raise InputError(contract.MISSING, source=program.reference)
    return _as_place(*found)


def _as_place(name: str, function: Any) -> Heuristic:
    """A function of either contract as one that takes a fleet and returns names of GPUs."""
    place: Heuristic = as_place(function) if name == contract.BENCHMARK else function
    return place


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
    return _as_place(getattr(found, "__name__", ""), found)


def _module_text(function: Heuristic) -> str:
    """The text of the file that a function is from, as far as there is one."""
    module = sys.modules.get(getattr(function, "__module__", ""), None)
    path = getattr(module, "__file__", None)
    return read_text(path) if path and path.endswith(".py") else ""
