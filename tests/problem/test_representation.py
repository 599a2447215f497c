"""GPUs and models show themselves as the call that makes them, and as no more than that."""

from __future__ import annotations

import pytest

from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.llm import Part

THINGS = [
    (GPU("a", 80), "GPU('a', memory=80)"),
    (GPU("a", "80.5", reserved=2), "GPU('a', memory=80.5, reserved=2)"),
    (GPU("a", 80, node="n", labels="fast"), "GPU('a', memory=80, node='n', labels='fast')"),
    (GPU("a", type="L4", unit="GiB"), "GPU('a', memory=22.494140625, type='L4', unit='GiB')"),
    (LLM("m", 16, 9, 5), "LLM('m', size=16, req_rate=9, slo=5)"),
    (LLM("m", "0.1", pressure="7/3"), "LLM('m', size=0.1, pressure='7/3')"),
    (LLM("m", 3, pressure=0, pin="a"), "LLM('m', size=3, pressure=0, pin='a')"),
    (LLM("m", 3, kv_demand=2, only=["a", "b"]), "LLM('m', size=3, kv_demand=2, only=('a', 'b'))"),
    (
        LLM("m", 10**20, token_rate=3, kv_bytes_per_token=2, tpot_slo=4, shards=2),
        f"LLM('m', size={10**20}, token_rate=3, kv_bytes_per_token=2, tpot_slo=4, shards=2)",
    ),
    # More digits than a float keeps: as text, or they would not come back.
    (LLM("m", "0.12345678901234567890", pressure=1), None),
    (LLM("m", "1e-9", pressure="1e-30"), None),
]


@pytest.mark.parametrize(("thing", "text"), THINGS, ids=lambda value: repr(value)[:30])
def test_what_is_shown_makes_the_same_again(thing: GPU | LLM, text: str | None) -> None:
    assert eval(repr(thing)) == thing
    assert text is None or repr(thing) == text


def test_the_parts_of_a_model_show_what_they_are_parts_of() -> None:
    gpus = [GPU("a", 80, node="n"), GPU("b", 80, node="n")]
    for part in Instance(gpus, [LLM("m", 3, 9, 5, shards=2)]).models:
        assert eval(repr(part), {"LLM": LLM, "Part": Part}) == part
        assert "part=Part(model='m'" in repr(part)
