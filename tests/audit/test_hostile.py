"""No program is scored better than its placement is, and none ends or holds up the audit."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from audit_cases import EASY
from hostile_programs import PROGRAMS, Hostile

from kvpr_opt.audit.export import audit_text
from kvpr_opt.audit.outcome import Audit
from kvpr_opt.audit.page import page
from kvpr_opt.problem.placement import Placement


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, empty again after the audit."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert os.listdir(folder) == []


def test_there_are_sixty() -> None:
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS) >= 60


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            program,
            id=program.name.replace(" ", "-"),
            marks=[pytest.mark.slow] if program.slow else [],
        )
        for program in PROGRAMS
    ],
)
def test_a_hostile_program(run: Callable[..., Audit], tmp_path: Path, program: Hostile) -> None:
    path = tmp_path / ("program" if program.kind == "script" else "program.py")
    path.write_text(program.text(sys.executable), encoding="utf-8")
    path.chmod(0o755)
    start = time.monotonic()
    audit = run(path, EASY, seconds=program.seconds, runs=1)
    assert time.monotonic() - start < program.seconds + 30
    (case,) = audit.cases
    assert frozenset(finding.problem for finding in case.findings) in program.verdicts
    if case.max_kvpr is not None:
        assignment = case.runs[0].assignment
        assert assignment is not None
        assert case.max_kvpr == Placement.of(EASY, assignment).max_kvpr
        assert case.max_kvpr >= case.case.lower_bound
    for text in (audit_text(audit, "a.json"), audit_text(audit, "a.csv"), page(audit)):
        assert len(text.encode("utf-8")) < 100_000
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_a_process_that_leaves_its_group_is_ended(
    run: Callable[..., Audit], source: Callable[[str], Path]
) -> None:
    left = "1234.5678"
    run(
        source(
            f"""
            import os

            def compute_model_placement(gpu_num, models):
                if os.fork() == 0:
                    os.setsid()
                    os.chdir("/")
                    os.execv("/bin/sleep", ["sleep", "{left}"])
                return {{gpu: models[gpu::gpu_num] for gpu in range(gpu_num)}}
            """
        ),
        EASY,
    )
    assert left.encode() not in b"".join(map(command_line, Path("/proc").glob("[0-9]*")))


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
