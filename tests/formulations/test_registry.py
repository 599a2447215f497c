"""The registry: names, capabilities, and what it loads."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from small_fleets import TRAP

import kvpr_opt as kv
from formulations.registry import (
    ENTRIES,
    NAMES,
    OPTIMISERS,
    ORACLES,
    capabilities_of,
    check_name,
    create,
)
from kvpr_opt import kernels, warm_up
from kvpr_opt.errors import InputError
from kvpr_opt.generate import random_instance


def test_capabilities_are_read_without_loading_a_solver() -> None:
    program = (
        "import sys\n"
        "from formulations.registry import ENTRIES\n"
        "print(*(entry.capabilities for entry in ENTRIES.values()))\n"
        "print(*sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True
    ).stdout.splitlines()
    assert "mixed_memory=True" in output[0]
    loaded = set(output[1].split())
    assert loaded.isdisjoint({"ortools", "pulp", "highspy", "numba", "pandas"})


def test_every_formulation_is_an_oracle_or_an_optimiser() -> None:
    assert sorted((*ORACLES, *OPTIMISERS)) == sorted(NAMES)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean 'assignment_pulp'.*known: auto.*direct"):
        check_name("asignment_pulp", others=("auto",))
    with pytest.raises(InputError, match=r"did you mean 'assignment_pulp'"):
        check_name("asignment_pulp:highs")


def test_a_solver_can_be_named_where_the_model_is_in_pulp() -> None:
    for name, entry in ENTRIES.items():
        if entry.capabilities.export:
            assert create(f"{name}:highs", TRAP).name == name
        else:
            with pytest.raises(InputError, match=f"{name} has a solver of its own.*direct_pulp"):
                check_name(f"{name}:highs")
    with pytest.raises(InputError, match="auto has a solver of its own"):
        check_name("auto:highs", others=("auto",))


def test_an_unknown_solver_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"solver 'higs' is not known \(did you mean 'highs'\?\)"):
        check_name("assignment_pulp:higs")


@pytest.mark.parametrize("name", NAMES)
def test_kernels_are_made_ready_for_those_that_run_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def start() -> SimpleNamespace:
        started.append(name)
        return SimpleNamespace(over=True, message="cannot")

    monkeypatch.setattr(kernels, "are_ready", lambda *_: False)
    monkeypatch.setattr(warm_up, "background_compiler", start)
    instance = random_instance("uniform", gpus=3, models=7, seed=0)
    kv.solve(instance, method=name, threads=1, skip=("heuristic",), time_limit=20)
    assert bool(started) == capabilities_of(name).compiled


def test_capabilities_are_those_of_the_name_before_the_solver() -> None:
    assert capabilities_of("arcflow_pulp:highs") == ENTRIES["arcflow_pulp"].capabilities


def test_where_kernels_cannot_be_kept_the_default_formulation_takes_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = SimpleNamespace(over=True, message="no space left on device")
    monkeypatch.setattr(kernels, "are_ready", lambda *_: False)
    monkeypatch.setattr(warm_up, "background_compiler", lambda: failed)
    instance = random_instance("uniform", gpus=3, models=7, seed=0)
    result = kv.solve(instance, method="pattern_lp", threads=1, skip=("heuristic",))
    assert result.status is kv.Status.OPTIMAL
    assert "no space left" in result.statistics["kernels"]
    assert any("assignment_cpsat" in event["stage"] for event in result.statistics["trajectory"])
