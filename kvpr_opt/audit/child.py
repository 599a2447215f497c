"""One case of an audit, in a separate process.

Standard library only, and little of it, so that the process starts within milliseconds
and the audited program finds nothing of this package loaded. The two other files that it
needs, :mod:`kvpr_opt.programs.contract` and :mod:`kvpr_opt.audit.import_watch`, it
loads by their paths. Python 3.8 or newer::

    python -I    child.py call LIMITS PROGRAM CONTRACT CASE REPORT
    python -I -S child.py exec LIMITS PROGRAM FLEET
    python -I -S child.py look LIMITS PROGRAM

``call`` calls the function of a Python file (see the contracts there) and writes to the
file REPORT what came back, as plain data: which of the objects that it was given stands
under which key, what has become of their attributes, what the evaluator of the public
benchmark would make of them; or the mapping of names that it returned. CASE is a fleet
file for the contract ``place``, else a number of GPUs and records. ``exec`` becomes
the program. ``look`` prints which contract the file keeps to, without running it. LIMITS
are ``memory,output,cpu`` in bytes, bytes and seconds; 0 for none.

Nothing is judged here. A program that tampers with this process can at best keep it from
reporting, which counts as a crash, or forge a report: a process is not a sandbox.
"""

from __future__ import annotations

import builtins
import json
import operator
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

#: What the benchmark's evaluator takes for the KVPR of a GPU without free memory.
BENCHMARK_FULL = 1_000_000

_HERE = os.path.dirname(os.path.abspath(__file__))

# Maximum characters of text that is only displayed. Names are never cut; the size of the
# report bounds them.
_MAX_TEXT, _WHOLE = 200, sys.maxsize

_MAX_INTEGER = 2**63

# Maximum number of replaced built-ins reported.
_MAX_NOTES = 50


class _TooLargeError(Exception):
    """The answer does not fit into the report."""


def main(arguments: list[str]) -> None:
    """Run one case as specified on the command line."""
    mode, limits, program, *files = arguments
    memory, output, cpu = map(int, limits.split(","))
    _limit(memory, output, cpu)
    if mode == "exec":
        os.execv(program, [program, *files])
    contracts = _loaded("programs", "contract.py")
    if mode == "look":
        print(json.dumps(_look(program, contracts)))
        return
    contract, case, report_file = files
    # Opened before the program runs: it may change the directory or close open files.
    report = os.open(report_file, os.O_WRONLY)
    own, encode = os.getpid(), json.JSONEncoder().encode
    made = _PlaceCase(case) if contract == contracts.PLACE else _BenchmarkCase(case, contracts)
    outcome = _call(program, contracts, made, _Budget(output))
    if os.getpid() == own:  # not in a fork of this process made by the program
        data = encode(outcome).encode("utf-8")
        if len(data) > output:
            data = encode({"outcome": "too large"}).encode("utf-8")
        while data:
            data = data[os.write(report, data) :]
    # Skip the program's threads, exit handlers and buffered output.
    os._exit(0)


def _limit(memory: int, output: int, cpu: int) -> None:
    """Limit this process and its descendants, if the system supports it."""
    try:
        import resource
    except ImportError:
        return
    wanted = {"RLIMIT_AS": memory, "RLIMIT_FSIZE": output, "RLIMIT_CPU": cpu}
    for name, most in wanted.items():
        _lower(resource, getattr(resource, name, None), most)
    # A crash must not fill the disk. Set here, since `_lower` takes 0 for "no limit".
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _lower(resource: Any, kind: int | None, most: int) -> None:
    if kind is None or most == 0:
        return
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    try:
        resource.setrlimit(kind, (most, most))
    except (OSError, ValueError):
        return  # macOS defines RLIMIT_AS but rejects it


def _look(program: str, contracts: Any) -> dict[str, Any]:
    """The contract of a file, or a message why it has none."""
    with open(program, "rb") as stream:
        source = stream.read()
    try:
        return {"contract": contracts.contract_of(source, program)}
    except LookupError as error:
        return {"missing": str(error)}
    except SyntaxError as error:
        return {"syntax": _text(error.msg), "line": error.lineno}


def _loaded(*path: str) -> Any:
    """A module of this package, loaded by its path from the package's folder."""
    file = os.path.join(os.path.dirname(_HERE), *path)
    module = ModuleType(f"_kvpr_opt_{path[-1].partition('.')[0]}")
    module.__file__ = file
    sys.modules[module.__name__] = module
    SourceFileLoader(module.__name__, file).exec_module(module)
    return module


def _call(
    program: str, contracts: Any, case: _BenchmarkCase | _PlaceCase, budget: _Budget
) -> dict[str, Any]:
    """Load the program, call its function on the case, and describe what came back."""
    watch = _loaded("audit", "import_watch.py").ImportWatch(os.path.dirname(program))
    watch.install()
    original = dict(vars(builtins))
    clock = time.perf_counter
    start = clock()
    try:
        module = contracts.load_module(_bytes(program), program, "program")
        found = contracts.function_of(module)
        if found is None or found[0] != case.contract:
            return {"outcome": "no function", "seconds": clock() - start, **watch.notes()}
        start = clock()
        result = case.call(found[1])
        seconds = clock() - start
        # Like the evaluator, which shares a process with the program and therefore uses any
        # built-in functions that the program has replaced.
        naive = case.naive(result)
        patched = [name for name in original if vars(builtins).get(name) is not original[name]]
        vars(builtins).update(original)
        described = case.described(result, budget)
    except _TooLargeError:
        return {"outcome": "too large", "seconds": seconds, **watch.notes()}
    except BaseException as error:  # the boundary of the audit: report any exception
        seconds = clock() - start
        vars(builtins).update(original)
        return {"outcome": "raised", "error": _told(error), "seconds": seconds, **watch.notes()}
    return {
        "outcome": "returned",
        "seconds": seconds,
        "naive": naive,
        "patched": patched[:_MAX_NOTES],
        "type": _shown_type(result),
        **watch.notes(),
        **described,
    }


def _bytes(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def _told(error: BaseException) -> str:
    """One line about an error; even this can fail for a program's own error classes."""
    try:
        said = _text(str(error), _MAX_TEXT)
        return f"{_shown_type(error)}: {said}" if said else _shown_type(error)
    except BaseException:
        return _shown_type(error)


# -- the evaluator of the public benchmark -----------------------------------------------


def naive_outcome(result: Any, memory: float) -> float | None:
    """The maximum KVPR that the evaluator of the public benchmark computes for an answer.

    Parameters
    ----------
    result
        What the program returned, with the objects in it as the program left them.
    memory
        Memory of every GPU.

    Returns
    -------
    float or None
        ``None`` if the evaluator skips the case: the answer is not a dict, or reading it
        raised an error, which the evaluator ignores.

    Notes
    -----
    Nothing is checked: neither that every model is there, nor that the GPUs exist, nor that
    the objects still have their original numbers. A KVPR that is not a finite number
    counts as 0, and one of a GPU without free memory as 1,000,000.
    """
    try:
        if not isinstance(result, dict):
            return None
        highest = float("-inf")
        for models in result.values():
            size = sum(model.model_size for model in models)
            pressure = sum(model.req_rate / model.slo for model in models)
            free = memory - size
            highest = max(highest, pressure / free if free > 0 else BENCHMARK_FULL)
        value = float(highest)
        return value if float("-inf") < value < float("inf") else 0.0
    except BaseException:
        return None


# -- what came back --------------------------------------------------------------------


class _Budget:
    """Bytes left for a report: this bounds its size and judges nothing."""

    def __init__(self, most: int) -> None:
        self._left = most

    def spend(self, number: int) -> None:
        """Reserve bytes for a part of the report.

        Raises
        ------
        _TooLargeError
            If there are not enough left.
        """
        self._left -= number
        if self._left < 0:
            raise _TooLargeError


class _BenchmarkCase:
    """A case for ``compute_model_placement(gpu_num, models)``."""

    def __init__(self, path: str, contracts: Any) -> None:
        case = json.loads(_bytes(path))
        self.contract = contracts.BENCHMARK
        self._memory = contracts.BENCHMARK_MEMORY
        self._gpu_num = case["gpu_num"]
        self._fields = contracts.FIELDS
        self._told = [[record[field] for field in self._fields] for record in case["models"]]
        self._given = tuple(contracts.BenchmarkModel(**record) for record in case["models"])
        self._models = list(self._given)
        self._position = {id(model): index for index, model in enumerate(self._given)}

    def call(self, function: Any) -> Any:
        """Call the function and return its result."""
        return function(self._gpu_num, self._models)

    def naive(self, result: Any) -> float | None:
        """The maximum KVPR that the evaluator of the benchmark computes for an answer."""
        return naive_outcome(result, self._memory)

    def described(self, result: Any, budget: _Budget) -> dict[str, Any]:
        """The result and the changes to the inputs, as plain data."""
        models = self._models
        gpus = None
        if isinstance(result, dict):
            gpus = []
            for key, value in dict.items(result):
                items = self._items(value, budget)
                if items:  # an empty list places nothing, whatever its key
                    gpu = _gpu_id(key)
                    budget.spend(_room([gpu]))
                    gpus.append([gpu, items])
        return {
            "changed": list(self._changed(budget)),
            "entries": len(models),
            "kept": len(models) == len(self._given) and all(map(operator.is_, models, self._given)),
            "gpus": gpus,
        }

    def _changed(self, budget: _Budget) -> Iterable[list[Any]]:
        """Position and current values of each input that has changed."""
        for index, model in enumerate(self._given):
            values = self._values(model)
            if values != self._told[index]:
                budget.spend(_room(values))
                yield [index, values]

    def _items(self, value: Any, budget: _Budget) -> list[Any] | str:
        """The models under one key: position among the inputs, or the values of another object.

        For anything but a list, the name of its type: a generator can be read only once.
        """
        if isinstance(value, list):
            found: Iterable[Any] = list.__iter__(value)
        elif isinstance(value, tuple):
            found = tuple.__iter__(value)
        else:
            return _shown_type(value)
        items: list[Any] = []
        for item in found:
            position = self._position.get(id(item))
            entry = self._values(item) if position is None else position
            budget.spend(_room(entry) if isinstance(entry, list) else 2)
            items.append(entry)
        return items

    def _values(self, item: Any) -> list[Any]:
        return [_plain(_attribute(item, field)) for field in self._fields]


class _PlaceCase:
    """A case for ``place(instance)``, which takes a fleet object of this package."""

    contract = "place"

    def __init__(self, path: str) -> None:
        root = os.path.dirname(os.path.dirname(_HERE))
        if root not in sys.path:
            sys.path.append(root)  # where the package is used without being installed
        from kvpr_opt.files.reading import read_instance

        self._instance = read_instance(path)

    def call(self, function: Any) -> Any:
        """Call the function and return its result."""
        return function(self._instance)

    def naive(self, result: Any) -> float | None:
        """``None``: a mapping of names needs no separate evaluator."""
        return None

    def described(self, result: Any, budget: _Budget) -> dict[str, Any]:
        """The mapping from models to GPUs, as pairs of names."""
        assignment = getattr(result, "assignment", result)  # a Placement has one
        if not isinstance(assignment, Mapping):
            return {"pairs": None}
        pairs = []
        for model in assignment:
            pair = [_name(model), _name(assignment[model])]
            budget.spend(_room(pair))
            pairs.append(pair)
        return {"pairs": pairs}


def _name(value: Any) -> str:
    return _text(value, _WHOLE) if isinstance(value, str) else _shown(value)


def _room(values: Sequence[Any]) -> int:
    """A lower bound on the bytes that a list of plain values takes."""
    return 2 + sum(1 + (len(value) if isinstance(value, str) else 1) for value in values)


def _attribute(item: Any, field: str) -> Any:
    try:
        return getattr(item, field, None)
    except BaseException:
        return None


def _plain(value: Any) -> Any:
    """A value that JSON can hold: null, a finite number, or text."""
    if value is None:
        return None
    if isinstance(value, str):
        return _text(value, _WHOLE)
    whole = _whole(value)
    if whole is not None:
        return whole
    try:
        number = float(value)
        return number if float("-inf") < number < float("inf") else _shown(value)
    except BaseException:
        return _shown(value)


def _gpu_id(key: Any) -> int | str:
    """The key as an integer if it is one (``True`` is not), else its text."""
    number = None if isinstance(key, bool) else _whole(key)
    return _shown(key) if number is None else number


def _whole(value: Any) -> int | None:
    """The value of an integer type of any library, unless it is huge."""
    try:
        number = operator.index(value)
    except BaseException:
        return None
    return int(number) if -_MAX_INTEGER < number < _MAX_INTEGER else None


def _shown(value: Any) -> str:
    try:
        return _text(repr(value))
    except BaseException:
        return f"<{_shown_type(value)}>"


def _shown_type(value: Any) -> str:
    return _text(type(value).__name__)


def _text(text: str, most: int = _MAX_TEXT) -> str:
    """A text cut to a maximum length, with lone surrogates escaped."""
    start = str.__getitem__(text, slice(most))
    return str.encode(start, "utf-8", "backslashreplace").decode("utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
