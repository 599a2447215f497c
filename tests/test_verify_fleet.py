"""The checker reads a fleet with constraints, and refuses what is none."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from kvpr_opt.verify import read_fleet

#: The module: the package has a function of its name.
CHECKER = importlib.import_module("kvpr_opt.verify")

GPUS: list[Any] = [
    {"name": "a", "memory": "10", "node": "a"},
    {"name": "b", "memory": "10", "node": "a"},
    {"name": "c", "memory": "10"},
]
MODELS = [{"name": name, "size": "1", "pressure": "1"} for name in "stuvw"]
ONLY: dict[str, Any] = {"kind": "only", "model": "s", "gpus": ["a", "b"]}
APART: dict[str, Any] = {"kind": "apart", "models": ["s", "t"]}
TOGETHER: dict[str, Any] = {"kind": "together", "models": ["u", "v"]}
SPREAD: dict[str, Any] = {"kind": "spread", "models": [["u", "v"], ["w"]]}


def canonical(
    *constraints: Any, gpus: list[Any] = GPUS, models: list[Any] = MODELS, version: int = 2
) -> str:
    return json.dumps(
        {
            "schema": f"kvpr-opt/canonical/{version}",
            "gpus": gpus,
            "models": models,
            "constraints": list(constraints),
        }
    )


def test_a_fleet_with_each_kind_of_constraint_is_read() -> None:
    read = read_fleet(canonical(ONLY, APART, TOGETHER, SPREAD)).constraints
    assert read.only == {"s": frozenset("ab")}
    assert read.apart == [["s", "t"]]
    assert read.together == [["u", "v"]]
    assert read.spread == [[["u", "v"], ["w"]]]
    assert read.nodes == {"a": "a", "b": "a", "c": "c"}


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (5, "none of the kinds"),
        (None, "none of the kinds"),
        ("only", "none of the kinds"),
        ({"kind": "never", "model": "s", "gpus": ["a"]}, "none of the kinds"),
        ({**ONLY, "more": "x"}, "exactly these keys"),
        ({**ONLY, "model": "x"}, "what the fleet does not have"),
        ({**ONLY, "gpus": ["x"]}, "what the fleet does not have"),
        ({**ONLY, "gpus": ["s"]}, "what the fleet does not have"),
        ({**ONLY, "gpus": [1]}, "what the fleet does not have"),
        ({**APART, "models": [["s"]]}, "what the fleet does not have"),
        ({**APART, "models": [{"s": "t"}]}, "what the fleet does not have"),
        ({**ONLY, "gpus": ["a", "a"]}, "a name twice"),
        ({**ONLY, "gpus": []}, "an empty list"),
        ({**APART, "models": ["a"]}, "what the fleet does not have"),
        ({**APART, "models": []}, "an empty list"),
        ({**TOGETHER, "models": ["u", "u"]}, "a name twice"),
        ({**SPREAD, "models": ["u", "v"]}, "no list of models"),
        ({**SPREAD, "models": [["u"], []]}, "no list of models"),
        ({**SPREAD, "models": [["u"], ["u"]]}, "a name twice"),
        ({**SPREAD, "models": []}, "an empty list"),
    ],
)
def test_what_is_no_constraint_is_refused(constraint: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_fleet(canonical(TOGETHER, constraint))


def test_a_model_has_one_list_of_gpus() -> None:
    other = {"kind": "only", "model": "t", "gpus": ["a"]}
    assert len(read_fleet(canonical(ONLY, other)).constraints.only) == 2
    with pytest.raises(ValueError, match="two constraints of the kind only"):
        read_fleet(canonical(ONLY, {**ONLY, "gpus": ["c"]}))


def test_constraints_are_of_version_2_and_a_fleet_without_them_is_of_version_1() -> None:
    plain = [{"name": "c", "memory": "10"}]
    assert read_fleet(canonical(gpus=plain, version=1)).constraints.only == {}
    for text in [
        canonical(gpus=plain),
        canonical(APART, gpus=plain, version=1),
        canonical(gpus=[{"name": "a", "memory": "10", "node": "a"}], version=1),
    ]:
        with pytest.raises(ValueError, match=r"constraints are what|exactly these keys"):
            read_fleet(text)


@pytest.mark.parametrize("gpu", [None, 5, "node", ["node"], {"node": "a"}])
def test_what_is_no_gpu_is_refused(gpu: Any) -> None:
    with pytest.raises(ValueError, match="exactly these keys"):
        read_fleet(canonical(APART, gpus=[*GPUS, gpu]))


def test_a_node_is_called_by_one_of_its_gpus() -> None:
    with pytest.raises(ValueError, match="a node is not called by one of its GPUs"):
        read_fleet(canonical(APART, gpus=[*GPUS, {"name": "d", "memory": "10", "node": "x"}]))


def test_the_names_of_all_constraints_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    text = canonical(ONLY, APART, TOGETHER, SPREAD)
    names = 3 + 2 + 2 + 3
    monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(constraint_names=names))
    read_fleet(text)
    monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(constraint_names=names - 1))
    with pytest.raises(ValueError, match="have 10 names, more than 9"):
        read_fleet(text)
