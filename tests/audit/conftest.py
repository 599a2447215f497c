"""Programs and cases for the tests of the audit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from textwrap import dedent

import pytest
from audit_cases import EASY, HARD

from kvpr_opt import lower_bound
from kvpr_opt.audit.cases import Case
from kvpr_opt.audit.outcome import Audit
from kvpr_opt.audit.program import Program
from kvpr_opt.audit.resource_limits import ResourceLimits
from kvpr_opt.audit.runner import audit
from kvpr_opt.problem.instance import Instance

Run = Callable[..., Audit]


def case(name: str, instance: Instance) -> Case:
    """A case with a bound that is true, if not the best."""
    bound = lower_bound(instance)
    assert isinstance(bound, Fraction)
    return Case(name, instance, bound, optimal=False)


@pytest.fixture
def run() -> Run:
    """Audit a program on the easy and the hard case, or on those given."""

    def call(
        program: Path,
        *instances: Instance,
        seconds: float = 20,
        memory: int = 1 << 30,
        runs: int = 2,
        python: str | None = None,
    ) -> Audit:
        cases = [case(f"case-{n}", fleet) for n, fleet in enumerate(instances or (EASY, HARD))]
        limits = ResourceLimits(seconds, memory)
        return audit(Program.at(program, python), "test", cases, limits, jobs=2, runs=runs)

    return call


@pytest.fixture
def source(tmp_path: Path) -> Callable[[str], Path]:
    """A Python program of the given text."""

    def write(text: str) -> Path:
        path = tmp_path / "program.py"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """An executable of the given Python text, with ``fleet`` read from its argument."""

    def write(text: str) -> Path:
        path = tmp_path / "program"
        head = f"#!{sys.executable}\nimport json, sys\nfleet = json.load(open(sys.argv[1]))\n"
        path.write_text(head + dedent(text), encoding="utf-8")
        path.chmod(0o755)
        return path

    return write
