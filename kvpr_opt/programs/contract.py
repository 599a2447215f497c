"""What the file of a heuristic has to offer, and how it is loaded.

A file has, at its top level, one of two functions:

``place(instance)``
    gets an :class:`~kvpr_opt.problem.instance.Instance` and returns a mapping from the
    name of each model to the name of its GPU, or ``None`` where it finds no placement.

``compute_model_placement(gpu_num, models)``
    is the function of the public Prism benchmark. It gets the number of GPUs, of 80
    units of memory each, and a list of :class:`BenchmarkModel` objects, and returns a dict
    from the number of a GPU to the list of the models on it.

A file with both is called by ``compute_model_placement``: nobody has that name by chance.

Standard library only, and Python 3.8 or newer: the audit loads this file by its path into
a process that has nothing else of this package, and possibly another version of Python.
"""

from __future__ import annotations

import ast
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

#: The function of the public benchmark, and the one of this package.
BENCHMARK, PLACE = "compute_model_placement", "place"

#: Both, in the order in which they are looked for.
CONTRACTS = (BENCHMARK, PLACE)

#: What is wrong with a file that has neither.
MISSING = f"no function {PLACE}(instance) or {BENCHMARK}(gpu_num, models) at its top level"

#: Memory of every GPU in the public benchmark; its programs have the number built in.
BENCHMARK_MEMORY = 80

#: What a program must leave as it is. ``cur_gpu_id`` is the benchmark's place for an answer.
FIELDS = ("model_name", "model_size", "req_rate", "slo")


@dataclass
class BenchmarkModel:
    """One model as the public benchmark hands it out: a plain, mutable dataclass.

    Attributes
    ----------
    model_name
        Unique in the fleet.
    model_size
        Memory of its weights, in units of which a GPU has :data:`BENCHMARK_MEMORY`.
    req_rate, slo
        Their quotient is the pressure.
    cur_gpu_id
        Position in the list.
    """

    model_name: str
    model_size: float
    req_rate: float
    slo: float
    cur_gpu_id: int


def contract_of(source: bytes | str, path: str) -> str | None:
    """The contract that a source text keeps, as far as that shows without running it.

    Parameters
    ----------
    source
        The text of the file.
    path
        Where it is from, for errors.

    Returns
    -------
    str or None
        The name of the function. ``None`` where only running the file tells: it imports
        all names of a module, or works on its own global names.

    Raises
    ------
    LookupError
        If it has neither function, with :data:`MISSING` as its message.
    SyntaxError
        If it is not Python, or nested too deeply for this Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bad style in it is not ours to report
            tree = ast.parse(source, path)
            compile(tree, path, "exec", dont_inherit=True)
    except (RecursionError, MemoryError):
        raise SyntaxError("nested too deeply for this Python") from None
    except ValueError as error:  # a NUL, or an encoding that it does not keep to
        raise SyntaxError(str(error)) from None
    names, certain = _top_level_names(tree)
    for contract in CONTRACTS:
        if contract in names:
            return contract
    if certain:
        raise LookupError(MISSING)
    return None


def load_module(source: bytes | str, path: str, name: str) -> ModuleType:
    """Execute a file as a module of its own, anew each time.

    What stands under ``if __name__ == "__main__"`` does not run, and modules from the
    file's own folder can be imported.

    Parameters
    ----------
    source
        The text of the file.
    path
        Where it is from.
    name
        What to call the module.

    Raises
    ------
    BaseException
        Whatever the file raises.
    """
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as if Python had been started with the file
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # where dataclasses, for one, look it up
    exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    return module


def function_of(module: ModuleType) -> tuple[str, Any] | None:
    """The contract that a loaded file keeps and its function; ``None`` if it has neither."""
    for contract in CONTRACTS:
        function = getattr(module, contract, None)
        if callable(function):
            return contract, function
    return None


def _top_level_names(tree: ast.Module) -> tuple[list[str], bool]:
    """The names that a file binds at its top level, and whether there can be no others."""
    names: list[str] = []
    certain = True
    for node in _outside_functions(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, ast.alias):
            names.append((node.asname or node.name).split(".")[0])
            certain = certain and node.name != "*"
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                names.append(node.id)
            certain = certain and node.id not in ("globals", "exec", "setattr", "vars")
    return names, certain


def _outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node of a tree that is not inside a function or a class."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            pending.extend(ast.iter_child_nodes(node))
