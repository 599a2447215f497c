"""The canonical fleet and its digest."""

import hashlib
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvpr_opt.certificates.canonical import canonical_fleet, digest
from kvpr_opt.files import read_instance
from kvpr_opt.problem.instance import GPU, LLM, Instance

FLEET = Instance(
    [GPU("a", 80, reserved=2), GPU("b", "80.5")],
    [LLM("llama", "16.1", req_rate=12, slo="0.5"), LLM("cold", 3, pressure=0)],
)


def test_canonical_fleet_is_compact_json_of_usable_memory_and_reduced_fractions():
    assert canonical_fleet(FLEET) == (
        '{"schema":"kvpr-opt/canonical/1",'
        '"gpus":[{"name":"a","memory":"78"},{"name":"b","memory":"161/2"}],'
        '"models":[{"name":"llama","size":"161/10","pressure":"24"},'
        '{"name":"cold","size":"3","pressure":"0"}],'
        '"constraints":[]}'
    )


def test_digest_is_pinned():
    assert digest(FLEET) == "0fbfc03de9e0451b0671981a6cb936634b289e1886d506f3a43a16e7d746e45b"
    assert digest(FLEET) == hashlib.sha256(canonical_fleet(FLEET).encode()).hexdigest()


def test_only_what_json_demands_is_escaped():
    name = 'Ünïcode "quoted" \\ \n\x01\x7f😀'
    text = canonical_fleet(Instance([GPU(name, 1)], []))
    assert '"name":"Ünïcode \\"quoted\\" \\\\ \\n\\u0001\x7f😀"' in text


def test_order_of_gpus_and_models_matters():
    other = Instance(FLEET.gpus, reversed(FLEET.models))
    assert digest(other) != digest(FLEET)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "fleet.json",
            '{"models": [{"slo": 5e-1, "size": 16.10, "req_rate": "12/1", "name": "llama"},'
            ' {"name": "cold", "pressure": 0.0, "size": "3"}],'
            ' "gpus": [{"reserved": 2, "memory": 80, "name": "a"}, {"name": "b", "memory": 80.5}]}',
        ),
        (
            "fleet.yaml",
            "gpus: [{name: a, memory: 78}, {name: 'b', memory: '161/2'}]\n"
            "models:\n- name: llama\n  size: 1.61e1\n  pressure: 24\n"
            "- {name: cold, size: 3, req_rate: 0, slo: 7}\n",
        ),
    ],
)
def test_digest_depends_on_neither_format_nor_key_order_nor_way_of_writing(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert digest(read_instance(tmp_path / name)) == digest(FLEET)


def test_a_canonical_fleet_is_a_fleet_file_with_the_same_digest(tmp_path):
    path = tmp_path / "canonical.json"
    path.write_text(canonical_fleet(FLEET), encoding="utf-8")
    assert digest(read_instance(path)) == digest(FLEET)


names = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
    unique=True,
    max_size=4,
)
amounts = st.fractions(min_value=0, max_value=1000, max_denominator=1000)


@given(names, st.lists(amounts, min_size=4, max_size=4))
def test_canonical_fleet_says_exactly_what_the_fleet_is(model_names, numbers):
    models = [
        LLM(name, size=number, pressure=number / 3)
        for name, number in zip(model_names, numbers, strict=False)
    ]
    fleet = json.loads(canonical_fleet(Instance([GPU("g", 1)], models)))
    assert list(fleet) == ["schema", "gpus", "models", "constraints"]
    assert [
        (model["name"], Fraction(model["size"]), Fraction(model["pressure"]))
        for model in fleet["models"]
    ] == [(model.name, model.size, model.pressure) for model in models]


@given(
    keys=st.permutations(["name", "size", "req_rate", "slo"]),
    size=st.decimals(0, 1000, places=3),
    rate=st.decimals(0, 1000, places=2),
    slo=st.decimals("0.01", 100, places=2),
    indent=st.sampled_from([None, 0, 3]),
)
def test_digest_is_that_of_the_quantities_however_they_are_written(
    tmp_path_factory, keys, size, rate, slo, indent
):
    written = {"name": "m", "size": f"{size:e}", "req_rate": f"{rate:f}", "slo": str(slo)}
    tree = {"models": [{key: written[key] for key in keys}], "gpus": [{"count": 1, "memory": 9}]}
    path = tmp_path_factory.getbasetemp() / "fleet.json"
    path.write_text(json.dumps(tree, indent=indent), encoding="utf-8")
    direct = LLM("m", size, pressure=Fraction(rate) / Fraction(slo))
    assert digest(read_instance(path)) == digest(Instance([GPU("gpu0", 9)], [direct]))
