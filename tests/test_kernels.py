"""Compiled code where it can be kept, and where it cannot."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import formulations
import kvpr_opt
from kvpr_opt import kernels
from kvpr_opt.stages.kernel_wait import COMPILING


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
from kvpr_opt.stages.kernel_wait import COMPILING
from kvpr_opt.local_search.rng import draw, seeded
folder, before = kernels.folder_kept_in(), kernels.are_ready()
drawn = draw(seeded(1), 10)
for group in kernels.GROUPS:
    kernels.set_ready(group)
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
result = kv.solve(fleet, time_limit=300, on_progress=lambda event: stages.append(event.stage))
print(result.status.value, {stage for stage in stages if stage.startswith("compiling")})
told = len(stages)
kv.solve(fleet, time_limit=1, on_progress=lambda event: stages.append(event.stage))
print(any(stage.startswith("compiling") for stage in stages[told:]))
"""
    printed = run(code, nowhere_to_write(tmp_path), tmp_path)
    assert printed == f"optimal {set([COMPILING + kernels.NOT_KEPT])}\nFalse\n"


def test_the_code_is_kept_with_the_mark_that_it_is_there(tmp_path: Path) -> None:
    environment = nowhere_to_write(tmp_path) | {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    code = """
from kvpr_opt import kernels
from kvpr_opt.stages.kernel_wait import COMPILING
print(kernels.are_ready("patterns"), kernels.are_ready())
kernels.set_ready("patterns")
"""
    assert run(code, environment, tmp_path) == "False False\n"
    assert run(code, environment, tmp_path) == "True False\n"
    assert list((tmp_path / "kept").rglob("kernels-*.ready"))


def test_a_folder_that_refuses_the_mark_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(kernels, "folder", lambda: tmp_path)
    monkeypatch.setattr(Path, "touch", refuse)
    kernels.set_ready("patterns")
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
    assert done.stderr.startswith("error: nothing can be compiled ahead: kernels are compiled in")


def test_where_the_compiler_fails_other_stages_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "are_ready", lambda *_: False)
    failed = SimpleNamespace(over=True, message="no space left on device")
    monkeypatch.setattr("kvpr_opt.warm_up.background_compiler", lambda: failed)
    fleet = kvpr_opt.random_instance("uniform", gpus=16, models=64, seed=1)
    result = kvpr_opt.solve(fleet, time_limit=1)
    assert result.placement is not None
    assert "no space left on device" in result.statistics["kernels"]
    assert "no space left on device" in result.message


# -- damaged files ---------------------------------------------------------------------


def answer(number: int) -> int:
    return number * 6 + 7


def kernel_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A kernel anew, as another process would have it, with its code kept in a folder."""
    monkeypatch.setattr("numba.config.CACHE_DIR", str(folder))
    return kernels.compiled(answer)


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Less than was written, other than was written, or nothing at all."""
    kind = draw.randrange(5)
    if kind == 0:
        return b""
    if kind == 1:
        return content[: draw.randrange(1, len(content))]
    if kind == 2:
        return draw.randbytes(draw.randrange(1, 200))
    if kind == 3:
        return content + draw.randbytes(3)
    place = draw.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]


def test_what_is_damaged_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random("damage")
    assert kernel_in(tmp_path, monkeypatch)(1) == 13
    sound = kernel_in(tmp_path, monkeypatch)
    assert (sound(1), sum(sound.stats.cache_hits.values())) == (13, 1)
    for number in range(16):
        files = sorted(path for path in tmp_path.rglob("*.nb?"))
        assert len(files) == 2, "an index and the machine code"
        path = files[number % 2]
        path.write_bytes(damaged(path.read_bytes(), draw))
        kernel = kernel_in(tmp_path, monkeypatch)
        assert kernel(number) == answer(number)
        assert not kernel.stats.cache_hits, f"{path.name} was damaged"
        healed = kernel_in(tmp_path, monkeypatch)
        assert (healed(1), sum(healed.stats.cache_hits.values())) == (13, 1)


class Gone:
    """A type that another version had."""


def test_what_another_version_kept_is_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kernel_in(tmp_path, monkeypatch)(1) == 13
    for path in tmp_path.rglob("*.nb?"):
        body = pickle.dumps(Gone()).replace(b"Gone", b"Lost")
        path.write_bytes(kernels._digest(body) + body)
        kernel = kernel_in(tmp_path, monkeypatch)
        assert kernel(2) == 19
        assert not kernel.stats.cache_hits


def test_a_file_that_is_gone_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kernel_in(tmp_path, monkeypatch)(1) == 13
    for path in tmp_path.rglob("*.nb?"):
        path.unlink()
        kernel = kernel_in(tmp_path, monkeypatch)
        assert kernel(2) == 19
        assert not kernel.stats.cache_hits
