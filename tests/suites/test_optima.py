"""Optima: shipped, remembered or proved, and checked in every case."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import pytest
from small_fleets import fleet

from kvpr_opt import Status, solve, verify
from kvpr_opt.certificates.canonical import digest
from kvpr_opt.generate import random_instance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.suites import catalogue, optima
from kvpr_opt.suites.optima import optimum

#: The suites whose optima are shipped.
NAMES = ("prism50", "evolve-train", "evolve-held-out")

SMALL = fleet([10, 10], [(3, 1), (2, 2), (4, 1), (1, 3)])


def no_solving(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("it was solved")

    monkeypatch.setattr(optima, "solve", refuse)


def test_all_50_shipped_optima_are_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    no_solving(monkeypatch)
    found = []
    for _, instance in catalogue.load("prism50"):
        best = catalogue.optimum(instance)
        report = verify(instance, best.certificate)
        assert report.exit_code == 0, report
        assert best.status is Status.OPTIMAL
        assert best.proved
        assert best.placement is not None
        assert best.placement.max_kvpr == best.max_kvpr == best.lower_bound
        found.append(best.max_kvpr)
    mean = sum(value for value in found if value is not None) / 50
    assert 25.25597174953 < 1 / mean < 25.25597174954


def test_the_shipped_file_has_no_more_than_that() -> None:
    fleets = [named for name in NAMES for _, named in catalogue.load(name)]
    assert set(optima._shipped()) == set(map(digest, fleets))


@pytest.mark.parametrize("name", ["evolve-train", "evolve-held-out"])
def test_the_optima_of_the_suites_for_evolution_are_proved(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    no_solving(monkeypatch)
    for _, instance in catalogue.load(name):
        assert catalogue.optimum(instance).status is Status.OPTIMAL


def test_no_fleet_of_the_one_suite_is_in_the_other() -> None:
    train, held_out = ({digest(f) for _, f in catalogue.load(name)} for name in NAMES[1:])
    assert not train & held_out


def test_an_optimum_is_proved_once_and_then_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = optimum(SMALL, 30, threads=1)
    assert first.proved
    assert first.note == ""
    assert first.max_kvpr == solve(SMALL, threads=1).max_kvpr
    (entry,) = (tmp_path / "kvpr-opt" / "optima").iterdir()
    assert entry.name == f"{digest(SMALL)}.json"
    no_solving(monkeypatch)
    assert optimum(SMALL, 30) == first


def forge_value(entry: dict[str, object]) -> None:
    certificate = json.loads(str(entry["certificate"]))
    certificate["bounds"][0]["value"] = certificate["max_kvpr"] = "1000"
    entry["certificate"] = json.dumps(certificate)


def forge_word(entry: dict[str, object]) -> None:
    certificate = json.loads(str(entry["certificate"]))
    certificate["bounds"][0]["proof"] = {
        "kind": "solver",
        "solver": "s",
        "version": "1",
        "threshold": certificate["bounds"][0]["value"],
        "parameters": {},
    }
    entry["certificate"] = json.dumps(certificate)


def forge_schema(entry: dict[str, object]) -> None:
    entry["schema"] = "kvpr-opt/optimum/0"


def forge_fleet(entry: dict[str, object]) -> None:
    other = solve(fleet([10], [(3, 1)]), threads=1).certificate
    assert other is not None
    entry["certificate"] = other.to_json()


@pytest.mark.parametrize("forge", [forge_value, forge_word, forge_schema, forge_fleet])
def test_a_false_entry_is_not_believed(tmp_path: Path, forge: object) -> None:
    true = optimum(SMALL, threads=1, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    entry = json.loads(path.read_text())
    forge(entry)  # type: ignore[operator]
    path.write_text(json.dumps(entry))
    again = optimum(SMALL, threads=1, folder=tmp_path)
    assert again.certificate == true.certificate
    assert "was not used" in again.note
    assert str(path) in again.note
    assert "\n" not in again.note
    assert optimum(SMALL, threads=1, folder=tmp_path).note == ""


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b"[]", b'{"schema": 1}'])
def test_a_damaged_entry_is_not_believed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"{digest(SMALL)}.json").write_bytes(content)
    assert "was not used" in optimum(SMALL, threads=1, folder=tmp_path).note
    assert optimum(SMALL, threads=1, folder=tmp_path).note == ""


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = optimum(SMALL, threads=1, folder=tmp_path / "file")
    assert found.proved
    assert "the result was not cached" in found.note


def open_instance() -> Instance:
    return random_instance("uniform", gpus=12, models=72, seed=0)


def test_what_is_open_is_taken_up_again_only_with_more_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = open_instance()
    calls: list[dict[str, object]] = []

    def cut_short(instance: Instance, **options: object) -> object:
        calls.append(options)
        start = options["warm_start"]
        return solve(instance, method="heuristic", skip=("relief",), warm_start=start)  # type: ignore[arg-type]

    monkeypatch.setattr(optima, "solve", cut_short)
    first = optimum(instance, 1, folder=tmp_path)
    assert first.status is Status.FEASIBLE
    assert not first.proved
    assert first.gap
    assert first.max_kvpr is not None
    assert 0 < first.lower_bound < first.max_kvpr
    assert optimum(instance, 1, folder=tmp_path) == first
    assert optimum(instance, 0.5, folder=tmp_path) == first
    assert len(calls) == 1
    second = optimum(instance, 2, folder=tmp_path)
    assert second.max_kvpr is not None
    assert second.max_kvpr <= first.max_kvpr
    assert calls[1]["warm_start"] == first.placement
    assert optimum(instance, None, folder=tmp_path)
    assert optimum(instance, 10_000, folder=tmp_path)
    assert len(calls) == 3


def test_a_word_of_a_solver_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_word(instance: Instance, **_options: object) -> object:
        return solve(instance, method="assignment_cpsat", skip=("counting_bound",), threads=1)

    monkeypatch.setattr(optima, "solve", by_word)
    # A run looks for a proof of what a solver said; here it finds none.
    monkeypatch.setattr("kvpr_opt.patterns.proofs.case_proof.prove_bound", lambda *_: None)
    instance = fleet([10, 10], [(3, 5), (3, 5), (3, 5)])
    claimed = by_word(instance)
    assert claimed.status is Status.OPTIMAL  # type: ignore[attr-defined]
    assert not claimed.certified  # type: ignore[attr-defined]
    found = optimum(instance, folder=tmp_path)
    assert found.status is Status.FEASIBLE
    assert found.lower_bound < Fraction(claimed.max_kvpr)  # type: ignore[attr-defined]


def test_an_infeasible_fleet_is_proved_so(tmp_path: Path) -> None:
    found = optimum(fleet([4, 4], [(5, 1)]), threads=1, folder=tmp_path)
    assert found.proved
    assert found.lower_bound == math.inf
    assert found.placement is None
    assert found.gap is None
    assert optimum(fleet([4, 4], [(5, 1)]), folder=tmp_path) == found


def test_a_fleet_without_pressure_has_the_optimum_0(tmp_path: Path) -> None:
    found = optimum(fleet([4], [(2, 0)]), threads=1, folder=tmp_path)
    assert found.proved
    assert found.max_kvpr == found.lower_bound == found.gap == 0


@pytest.mark.slow
def test_the_shipped_optima_are_those_that_solving_finds() -> None:
    for instance in (named for name in NAMES for _, named in catalogue.load(name)):
        assert solve(instance, threads=1).max_kvpr == optimum(instance).max_kvpr
