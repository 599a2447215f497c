"""The problem: what a fleet may be, and what is refused."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import pytest

from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import GPU, LLM, Instance


def test_quantities_are_exact_as_written() -> None:
    model = LLM("m", size="16.1", req_rate=0.1, slo=0.3)
    assert model.size == Fraction(161, 10)
    assert model.pressure == Fraction(1, 3)
    assert GPU("g", memory=80, reserved="1.5").usable == Fraction(157, 2)


def test_pressure_may_be_given_directly() -> None:
    assert LLM("m", 3, pressure="7/3").pressure == Fraction(7, 3)


def test_replacing_a_field_keeps_the_rest() -> None:
    model = LLM("m", 3, 9, 5)
    assert dataclasses.replace(model, size=4) == LLM("m", 4, 9, 5)


@pytest.mark.parametrize(
    ("arguments", "place", "reason"),
    [
        ({"size": -1, "pressure": 1}, "size", "at least 0"),
        ({"size": 1, "req_rate": -1, "slo": 1}, "req_rate", "at least 0"),
        ({"size": 1, "req_rate": 1, "slo": 0}, "slo", "above 0"),
        ({"size": 1, "req_rate": 1, "slo": -2}, "slo", "above 0"),
        ({"size": 1, "pressure": -1}, "pressure", "at least 0"),
        ({"size": float("nan"), "pressure": 1}, "size", "finite"),
        ({"size": 1, "req_rate": 1}, "", "either both req_rate and slo, or pressure"),
        ({"size": 1, "slo": 1}, "", "either both req_rate and slo, or pressure"),
        ({"size": 1}, "", "either both req_rate and slo, or pressure"),
        ({"size": 1, "slo": 1, "pressure": 1}, "", "either both"),
        ({"size": 1, "req_rate": 2, "slo": 1, "pressure": 1}, "pressure", "is not req_rate / slo"),
    ],
)
def test_a_model_out_of_range_is_refused(
    arguments: dict[str, Any], place: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        LLM("m", **arguments)
    assert caught.value.place == place


@pytest.mark.parametrize(
    ("arguments", "place", "reason"),
    [
        ({"memory": 0}, "memory", "above 0"),
        ({"memory": -80}, "memory", "above 0"),
        ({"memory": 80, "reserved": -1}, "reserved", "at least 0"),
        ({"memory": 80, "reserved": 81}, "reserved", "more than the memory 80 of GPU 'g'"),
    ],
)
def test_a_gpu_out_of_range_is_refused(arguments: dict[str, Any], place: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        GPU("g", **arguments)
    assert caught.value.place == place


@pytest.mark.parametrize("name", ["", "  ", 7, None])
def test_a_name_is_text(name: Any) -> None:
    with pytest.raises(InputError, match="non-empty text"):
        GPU(name, 80)


def test_a_name_is_valid_unicode() -> None:
    with pytest.raises(InputError, match="not valid Unicode"):
        GPU("half a pair \ud800", 80)


def test_names_are_unique_and_the_place_is_told() -> None:
    gpus = [GPU("g", 80), GPU("h", 80), GPU("g", 40)]
    with pytest.raises(InputError, match=r"gpus\[2\].name: name 'g' is taken by gpus\[0\]"):
        Instance(gpus, [])
    models = [LLM("m", 1, pressure=0), LLM("m", 2, pressure=0)]
    with pytest.raises(InputError, match=r"models\[1\].name: name 'm' is taken by models\[0\]"):
        Instance(gpus[:2], models)


def test_a_fleet_needs_a_gpu_but_no_model() -> None:
    with pytest.raises(InputError, match="at least one GPU"):
        Instance([], [])
    assert Instance([GPU("g", 80)], []).models == ()


def test_a_fleet_is_frozen_and_hashable() -> None:
    fleet = Instance([GPU("g", 80)], [LLM("m", 1, pressure=0)])
    assert hash(fleet) == hash(Instance([GPU("g", 80)], [LLM("m", 1, pressure=0)]))
    with pytest.raises(dataclasses.FrozenInstanceError):
        fleet.models = ()  # type: ignore[misc]
