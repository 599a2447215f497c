"""Fleet files as operators write them: every key, units, and what is refused with its place."""

import json
from fractions import Fraction

import pytest
from constrained_fleets import FLEET

from kvpr_opt.certificates.canonical import canonical_fleet, digest
from kvpr_opt.errors import InputError
from kvpr_opt.files import read_instance, write_instance
from kvpr_opt.problem.instance import GPU, LLM, Instance


@pytest.fixture
def read(tmp_path):
    def reading(text, name="fleet.yaml", **beside):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_instance(path, **beside)

    return reading


def test_every_key_is_read(read):
    fleet = read(FLEET)
    assert fleet.unit == "GB"
    gpus, models = (
        {gpu.name: gpu for gpu in fleet.gpus},
        {model.name: model for model in fleet.models},
    )
    assert list(gpus) == ["a", "b", "gpu0", "gpu1", "gpu2", "e"]
    assert gpus["gpu1"].memory == Fraction(81559 * 2**20, 10**9)
    assert gpus["gpu1"].usable == gpus["gpu1"].memory * 95 / 100
    assert (gpus["gpu1"].node, gpus["gpu1"].labels, gpus["gpu1"].type) == (
        "n1",
        ("h100",),
        "H100-80GB",
    )
    assert (gpus["e"].uuid, gpus["e"].index, gpus["e"].labels) == ("GPU-1", 0, ("old",))
    assert [name for name in models if name.startswith("cold")] == [f"cold-{n}" for n in range(4)]
    assert models["cold-1"].size == Fraction(3 * 2**30, 10**9)
    assert models["big/s2"].size == Fraction(141, 4)
    assert models["big/s2"].footprint == Fraction(141, 4) + Fraction(7, 2)
    assert models["big/s2"].current == ("gpu2",)
    assert models["twin/r1"].pressure == Fraction(1, 2)
    assert models["llama-8b"].apart == ("x", "y")


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_what_is_written_is_read_back_equal(read, tmp_path, suffix):
    fleet = read(FLEET)
    path = tmp_path / f"again.{suffix}"
    write_instance(fleet, path)
    again = read_instance(path)
    assert again == fleet
    assert again.models == fleet.models
    assert again.unit == fleet.unit
    assert canonical_fleet(again) == canonical_fleet(fleet)


def test_the_canonical_fleet_names_every_constraint(read):
    canonical = json.loads(canonical_fleet(read(FLEET)))
    assert canonical["schema"] == "kvpr-opt/canonical/2"
    assert [gpu["node"] for gpu in canonical["gpus"]] == ["a", "a"] + ["gpu0"] * 4
    n1 = ["gpu0", "gpu1", "gpu2", "e"]
    assert canonical["constraints"] == [
        *({"kind": "only", "model": f"cold-{n}", "gpus": ["a", "b", *n1[:3]]} for n in range(4)),
        *({"kind": "only", "model": f"big/s{n}", "gpus": n1} for n in range(4)),
        {"kind": "only", "model": "fixed", "gpus": ["a"]},
        {"kind": "apart", "models": ["llama-8b", "twin/r0", "twin/r1"]},
        {"kind": "apart", "models": [f"big/s{n}" for n in range(4)]},
        {"kind": "together", "models": [f"big/s{n}" for n in range(4)]},
        {"kind": "spread", "models": [["twin/r0"], ["twin/r1"]]},
    ]


def test_what_constrains_nothing_leaves_the_digest_alone():
    gpus = [GPU("a", 80, node="n", labels="x"), GPU("b", 80, node="n", uuid="u", type="odd")]
    plain = Instance([GPU("a", 80), GPU("b", 80)], [LLM("m", 10, pressure=4)])
    keys = {"only": ["x", "b"], "apart": "alone", "current": "b", "move_cost": 1, "kv_heads": 8}
    same = Instance(gpus, [LLM("m", 7, pressure=4, overhead=2, kv_floor=1, **keys)])
    assert canonical_fleet(same) == canonical_fleet(plain)
    assert digest(same) == digest(plain)
    pinned = Instance(gpus, [LLM("m", 10, pressure=4, pin="a")])
    assert digest(pinned) != digest(plain)


def test_a_canonical_fleet_with_constraints_is_for_the_checker(read):
    text = canonical_fleet(read(FLEET))
    with pytest.raises(InputError, match="constraints: a canonical fleet with constraints is for"):
        read(text, "canonical.json")


# -- units ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "size", "unit", "expected"),
    [
        ("80", "16", None, (None, 80, 16)),
        ("80GiB", "16GiB", None, ("GiB", 80, 16)),
        ("80GiB", "16GB", None, ("GB", Fraction(80 * 2**30, 10**9), 16)),
        ("80", "16", "GiB", ("GiB", 80, 16)),
        ("80", "16GiB", "MiB", ("MiB", 80, 16384)),
        ("80MB", "1000000bytes", "MB", ("MB", 80, 1)),
        ("80GiB", "0", None, ("GiB", 80, 0)),
    ],
)
def test_units_are_said_or_seen(read, memory, size, unit, expected):
    said = f"unit: {unit}\n" if unit else ""
    fleet = read(
        f"{said}gpus: [{{name: a, memory: {memory}, reserved: 5 %}}]\n"
        f"models: [{{name: m, size: {size}, pressure: 1}}]\n"
    )
    assert (fleet.unit, fleet.gpus[0].memory, fleet.models[0].size) == expected


def test_a_type_counts_as_an_amount_with_a_unit(read):
    fleet = read("gpus: [{name: a, type: T4}]\nmodels: [{name: m, size: 3MiB, pressure: 1}]")
    assert (fleet.unit, fleet.gpus[0].memory) == ("MiB", 15360)


A = "gpus: [{name: a, memory: 80}]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            A + "models: [{name: m, size: 16GB, pressure: 1}]",
            r"gpus\[0\]\.memory: memory '80' has no unit, size '16GB' of models\[0\] has one; give",
        ),
        (
            "gpus: [{name: a, type: T4}]\nmodels: [{name: m, size: 16, pressure: 1}]",
            r"models\[0\]\.size: size '16' has no unit, type 'T4' of gpus\[0\] has one",
        ),
        (
            A + "models: [{name: m, size: 16 gigs, pressure: 1}]",
            r"models\[0\]\.size: size '16 gigs': 'gigs' is not a unit; allowed: a plain",
        ),
        ("unit: TB\n" + A + "models: []", r"unit: unit 'TB' is not known; known: GB, GiB, MB"),
        (
            "gpus: [{name: a, memory: 80, type: T5}, {name: b, type: T5}]\nmodels: []",
            r"gpus\[1\]\.type: type 'T5' is not known; give memory, or one of",
        ),
        (
            "gpus: [{count: 2, memory: 80, uuid: x}]\nmodels: []",
            r"gpus\[0\]\.uuid: uuid requires a name",
        ),
        (
            A + "models: [{name: m, size: 1, pressure: 1, pin: b}]",
            r"models\[0\]\.pin: 'b' is not a GPU of the fleet",
        ),
        (
            A + "models: [{name: m, size: 1, pressure: 1, kv_heads: 0}]",
            r"models\[0\]\.kv_heads: kv_heads 0 is not a whole number from 1",
        ),
        (
            A + "models: [{name: m, size: 1, kv_demand: 1}, {name: n, size: 1, pressure: 1}]",
            r"models\[1\]\.pressure: pressure of model 'n' beside kv_demand of model 'm'",
        ),
        (
            A + "models: [{name: m, size: 1, pressure: 1, only: {x: y}}]",
            r"models\[0\]\.only: only a mapping is not a non-empty text",
        ),
        (
            A + "models: [{name: m, size: 1, pressure: 1, count: 2},"
            "{name: m-1, size: 1, pressure: 1}]",
            r"models\[1\]\.name: name 'm-1' is taken by models\[0\] already",
        ),
    ],
)
def test_bad_keys_are_refused_with_file_place_and_value(read, text, message):
    with pytest.raises(InputError, match=rf"fleet\.yaml: {message}"):
        read(text)


# -- CSV -----------------------------------------------------------------------------


def test_a_table_may_have_every_key_of_a_model(read):
    fleet = read(
        "name,size,pressure,count,only,current\nm,3,1,2,gpu0;gpu1,gpu0;gpu1\nn,1,0,,,\n",
        "fleet.csv",
        gpus=3,
        memory=80,
    )
    assert [model.name for model in fleet.models] == ["m-0", "m-1", "n"]
    assert fleet.models[1].current == ("gpu1",)
    assert fleet.models[0].only == ("gpu0", "gpu1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,size,pressure,pin\nm,3,1,\nn,1,0,gpu9\n", r"row 3\.pin: 'gpu9' is not a GPU"),
        ("name,size,pressure\nm,3GB,1\n", "memory, as given beside the file, has no unit"),
    ],
)
def test_errors_in_a_table_name_the_row(read, text, message):
    with pytest.raises(InputError, match=rf"fleet\.csv: {message}"):
        read(text, "fleet.csv", gpus=3, memory=80)
