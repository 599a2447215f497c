"""Published P||Cmax instances, as fleets whose optimum is known."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path

import pytest

from kvpr_opt import Status, solve, verify
from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import verify_texts
from kvpr_opt.errors import InputError
from kvpr_opt.problem.placement import Placement
from kvpr_opt.suites.pcmax import EMBEDDINGS, Schedule, read_schedules

FILE = Path(__file__).parents[2] / "docs" / "studies" / "data" / "pcmax-100.jsonl"
CLOSED = FILE.with_name("pcmax-closed.jsonl")
SCHEDULES = read_schedules(FILE)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.name)
def test_the_published_optimum_is_found_and_proved(schedule: Schedule, embedding: str) -> None:
    assert schedule.optimum is not None
    optimum = schedule.max_kvpr(schedule.optimum, embedding)
    fleet = schedule.fleet(embedding)
    result = solve(fleet, threads=1, time_limit=30)
    assert result.lower_bound is not None
    assert result.max_kvpr is not None
    assert result.lower_bound <= optimum <= result.max_kvpr
    assert result.status is Status.OPTIMAL
    assert result.certificate is not None
    assert verify(fleet, result.certificate).exit_code in (0, 3)


@pytest.mark.parametrize("schedule", read_schedules(CLOSED), ids=lambda schedule: schedule.name)
def test_the_certificates_of_closed_instances_hold(schedule: Schedule) -> None:
    assert schedule.optimum is not None
    canonical, certificate = (
        (CLOSED.with_suffix("") / f"{schedule.name}{suffix}").read_text(encoding="utf-8").strip()
        for suffix in (".fleet.json", ".json")
    )
    assert canonical == canonical_fleet(schedule.fleet("pressure"))
    assert verify_texts(canonical, certificate).exit_code == 0
    claimed = json.loads(certificate)
    optimum = str(schedule.max_kvpr(schedule.optimum, "pressure"))
    assert (claimed["status"], claimed["max_kvpr"]) == ("optimal", optimum)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_every_schedule_has_the_kvpr_of_its_makespan(embedding: str) -> None:
    schedule = Schedule("s", 3, (5, 4, 3, 3))
    fleet = schedule.fleet(embedding)
    fitting = 0
    for machines in itertools.product(range(3), repeat=4):
        loads = [
            sum(p for p, m in zip(schedule.items, machines, strict=True) if m == machine)
            for machine in range(3)
        ]
        if embedding == "both" and max(loads) >= fleet.gpus[0].memory:
            continue
        fitting += 1
        placement = Placement(fleet, machines)
        assert placement.max_kvpr == schedule.max_kvpr(max(loads), embedding)
    assert fitting == 81


def test_an_instance_without_a_published_optimum_is_a_fleet_too(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('\n{"name": "a", "machines": 2, "items": [3, 1, 2]}\n')
    (schedule,) = read_schedules(path)
    assert schedule == Schedule("a", 2, (3, 1, 2))
    assert schedule.max_kvpr(3, "pressure") == Fraction(3, 100)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not an instance"),
        ('{"name": "b", "machines": 2}', "line 2: not an instance.*items"),
        ('{"name": "b", "machines": 0, "items": [1]}', "line 2.machines: 0 is not at least 1"),
        ('{"name": "b", "machines": 2, "items": [1, -1]}', r"line 2.items\[1\]: -1 is not"),
        ('{"name": "b", "machines": 2, "items": [1.5]}', "line 2: not an instance"),
        ('{"name": "b", "machines": 2, "items": [1], "optimun": 1}', "line 2: .*optimun"),
        ('{"name": "a", "machines": 2, "items": [1]}', "line 2.name: name 'a' appears twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"name": "a", "machines": 2, "items": [3]}\n' + line + "\n")
    with pytest.raises(InputError, match=f"bad.jsonl: {message}"):
        read_schedules(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl"
    path.write_text("\n")
    with pytest.raises(InputError, match="the file has no instance"):
        read_schedules(path)
