"""Compiled code where it can be kept, and where it cannot."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import formulations
import kvpr_opt
from kvpr_opt import kernels


def nowhere_to_write(tmp_path: Path) -> dict[str, str]:
    """A copy of the packages whose cache folders are files, which stops even root.

    Returns the environment in which they are found, and no home can be written.
    """
    for package in (kvpr_opt, formulations):
        copy = tmp_path / package.__name__
        shutil.copytree(
            package.__path__[0], copy, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
        for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
            (folder / "__pycache__").touch()
    home = tmp_path / "home"
    home.touch()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    return {**environment, "HOME": str(home), "XDG_CACHE_HOME": str(home)}


def run(code: str, environment: dict[str, str], folder: Path) -> str:
    """What a program prints in another process, started in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kernels_run_where_nothing_can_be_written(tmp_path: Path) -> None:
    code = """
import json
from kvpr_opt import kernels
from kvpr_opt.local_search.rng import draw, seeded
folder, before = kernels.folder_kept_in(), kernels.are_ready()
drawn = draw(seeded(1), 10)
kernels.set_ready()
print(json.dumps([kernels.__file__, folder, before, 0 <= drawn < 10, kernels.are_ready()]))
"""
    found = json.loads(run(code, nowhere_to_write(tmp_path), tmp_path))
    assert found == [str(tmp_path / "kvpr_opt" / "kernels.py"), None, False, True, True]


@pytest.mark.slow
def test_a_fleet_is_solved_where_nothing_can_be_written(tmp_path: Path) -> None:
    code = """
import kvpr_opt as kv
stages = []
fleet = kv.random_instance("uniform", gpus=8, models=32, seed=0)
result = kv.solve(fleet, time_limit=20, on_progress=lambda event: stages.append(event.stage))
print(result.status.value, [stage for stage in stages if stage.startswith("compiling")])
kv.solve(fleet, time_limit=1, on_progress=lambda event: stages.append(event.stage))
print(sum(stage.startswith("compiling") for stage in stages))
"""
    printed = run(code, nowhere_to_write(tmp_path), tmp_path)
    told = [f"compiling kernels, about half a minute: {kernels.NOT_KEPT}"]
    assert printed == f"optimal {told}\n1\n"


def test_the_code_is_kept_with_the_mark_that_it_is_there(tmp_path: Path) -> None:
    environment = nowhere_to_write(tmp_path) | {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    code = """
from kvpr_opt import kernels
print(kernels.are_ready())
kernels.set_ready()
"""
    assert run(code, environment, tmp_path) == "False\n"
    assert run(code, environment, tmp_path) == "True\n"
    assert list((tmp_path / "kept").rglob("kernels-*.ready"))


def test_a_folder_that_refuses_the_mark_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(kernels, "folder_kept_in", lambda: tmp_path)
    monkeypatch.setattr(Path, "touch", refuse)
    kernels.set_ready()
    assert not os.listdir(tmp_path)


def test_warming_up_says_where_it_would_be_lost(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kvpr_opt", "warmup"],
        cwd=tmp_path,
        env=nowhere_to_write(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is nothing to do ahead: kernels are compiled in")


def test_a_disk_too_full_for_kernels_leaves_the_other_stages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kernels, "are_ready", lambda: False)
    monkeypatch.setattr("kvpr_opt.warm_up.warm_up", fail)
    result = kvpr_opt.solve(kvpr_opt.random_instance("uniform", gpus=3, models=9, seed=3))
    assert result.status is kvpr_opt.Status.OPTIMAL
    assert "No space left on device" in result.statistics["kernels"]
