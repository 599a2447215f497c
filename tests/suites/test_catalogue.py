"""Suites: the same fleets for everybody, under names that mean them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from kvpr_opt import write_instance
from kvpr_opt.certificates.canonical import digest
from kvpr_opt.errors import InputError
from kvpr_opt.generate import prism_instance, random_instance
from kvpr_opt.suites import catalogue

PCMAX = Path(__file__).parents[2] / "docs" / "studies" / "data" / "pcmax-100.jsonl"

#: Of the digests of all fleets, in order. Another value here is another version.
VERSIONS = {
    "prism50": (1, 50, "0c4271e41b5916d6"),
    "uniform": (1, 40, "d718925b7dfd7de3"),
    "zero-heavy": (1, 40, "ebf17d43973692f6"),
    "long-tail": (1, 40, "57b9bfb7af9b74e4"),
    "precise": (1, 40, "d453bc663110f006"),
    "mixed": (1, 40, "126ec2ff6f022ff9"),
    "paper": (2, 10, "3a305c9cd5c35048"),
    "evolve-train": (1, 14, "2daa98d576ae27d9"),
    "evolve-held-out": (1, 22, "06883b73cebb9615"),
}
OLDER = {"paper@1": (1, 10, "0916e7dae2faecef")}


def test_every_suite_is_pinned() -> None:
    assert set(VERSIONS) == set(catalogue.SUITES)
    assert set(OLDER) == {f"{name}@{version}" for name, version in catalogue.OLDER}


@pytest.mark.parametrize("name", [*VERSIONS, *OLDER])
def test_a_version_never_changes(name: str) -> None:
    fleets = catalogue.load(name)
    whole = hashlib.sha256("".join(digest(fleet) for _, fleet in fleets).encode()).hexdigest()
    assert (catalogue.named(name).version, len(fleets), whole[:16]) == (VERSIONS | OLDER)[name]
    assert len({name for name, _ in fleets}) == len(fleets)
    assert len({digest(fleet) for _, fleet in fleets}) == len(fleets)


def test_the_grades_go_from_2_to_8_models_a_gpu() -> None:
    for name in ("uniform", "zero-heavy", "long-tail", "precise", "mixed"):
        ratios = {len(fleet.models) / len(fleet.gpus) for _, fleet in catalogue.load(name)}
        assert ratios == {2, 3, 4, 6, 8}


def test_the_python_of_the_page_runs() -> None:
    page = Path(__file__).parents[2] / "docs" / "studies" / "README.md"
    code = re.search(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(code[1], names)
    assert names["name"] == "prism-49"
    assert names["best"].proved


def test_the_page_names_every_suite_with_its_size() -> None:
    page = Path(__file__).parents[2] / "docs" / "studies" / "README.md"
    rows = dict(
        re.findall(r"^\| `([a-z0-9-]+)` \| (\d+) \|", page.read_text("utf-8"), re.MULTILINE)
    )
    assert rows == {name: str(count) for name, (_, count, _) in VERSIONS.items()}


def test_a_version_can_be_insisted_on() -> None:
    assert catalogue.load("prism50@1") == catalogue.load("prism50")
    with pytest.raises(InputError, match="suite 'prism50' has version 1 here, not '2'"):
        catalogue.load("prism50@2")
    with pytest.raises(InputError, match="suite 'paper' has version 1 and 2 here, not '3'"):
        catalogue.load("paper@3")


def test_an_unknown_suite_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'prism5' is neither a suite .*'prism50'.* nor a file"):
        catalogue.load("prism5")
    with pytest.raises(InputError, match=r"suite 'unifrom' is not known.*'uniform'"):
        catalogue.named("unifrom")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_instance(prism_instance(3), tmp_path / "b.json")
    write_instance(random_instance("mixed", gpus=2, models=4, seed=1), tmp_path / "a.yaml")
    (tmp_path / "notes.txt").write_text("not a fleet")
    return tmp_path


def test_a_folder_is_a_suite(folder: Path) -> None:
    expected = [
        ("a.yaml", digest(random_instance("mixed", gpus=2, models=4, seed=1))),
        ("b.json", digest(prism_instance(3))),
    ]
    for source in (folder, str(folder), [folder / "a.yaml", str(folder / "b.json")]):
        assert [(name, digest(fleet)) for name, fleet in catalogue.load(source)] == expected
    assert [name for name, _ in catalogue.load(f"{folder}/*.json")] == ["b.json"]
    assert [name for name, _ in catalogue.load(folder / "b.json")] == ["b.json"]


def test_a_pcmax_file_is_a_suite_of_both_embeddings() -> None:
    fleets = catalogue.load(PCMAX)
    assert len(fleets) == 82
    assert fleets[0][0] == "p_cmax-E1-n9-m3-minsize1-maxsize20-seed19692@pressure"
    assert fleets[1][0].endswith("@both")
    assert len({name for name, _ in fleets}) == 82


def test_what_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "more").mkdir()
    write_instance(prism_instance(3), folder / "more" / "b.json")
    (folder / "bad.json").write_text("{}")
    for source, message in [
        (folder / "empty", "empty: the folder has no file ending in .json"),
        (f"{folder}/*.yml", r"\*.yml: no file matches the pattern"),
        ([folder / "no.yaml"], "no.yaml: cannot be read"),
        ([folder / "b.json", folder / "more"], "more/b.json: .*/b.json has the same name"),
        (folder / "bad.json", "bad.json: "),
        ([folder / "notes.txt"], "notes.txt"),
    ]:
        with pytest.raises(InputError, match=message):
            catalogue.load(source)  # type: ignore[arg-type]


def test_constrained_fleets_are_those_of_their_family_with_constraints() -> None:
    fleets = dict(catalogue.load("evolve-held-out"))
    fleet = fleets["uniform-constrained1-4x12-s200"]
    plain = random_instance("uniform", gpus=4, models=12, seed=200)
    assert [(m.name, m.size, m.pressure) for m in fleet.models] == [
        (m.name, m.size, m.pressure) for m in plain.models
    ]
    assert [model.pin for model in fleet.models if model.pin] == [("gpu0",), ("gpu1",)]
    assert [model.apart for model in fleet.models if model.apart] == [("pair-0",)] * 2 + [
        ("pair-1",)
    ] * 2
    assert fleet.constraints
    assert not plain.constraints
