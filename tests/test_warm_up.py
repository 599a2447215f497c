"""Everything that is compiled is compiled ahead: no run stops for it later."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import time
from collections.abc import Iterator

from numba.core.dispatcher import Dispatcher

import kvpr_opt
from kvpr_opt.warm_up import warm_up


def called_from_python() -> Iterator[Dispatcher]:
    """All compiled functions that some function calls which is not compiled itself."""
    for found in pkgutil.walk_packages(kvpr_opt.__path__, "kvpr_opt."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.FunctionDef) and not node.decorator_list:
                names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
                members = (getattr(module, name, None) for name in names)
                yield from (member for member in members if isinstance(member, Dispatcher))


def test_every_kernel_that_python_calls_was_called_by_the_warm_up() -> None:
    warm_up()
    kernels = set(called_from_python())
    assert len(kernels) > 10
    assert not [kernel.py_func.__name__ for kernel in kernels if not kernel.signatures]


def test_a_run_compiles_nothing_that_the_warm_up_did_not() -> None:
    warm_up()
    kernels = set(called_from_python())
    before = {kernel: list(kernel.signatures) for kernel in kernels}
    for family, gpus, models in (("uniform", 4, 12), ("fine", 3, 9), ("mixed", 8, 40)):
        fleet = kvpr_opt.random_instance(family, gpus=gpus, models=models, seed=0)
        kvpr_opt.solve(fleet, time_limit=1)
    assert {kernel: list(kernel.signatures) for kernel in kernels} == before


def test_a_warm_up_with_nothing_to_compile_is_short() -> None:
    warm_up()
    start = time.process_time()
    warm_up()
    assert time.process_time() - start < 5
