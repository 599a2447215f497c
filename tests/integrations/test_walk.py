"""The walk of the documentation, run as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from command_runs import Run
from target_readers import read_compose

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    return re.findall(r"^    (kvpr-opt (?:import|solve|configure) .*)$", text, re.MULTILINE)


def test_the_readme_shows_the_same_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme[readme.index("## From what runs, and back") :]
    assert commands(section)[:3] == commands(PAGE)
    assert len(commands(PAGE)) == 3


def test_the_walk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(ROOT / "examples" / "operator", tmp_path / "operator")
    monkeypatch.chdir(tmp_path / "operator")
    run = Run(capsys, monkeypatch)
    shown = ""
    for command in commands(PAGE):
        code, out, err = run(*shlex.split(command)[1:])
        assert code == 0, err
        shown += out + err
    # What the page quotes is what was written.
    fleet = (tmp_path / "operator" / "fleet.yaml").read_text()
    quoted = re.search(r"```yaml\n(  - name: .*?)```", PAGE, re.DOTALL)
    assert quoted
    assert quoted[1] in fleet
    value = re.search(r"highest KVPR (\d\.\d+), proved", PAGE)
    assert value
    assert f"highest KVPR  {value[1]} = " in shown
    text = (tmp_path / "operator" / "compose.yaml").read_text()
    (servers,) = read_compose({"compose.yaml": text}).values()
    assert len(servers) == 5
    first = servers[0]
    for flag in (first.name, str(first.kv_cache), f"'{first.share}'", f"['{first.gpus[0]}']"):
        assert flag in PAGE
    waits = yaml.safe_load(text)["services"]["mistral-7b-v0-3"]["depends_on"]
    assert f"depends_on: {{{next(iter(waits))}: {{condition: service_healthy}}}}" in PAGE
    assert (tmp_path / "operator" / "report.html").read_text().startswith("<!doctype html>")
