"""Fleets from tables."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kvpr_opt import GPU, LLM, Instance
from kvpr_opt.errors import InputError

ROWS = [
    {"name": "a", "size": 16.1, "req_rate": 12, "slo": 0.5, "pressure": None},
    {"name": "b", "size": 3, "req_rate": None, "slo": math.nan, "pressure": "7/3"},
]
FLEET = Instance(
    [GPU("gpu0", 80), GPU("gpu1", 80)],
    [LLM("a", "16.1", req_rate=12, slo="0.5"), LLM("b", 3, pressure="7/3")],
)


def test_rows_may_be_dicts() -> None:
    assert Instance.from_records(ROWS, gpus=2, memory=80) == FLEET
    assert Instance.from_records(iter(ROWS), [GPU("gpu0", 80), GPU("gpu1", 80)]) == FLEET


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_rows_may_be_a_data_frame(library: str) -> None:
    frame = pytest.importorskip(library).DataFrame(
        {"name": ["a", "b"], "size": [16.1, 3], "req_rate": [12, 0], "slo": [0.5, 1]}
    )
    made = Instance.from_records(frame, gpus=1, memory=80)
    assert made.models == (
        LLM("a", "16.1", req_rate=12, slo="0.5"),
        LLM("b", 3, req_rate=0, slo=1),
    )


def test_the_names_of_the_public_benchmark_are_read() -> None:
    row = {"model_name": "a", "model_size": 3, "req_rate": 1, "slo": 2, "cur_gpu_id": 0}
    assert Instance.from_records([row], 1, 80).models == (LLM("a", 3, req_rate=1, slo=2),)


@pytest.mark.parametrize(
    ("rows", "gpus", "memory", "message"),
    [
        ("text", 1, 80, "^rows: str 'text' is neither a list of dicts nor a data frame"),
        ({"name": "a"}, 1, 80, "^rows: dict .* is neither a list of dicts"),
        (7, 1, 80, "^rows: int 7 is neither"),
        ([("a", 3)], 1, 80, r"^rows\[0\]: tuple \('a', 3\) is not a dict with keys such as name"),
        ([{"name": "a", "size": 1, "slo_ms": 2}], 1, 80, r"^rows\[0\]: unknown key 'slo_ms' \(did"),
        ([{"size": 1, "pressure": 0}], 1, 80, r"^rows\[0\]: no key 'name'; the keys are: size, "),
        ([{"name": "a", "size": math.nan}], 1, 80, r"^rows\[0\]: no key 'size'"),
        ([{"name": "a", "size": -1, "pressure": 0}], 1, 80, r"^rows\[0\].size: size -1 is not at"),
        ([], 0, 80, "^gpus: gpus 0 is not at least 1"),
        ([], 1, None, "^memory: a number of GPUs needs the memory of each"),
        ([], [GPU("a", 80)], 80, "^memory: requires a number of GPUs"),
        ([], "two", None, "^gpus: str 'two' is neither a number nor a list of GPUs"),
        ([], ["a"], None, r"^gpus\[0\]: str 'a' is not a GPU"),
    ],
)
def test_a_mistake_says_what_came_and_what_was_expected(
    rows: Any, gpus: Any, memory: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Instance.from_records(rows, gpus, memory)


def test_representations_are_short() -> None:
    assert repr(FLEET) == "<Instance: 2 models on 2 GPUs>"
