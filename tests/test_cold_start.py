"""A machine without compiled kernels: answered, proved and stopped in time all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest
from small_fleets import brute_force

from kvpr_opt import kernels, random_instance
from kvpr_opt.errors import NumericalError
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.master import Master
from kvpr_opt.patterns.problem import DualValues, PackingQuestion
from kvpr_opt.solve import solve
from kvpr_opt.warm_up import BackgroundCompiler

#: Solves a fleet that is drawn, on a machine that has compiled nothing.
SOLVE = """
import json, sys
import kvpr_opt as kv
from kvpr_opt import kernels
family, gpus, models, limit = sys.argv[1:]
fleet = kv.random_instance(family, gpus=int(gpus), models=int(models), seed=1)
told = []
before = kernels.are_ready()
result = kv.solve(fleet, time_limit=float(limit), on_progress=lambda e: told.append(e.stage))
print(json.dumps({
    "before": before, "ready": kernels.are_ready(), "status": result.status.value,
    "certified": result.certified, "seconds": result.seconds,
    "told": [stage for stage in told if stage.startswith("compiling")],
}))
"""


def cold(tmp_path: Path, *arguments: str, **variables: str) -> dict[str, object]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **variables}
    done = subprocess.run(
        [sys.executable, "-c", SOLVE, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_small_fleet_is_proved_before_anything_is_compiled(tmp_path: Path) -> None:
    answer = cold(tmp_path, "uniform", "8", "16", "60")
    assert (answer["status"], answer["certified"]) == ("optimal", True)
    assert (answer["before"], answer["ready"]) == (False, False)
    assert answer["told"] == ["compiling kernels in the background: once on this machine"]


def test_a_time_limit_is_kept_where_nothing_is_compiled(tmp_path: Path) -> None:
    answer = cold(tmp_path, "uniform", "16", "64", "1")
    assert answer["status"] == "feasible"
    assert isinstance(answer["seconds"], float)
    assert answer["seconds"] < 3  # 1.3 s on a machine that does nothing else


def test_without_a_compiler_everything_runs_as_python(tmp_path: Path) -> None:
    answer = cold(tmp_path, "uniform", "3", "6", "60", NUMBA_DISABLE_JIT="1")
    assert (answer["status"], answer["certified"]) == ("optimal", True)
    assert answer["told"] == []
    assert not list(tmp_path.iterdir())


def test_warming_up_without_a_compiler_is_refused_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kvpr_opt", "warmup"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "error: there is nothing to compile: NUMBA_DISABLE_JIT is set\n"


@pytest.mark.parametrize("family", ["uniform", "precise", "mixed"])
def test_as_python_the_lp_gives_the_same_answers(family: str) -> None:
    refuted = 0
    for seed in range(4):
        fleet = random_instance(family, gpus=3, models=7, seed=seed)
        optimum = brute_force(fleet)
        assert isinstance(optimum, Fraction)
        for share in (Fraction(1, 2), Fraction(99, 100), Fraction(1)):
            question = PackingQuestion.of(fleet.scaled, fleet.scaled.at_most(optimum * share))
            compiled = PatternLP(fleet.scaled).decide(question, Limits(60))
            with kernels.interpreted():
                interpreted = PatternLP(fleet.scaled).decide(question, Limits(60))
            assert type(interpreted) is type(compiled)
            if isinstance(compiled, DualValues):
                assert isinstance(interpreted, DualValues)
                assert compiled == interpreted
                refuted += 1
            assert share < 1 or not isinstance(compiled, DualValues)
    assert refuted


def test_the_compiler_in_the_background_compiles_this_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another copy in the folder in which a run is started is none of its business."""
    other = tmp_path / "kvpr_opt"
    other.mkdir()
    (other / "__init__.py").write_text("")
    (other / "warm_up.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    compiler = BackgroundCompiler()
    try:
        assert compiler._process is not None
        assert compiler._process.wait(timeout=120) == 0
    finally:
        compiler.end()


def test_the_compiler_in_the_background_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from kvpr_opt.warm_up import background_compiler\n"
        "print(background_compiler()._process.pid, flush=True)\n"
        "os._exit(1)  # no clean-up takes place\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    child = int(done.stdout)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        # A child without a parent is a zombie until the system takes note of it.
        if Path(f"/proc/{child}/stat").exists():
            state = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]
            if state == "Z":
                return
        time.sleep(0.05)
    raise AssertionError("it goes on")


def test_an_engine_that_gives_up_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise NumericalError("the pattern LP ended with kNotset")

    monkeypatch.setattr(Master, "solve", fail)
    fleet = random_instance("uniform", gpus=3, models=9, seed=1)
    result = solve(fleet, threads=1)
    assert "pattern engine gave up: the pattern LP ended with kNotset" in result.message
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "pattern engine gave up: the pattern LP ended with kNotset" in warned[0]
    assert "without a time limit the run may take any time" in warned[0]
    assert "any time" not in solve(fleet, threads=1, time_limit=20).message
