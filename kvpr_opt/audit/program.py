"""The programs that can be audited, and how each of the two kinds is run on a case."""

from __future__ import annotations

import hashlib
import os
import signal
import warnings
from dataclasses import dataclass
from pathlib import Path

from kvpr_opt.audit import executable, function
from kvpr_opt.audit.process import CompletedRun, ProcessRunner
from kvpr_opt.audit.verdict import Problem, Reading
from kvpr_opt.errors import InputError
from kvpr_opt.files.source import refusal
from kvpr_opt.problem.instance import Instance


@dataclass(frozen=True)
class Program:
    """A program to audit.

    Attributes
    ----------
    path
        Its absolute path.
    sha256
        The digest of its file, before it has run.
    interface
        ``"function"`` for a Python file, ``"executable"`` for anything else.
    """

    path: str
    sha256: str
    interface: str

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Program:
        """The program in a file.

        Raises
        ------
        InputError
            If it cannot be read, is Python with a syntax error, or is neither Python (by
            its suffix ``.py``) nor executable.
        """
        source = os.fspath(path)
        try:
            data = Path(source).read_bytes()
        except (OSError, ValueError) as error:
            raise refusal(source, "read", error) from None
        python = Path(source).suffix.lower() == ".py"
        if python:
            _check_syntax(data, source)
        elif not os.access(source, os.X_OK):
            raise InputError("neither a Python file (.py) nor executable", source=source)
        return cls(
            os.path.abspath(source),
            hashlib.sha256(data).hexdigest(),
            "function" if python else "executable",
        )

    def check(self, instance: Instance, case: str) -> None:
        """Refuse a fleet that the program cannot be told about.

        Raises
        ------
        InputError
            For GPUs of different memory, which the function's interface has no words for.
        """
        if self.interface == "function":
            try:
                function.benchmark_scale(instance)
            except InputError as error:
                raise error.within(source=case) from None

    def run(self, runner: ProcessRunner, instance: Instance) -> Reading:
        """Run it once on a fleet, in a fresh process, and read its answer.

        Raises
        ------
        InputError
            If it is a Python file without the function.
        """
        if self.interface == "function":
            run = runner.call(self.path, function.case_file(instance))
            return _failure(run, runner) or function.read(instance, run, self.path)
        run = runner.execute(self.path, executable.fleet_file(instance))
        return _failure(run, runner) or executable.read(instance, run)


def _check_syntax(data: bytes, source: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is bad style in it is not ours to say
            compile(data, source, "exec", dont_inherit=True)
    except SyntaxError as error:
        place = "" if error.lineno is None else f"line {error.lineno}"
        raise InputError(f"not Python: {error.msg}", place=place, source=source) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not Python: {error}", source=source) from None


def _failure(run: CompletedRun, runner: ProcessRunner) -> Reading | None:
    """What there is to say of a run that did not come to its regular end."""
    if run.timed_out:
        detail = f"not done after {runner.limits.seconds:g} s"
        return Reading.failed(Problem.TIMEOUT, detail, run.seconds)
    if run.code != 0:
        words = run.stderr_tail.strip().splitlines()
        said = f": {words[-1]}" if words else ""
        return Reading.failed(Problem.CRASH, f"{_ending(run.code)}{said}", run.seconds)
    return None


def _ending(code: int) -> str:
    if code > 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
