"""The programs that can be audited, and how each of the two kinds is run on a case."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from kvpr_opt.audit import benchmark, by_name, child
from kvpr_opt.audit.process import CompletedRun, ProcessRunner
from kvpr_opt.audit.verdict import AnswerReading, Problem
from kvpr_opt.errors import InputError
from kvpr_opt.files.source import refusal
from kvpr_opt.problem.instance import Instance
from kvpr_opt.programs import contract
from kvpr_opt.programs.benchmark import records

#: Used instead of a contract for anything but a Python file.
EXECUTABLE = "executable"

# Seconds that an interpreter may take to report on a file or on itself.
_LOOK_LIMIT = 60

_NO_LIMITS = "0,0,0"


@dataclass(frozen=True)
class Program:
    """A program to audit.

    Attributes
    ----------
    path
        Its absolute path.
    sha256
        The digest of its file before the first run.
    contract
        The name of its function (see :mod:`kvpr_opt.programs.contract`) for a Python
        file, :data:`EXECUTABLE` for anything else.
    python
        The interpreter that runs a Python file; empty for an executable.
    """

    path: str
    sha256: str
    contract: str
    python: str = field(default="")

    @classmethod
    def at(cls, path: str | os.PathLike[str], python: str | None = None) -> Program:
        """The program in a file.

        Parameters
        ----------
        path
            The file.
        python
            The interpreter for a Python file; this one if not given.

        Raises
        ------
        InputError
            If it cannot be read, is Python with a syntax error or without the function, is
            neither Python (by its suffix ``.py``) nor executable, or if the interpreter
            cannot run it.
        """
        source = os.fspath(path)
        try:
            data = Path(source).read_bytes()
        except (OSError, ValueError) as error:
            raise refusal(source, "read", error) from None
        absolute, sha256 = os.path.abspath(source), hashlib.sha256(data).hexdigest()
        if Path(source).suffix.lower() == ".py":
            interpreter = sys.executable if python is None else _interpreter(python)
            found = _contract(absolute, interpreter, source)
            if found == contract.PLACE and python is not None:
                _check_package(interpreter)
            return cls(absolute, sha256, found, interpreter)
        if not os.access(source, os.X_OK):
            raise InputError("neither a Python file (.py) nor executable", source=source)
        if python is not None:
            raise InputError(f"{source} is not a Python file (.py)", place="--python")
        return cls(absolute, sha256, EXECUTABLE)

    def check(self, instance: Instance, case: str) -> None:
        """Reject a fleet that the program's contract cannot express.

        Raises
        ------
        InputError
            For anything that the benchmark's function cannot express: GPUs of different
            memory, constraints, numbers beyond the range of a double.
        """
        if self.contract == contract.BENCHMARK:
            try:
                records(instance)
            except InputError as error:
                raise error.within(source=case) from None

    def run(self, runner: ProcessRunner, instance: Instance) -> AnswerReading:
        """Run it once on a fleet, in a fresh process, and read its answer.

        Whatever the program does is recorded in the answer; it never raises an exception here.
        """
        try:
            run = self._run(runner, instance)
        except OSError as error:
            return AnswerReading.failed(Problem.NOT_RUN, f"the machine refused: {error.strerror}")
        failure = _failure(run, runner.limits.seconds)
        if failure is not None:
            return failure
        if self.contract == contract.BENCHMARK:
            return benchmark.read(instance, run)
        if self.contract == contract.PLACE:
            return by_name.read_report(instance, run)
        return by_name.read_output(instance, run)

    def _run(self, runner: ProcessRunner, instance: Instance) -> CompletedRun:
        if self.contract == EXECUTABLE:
            return runner.execute(self.path, by_name.fleet_file(instance))
        case = benchmark.case_file if self.contract == contract.BENCHMARK else by_name.fleet_file
        return runner.call(self.path, self.contract, case(instance))


def _interpreter(python: str) -> str:
    """The absolute path of an interpreter that works.

    Raises
    ------
    InputError
        If it does not.
    """
    # Symbolic links are kept: an interpreter finds its environment through them.
    path = os.path.abspath(python) if os.path.dirname(python) else _found(python)
    version = _output([path, "-I", "-S", "-c", "import sys; print(*sys.version_info[:2])"])
    try:
        major, minor = map(int, version.split())
    except ValueError:
        raise InputError(f"{python!r} is not a Python interpreter", place="--python") from None
    if (major, minor) < (3, 8):
        raise InputError(
            f"{python!r} is Python {major}.{minor}; 3.8 or newer is needed", place="--python"
        )
    return path


def _found(name: str) -> str:
    for folder in os.get_exec_path():
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return os.path.abspath(path)
    return os.path.abspath(name)


def _output(command: list[str]) -> str:
    """The standard output of a command; empty if it fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LOOK_LIMIT, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _contract(path: str, python: str, source: str) -> str:
    """The contract of a Python file, as the interpreter that will run it sees the file.

    Raises
    ------
    InputError
        If it is not Python there, or has no function to call.
    """
    answer = _output([python, "-I", "-S", child.__file__, "look", _NO_LIMITS, path])
    if not answer:
        raise InputError("the interpreter fails to compile it", source=source)
    look = json.loads(answer)
    if "syntax" in look:
        place = f"line {look['line']}" if look["line"] else ""
        raise InputError(f"not Python: {look['syntax']}", place=place, source=source)
    if "missing" in look:
        raise InputError(look["missing"], source=source)
    # If only running it could tell, assume the contract that external programs use.
    return look["contract"] or contract.BENCHMARK


def _check_package(python: str) -> None:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(child.__file__))))
    test = f"import sys; sys.path.append({root!r}); import kvpr_opt; print(1)"
    if not _output([python, "-I", "-c", test]):
        raise InputError(
            f"{python} cannot import kvpr_opt, which {contract.PLACE}(instance) needs",
            place="--python",
        )


def _failure(run: CompletedRun, limit: float) -> AnswerReading | None:
    """The reading of a run that did not end normally; ``None`` if it did."""
    if run.timed_out:
        return AnswerReading.failed(Problem.TIMEOUT, f"not done after {limit:g} s", run.seconds)
    if run.code != 0:
        lines = run.stderr_tail.strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        return AnswerReading.failed(Problem.CRASH, f"{_ending(run.code)}{said}", run.seconds)
    return None


def _ending(code: int) -> str:
    if code > 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
