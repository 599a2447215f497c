"""Evaluates programs on a suite, each version of a program once."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from kvpr_opt.audit.cases import Case, prove_cases
from kvpr_opt.audit.evaluator.evaluation import ProgramEvaluation, evaluation_of, refused
from kvpr_opt.audit.program import Program
from kvpr_opt.audit.resource_limits import DEFAULT_MEGABYTES, DEFAULT_SECONDS, ResourceLimits
from kvpr_opt.audit.runner import audit
from kvpr_opt.certificates.canonical import digest
from kvpr_opt.environment import usable_cores, versions
from kvpr_opt.errors import InputError
from kvpr_opt.files.atomic import write_text
from kvpr_opt.suites import catalogue

#: The suite to evolve on, and the held-out suite to test the result on afterwards.
TRAINING, HELD_OUT = "evolve-train", "evolve-held-out"


class Evaluator:
    """Evaluates programs on one suite.

    Thread-safe; the fleets and their optima are loaded on first use.

    Parameters
    ----------
    suite
        A name in :data:`kvpr_opt.suites.catalogue.SUITES`, or a path to fleets.
    time_limit
        Seconds for each call, from the start of its process.
    memory_limit
        Bytes of address space for each process; 0 for no limit.
    jobs
        Number of parallel processes; all cores if not given.
    runs
        Runs of each fleet, of which the worst counts: with 2, a program that draws
        random numbers without a seed gains nothing by luck.
    prove
        Seconds to prove an optimum that is neither shipped nor remembered.
    solver_allowed
        Whether a program may import this package.
    cache
        A folder for results by digest of the program, shared between processes; without
        one, only this object remembers them. The digest does not cover other files that
        a program reads.

    Raises
    ------
    InputError
        On first use, if the suite does not exist or one of its fleets cannot be placed.
    """

    def __init__(
        self,
        suite: str = TRAINING,
        *,
        time_limit: float = DEFAULT_SECONDS,
        memory_limit: int = DEFAULT_MEGABYTES << 20,
        jobs: int | None = None,
        runs: int = 1,
        prove: float | None = 60.0,
        solver_allowed: bool = False,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        if runs < 1:
            raise InputError(f"{runs} is not at least 1", place="runs")
        if not 0 < time_limit < float("inf"):
            raise InputError(f"{time_limit!r} is not a number above 0", place="time_limit")
        self.suite = suite
        self._limits = ResourceLimits(time_limit, memory_limit)
        self._jobs = jobs or usable_cores()
        self._runs = runs
        self._prove = prove
        self._solver_allowed = solver_allowed
        self._cache = None if cache is None else Path(cache)
        self._known: dict[str, ProgramEvaluation] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fleets, in order."""
        return tuple(case.name for case in self._cases)

    @cached_property
    def _cases(self) -> list[Case]:
        cases = prove_cases(catalogue.load(self.suite), self._prove)
        for case in cases:
            if case.lower_bound == 0 and not case.optimal:
                raise InputError("nothing is proved about its optimum", source=case.name)
        return cases

    @cached_property
    def _fingerprint(self) -> str:
        """Everything but the program that a result depends on."""
        parts = [
            versions().get("kvpr-opt", ""),
            versions()["python"],
            repr((self._limits, self._runs, self._solver_allowed)),
            *(f"{digest(case.instance)} {case.lower_bound}" for case in self._cases),
        ]
        return "\n".join(parts)

    def evaluate(
        self, program: str | os.PathLike[str], names: Sequence[str] | None = None
    ) -> ProgramEvaluation:
        """Evaluate the program in a file.

        Parameters
        ----------
        program
            A Python file with ``place(instance)`` or ``compute_model_placement(gpu_num,
            models)``, or an executable; see ``docs/audit.md``.
        names
            Names of the fleets of the suite to evaluate on; all if not given.

        Returns
        -------
        ProgramEvaluation
            Returned whatever the program does; a file that is not a program scores 0.

        Raises
        ------
        InputError
            If the suite does not have one of `names`.
        """
        try:
            found = Program.at(program)
        except InputError as error:
            return refused(self.suite, error.message)
        cases = self._chosen(names)
        key = self._key(found, cases)
        known = self._remembered(key)
        if known is not None:
            return known
        told, skipped, reason = _tellable(found, cases)
        if not told:
            return refused(self.suite, reason)
        audited = audit(found, self.suite, told, self._limits, jobs=self._jobs, runs=self._runs)
        evaluation = evaluation_of(audited, skipped, solver_allowed=self._solver_allowed)
        if not evaluation.transient:
            self._remember(key, evaluation)
        return evaluation

    def evaluate_source(self, source: str, names: Sequence[str] | None = None) -> ProgramEvaluation:
        """Evaluate the text of a Python program; as :meth:`evaluate`."""
        with tempfile.TemporaryDirectory(prefix="kvpr-opt-program-") as folder:
            path = Path(folder) / "program.py"
            path.write_bytes(source.encode("utf-8", "backslashreplace"))
            return self.evaluate(path, names)

    def _chosen(self, names: Sequence[str] | None) -> list[Case]:
        if names is None:
            return self._cases
        by_name = {case.name: case for case in self._cases}
        for name in names:
            if name not in by_name:
                raise InputError(f"suite {self.suite!r} has no fleet {name!r}", place="names")
        return [by_name[name] for name in dict.fromkeys(names)]

    def _key(self, program: Program, cases: Sequence[Case]) -> str:
        names = "\n".join(case.name for case in cases)
        text = f"{program.sha256}\n{program.contract}\n{names}\n{self._fingerprint}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _remembered(self, key: str) -> ProgramEvaluation | None:
        with self._lock:
            known = self._known.get(key)
        if known is not None or self._cache is None:
            return known
        try:
            return msgspec.json.decode(
                (self._cache / f"{key}.json").read_bytes(), type=ProgramEvaluation
            )
        except (OSError, msgspec.DecodeError):
            return None  # missing or damaged: it is evaluated again and overwritten

    def _remember(self, key: str, evaluation: ProgramEvaluation) -> None:
        with self._lock:
            self._known[key] = evaluation
        if self._cache is not None:
            self._cache.mkdir(parents=True, exist_ok=True)
            write_text(self._cache / f"{key}.json", msgspec.json.encode(evaluation).decode("utf-8"))


def _tellable(program: Program, cases: Sequence[Case]) -> tuple[list[Case], tuple[str, ...], str]:
    """The fleets that the program's contract can express, the names of the others, and why."""
    told, skipped, reason = [], [], "there is no fleet to place"
    for case in cases:
        try:
            program.check(case.instance, case.name)
        except InputError as error:
            skipped.append(case.name)
            reason = error.message
        else:
            told.append(case)
    return told, tuple(skipped), reason
