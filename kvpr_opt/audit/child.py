"""One case of an audit, in a process of its own: the only file of the package that runs there.

Standard library only, and little of it, so that the process starts within milliseconds
and the program that is audited finds nothing of this package loaded::

    python -I    child.py call LIMITS PROGRAM.py CASE REPORT
    python -I -S child.py exec LIMITS PROGRAM FLEET

``call`` calls ``compute_model_placement(gpu_num, models)`` of a Python file and writes to
the file REPORT what came back, in the words of the program: which of the objects it was
given stands under which key, what their attributes are by now, and what the evaluator
of the public benchmark would make of them. ``exec`` becomes the program. LIMITS are
``memory,output,cpu`` in bytes, bytes and seconds; 0 for none.

Nothing is judged here. A program that tampers with this process can at best keep it from
reporting, which counts as a crash, or forge a report: a process is no sandbox.
"""

from __future__ import annotations

import builtins
import json
import operator
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

#: What a program must leave as it is. ``cur_gpu_id`` is the benchmark's place for an answer.
FIELDS = ("model_name", "model_size", "req_rate", "slo")

#: Memory of every GPU in the public benchmark; its programs have the number built in.
BENCHMARK_MEMORY = 80

#: What the benchmark's evaluator takes for the KVPR of a GPU without free memory.
BENCHMARK_FULL = 1_000_000

#: The function that a Python program has.
FUNCTION = "compute_model_placement"

# Characters of what is only shown, and of the name of a model.
_MAX_TEXT, _MAX_NAME = 200, 100_000

_MAX_INTEGER = 2**63


@dataclass
class Model:
    """One model as the public benchmark hands it out: a plain, mutable dataclass."""

    model_name: str
    model_size: float
    req_rate: float
    slo: float
    cur_gpu_id: int


def main(arguments: list[str]) -> None:
    """Run one case as told on the command line."""
    mode, limits, program, *files = arguments
    _limit(*map(int, limits.split(",")))
    if mode == "exec":
        os.execv(program, [program, *files])
    case_file, report_file = files
    with open(case_file, encoding="utf-8") as stream:
        case = json.load(stream)
    # Opened before the program runs, which may go elsewhere or close what it finds.
    report = os.open(report_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    own, encode, original = os.getpid(), json.JSONEncoder().encode, dict(vars(builtins))
    outcome = _call(program, case, original)
    if os.getpid() == own:  # not in a copy of this process that the program has forked
        data = encode(outcome).encode("utf-8")
        while data:
            data = data[os.write(report, data) :]
    # Without the program's threads, its exit handlers and its buffered output.
    os._exit(0)


def _limit(memory: int, output: int, cpu: int) -> None:
    """Bound this process and its descendants, where the system can."""
    try:
        import resource
    except ImportError:
        return
    wanted = {"RLIMIT_AS": memory, "RLIMIT_FSIZE": output, "RLIMIT_CPU": cpu}
    for name, most in wanted.items():
        _lower(resource, getattr(resource, name, None), most)
    # A crash must not fill the disk, and no limit on it counts as "none".
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
        return  # macOS knows RLIMIT_AS by name but does not take it


def _call(program: str, case: Mapping[str, Any], original: Mapping[str, Any]) -> dict[str, Any]:
    """Load the program, call its function on the case, and describe what came back."""
    given = tuple(Model(**record) for record in case["models"])
    models = list(given)
    clock = time.perf_counter
    start = clock()
    try:
        function = _load(program)
        if function is None:
            return {"outcome": "no function"}
        start = clock()
        result = function(case["gpu_num"], models)
        seconds = clock() - start
    except BaseException as error:  # the border of the audit: whatever it is, it is told
        seconds = clock() - start
        vars(builtins).update(original)
        return {"outcome": "raised", "error": _told(error), "seconds": seconds}
    # As the evaluator, which lives in one process with the program, so with what that
    # has made of the built-in functions.
    naive = naive_outcome(result)
    patched = [name for name, value in original.items() if vars(builtins).get(name) is not value]
    vars(builtins).update(original)
    return {
        "outcome": "returned",
        "seconds": seconds,
        "naive": naive,
        "patched": patched,
        **_described(result, given, models),
    }


def _load(program: str) -> Callable[[int, list[Model]], Any] | None:
    """The function of a Python file, which is run as a module like the evaluator does it."""
    with open(program, "rb") as stream:
        code = compile(stream.read(), program, "exec")
    module = type(sys)("program")
    module.__file__ = program
    sys.modules["program"] = module
    sys.argv = [program]
    sys.path.append(os.path.dirname(program))
    exec(code, vars(module))
    function: Callable[[int, list[Model]], Any] | None = getattr(module, FUNCTION, None)
    return function


def _told(error: BaseException) -> str:
    """One line about an error; a program's own error classes may refuse even that."""
    try:
        return _text(f"{type(error).__name__}: {error}".removesuffix(": "))
    except BaseException:
        return _shown_type(error)


# -- the evaluator of the public benchmark -----------------------------------------------


def naive_outcome(result: Any) -> float | None:
    """The maximum KVPR that the evaluator of the public benchmark reads off an answer.

    Parameters
    ----------
    result
        What the program returned, with the objects in it as the program left them.

    Returns
    -------
    float or None
        ``None`` where the evaluator skips the case: the answer is no dict, or reading it
        raised an error, which the evaluator forgives.

    Notes
    -----
    Nothing is checked: not that every model is there, not that the GPUs exist, not that
    the objects still have the numbers that they had. A KVPR that is no finite number
    counts as 0, and one of a GPU without free memory as 1,000,000.
    """
    try:
        if not isinstance(result, dict):
            return None
        highest = float("-inf")
        for models in result.values():
            size = sum(model.model_size for model in models)
            pressure = sum(model.req_rate / model.slo for model in models)
            free = BENCHMARK_MEMORY - size
            highest = max(highest, pressure / free if free > 0 else BENCHMARK_FULL)
        value = float(highest)
        return value if float("-inf") < value < float("inf") else 0.0
    except BaseException:
        return None


# -- what came back --------------------------------------------------------------------


def _described(result: Any, given: tuple[Model, ...], models: list[Any]) -> dict[str, Any]:
    """What came back and what has become of the inputs, as plain data."""
    position = {id(model): index for index, model in enumerate(given)}
    # More than every model twice: what is left out of the report repeats a model anyway.
    most = 2 * len(given) + 100
    described: dict[str, Any] = {
        "inputs": [_values(model) for model in given],
        "order": [position.get(id(model)) for model in islice(models, most)],
        "type": _shown_type(result),
        "gpus": None,
    }
    if isinstance(result, dict):
        described["gpus"] = [
            [_gpu_id(key), _items(value, position, most)]
            for key, value in islice(dict.items(result), most)
        ]
    return described


def _items(value: Any, position: Mapping[int, int], most: int) -> list[Any] | str:
    """The models under one key as pairs of position among the inputs, or null, and attributes.

    The name of its type for what is no list: a generator, for one, is empty at the second look.
    """
    if isinstance(value, list):
        found: Iterable[Any] = list.__iter__(value)
    elif isinstance(value, tuple):
        found = tuple.__iter__(value)
    else:
        return _shown_type(value)
    return [[position.get(id(item)), _values(item)] for item in islice(found, most)]


def _values(item: Any) -> list[Any]:
    return [_plain(_attribute(item, field)) for field in FIELDS]


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
        return _text(value, _MAX_NAME)
    whole = _whole(value)
    if whole is not None:
        return whole
    try:
        number = float(value)
        return number if float("-inf") < number < float("inf") else _shown(value)
    except BaseException:
        return _shown(value)


def _gpu_id(key: Any) -> int | str:
    """A whole number for what counts as one (``True`` does not), else the text of the key."""
    number = None if isinstance(key, bool) else _whole(key)
    return _shown(key) if number is None else number


def _whole(value: Any) -> int | None:
    """The value of an integer of any library, unless it is huge."""
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
    """At most so much of a text, with half of a surrogate pair written out."""
    start = str.__getitem__(text, slice(most))
    return start.encode("utf-8", "backslashreplace").decode("utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
