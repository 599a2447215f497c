"""What is uploaded: one version, and in the archives what belongs there and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import kvpr_opt
from kvpr_opt.environment import versions

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        timeout=120,
        capture_output=True,
    )
    return folder


def test_the_version_is_the_same_everywhere() -> None:
    cited = re.search(r"^version: (\S+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited
    assert cited[1] == kvpr_opt.__version__ == versions()["kvpr-opt"] == version("kvpr-opt")


def test_the_wheel_has_the_packages_and_their_data_only(archives: Path) -> None:
    (wheel,) = archives.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.startswith(f"kvpr_opt-{kvpr_opt.__version__}-py3-none-any")
    tops = {name.split("/")[0] for name in names}
    assert tops == {"kvpr_opt", "formulations", f"kvpr_opt-{kvpr_opt.__version__}.dist-info"}
    # Everything in the two packages that is under version control, and nothing else.
    tracked = subprocess.run(
        ["git", "ls-files", "kvpr_opt", "formulations"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if tracked.returncode == 0:
        packed = {name for name in names if not name.startswith("kvpr_opt-")}
        assert set(tracked.stdout.split()) - packed == set()
    assert not [name for name in names if name.endswith((".nbi", ".nbc", ".pyc", ".ready"))]
    assert {"kvpr_opt/suites/prism50.jsonl", "kvpr_opt/py.typed"} <= set(names)


def test_the_source_archive_has_the_tests_and_no_leftovers(archives: Path) -> None:
    (source,) = archives.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"} <= names
    assert "tests/test_release.py" in names
    assert not {name.split("/")[0] for name in names} & {".ci", ".github", ".venv", "dist"}
    assert not [name for name in names if name.endswith((".nbi", ".nbc", ".pyc"))]


def test_no_installed_file_names_a_folder_of_the_machine_that_built_it(archives: Path) -> None:
    (wheel,) = archives.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            assert str(ROOT).encode() not in archive.read(name), name
