"""What the first release wrote is read by this one, and what it offered is still there.

The files in ``first_release`` were written by version 0.1.0.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

import kvpr_opt
from kvpr_opt.certificates.certificate import Certificate
from kvpr_opt.study.analysis.compare import compare
from kvpr_opt.study.record import ASKED_NAME, FILE_NAME, count_left, read_record
from kvpr_opt.study.record_line import encode_line
from kvpr_opt.study.spec.read import read_spec

FOLDER = Path(__file__).with_name("first_release")
INTERFACE = json.loads((FOLDER / "interface.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["tight", "infeasible", "small"])
def test_results_are_read(name: str) -> None:
    path = FOLDER / f"{name}.result.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    result = kvpr_opt.read_result(path, kvpr_opt.read_instance(FOLDER / f"{name}.yaml"))
    assert result.status.value == written["status"]
    assert (result.placement and result.placement.assignment) == written["assignment"]
    assert result.certified == written["certified"]
    for value, key in ((result.max_kvpr, "max_kvpr"), (result.lower_bound, "lower_bound")):
        assert written[key] is None or str(value) == written[key]["exact"]


@pytest.mark.parametrize(
    ("name", "code", "kinds"),
    [
        ("tight", 0, ["dual"]),
        ("infeasible", 0, ["dual"]),
        ("tree", 0, ["tree"]),
        ("small", 3, ["volume", "solver"]),
    ],
)
def test_certificates_are_accepted(name: str, code: int, kinds: list[str]) -> None:
    text = (FOLDER / f"{name}.certificate.json").read_text(encoding="utf-8")
    certificate = Certificate.from_json(text)
    assert [bound.proof["kind"] for bound in certificate.bounds] == kinds
    # By its digest, too, so the canonical form of these fleets is what it was.
    fleet = kvpr_opt.read_instance(FOLDER / f"{name}.yaml")
    assert kvpr_opt.verify(fleet, certificate).exit_code == code
    assert certificate.to_json() == text


def test_a_study_is_read_and_compared_and_written_alike(tmp_path: Path) -> None:
    folder = FOLDER / "study"
    content = read_record(folder)
    assert not content.remarks
    assert len(content.runs) == 9
    lines = (folder / FILE_NAME).read_bytes().splitlines(keepends=True)
    assert [encode_line(recorded) for recorded in content.runs] == lines
    assert count_left(folder, content.runs) == 0
    assert not compare(content.runs, content.runs).regressions


def test_a_study_file_asks_for_the_same_runs() -> None:
    """By their keys, so a study begun by the first release is gone on with."""
    study = read_spec(FOLDER / "study.toml")
    asked = (FOLDER / "study" / ASKED_NAME).read_text(encoding="utf-8").split()
    assert [run.key for run in study.runs] == asked


@pytest.mark.parametrize("name", INTERFACE)
def test_what_is_public_is_still_there(name: str) -> None:
    """Every name, its members, and the parameters, those by position in their place.

    A Result is made by the package alone, so its parameters are not counted.
    """
    offered: dict[str, Any] = INTERFACE[name]
    found = getattr(kvpr_opt, name)
    fields = getattr(found, "__annotations__", {})
    there = {*dir(found), *fields, *getattr(found, "__slots__", ())}
    assert not set(offered.get("members", [])) - there
    if "parameters" in offered:
        parameters = inspect.signature(found).parameters
        assert not set(offered["parameters"]) - set(parameters)
        positions = [
            each.name for each in parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD
        ]
        assert positions[: len(offered["positional"])] == offered["positional"]
