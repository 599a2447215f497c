"""Fleets written and read again."""

import os
from decimal import Decimal
from fractions import Fraction

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kvpr_opt.errors import InputError
from kvpr_opt.files import read_instance, write_instance
from kvpr_opt.problem.instance import GPU, LLM, Instance

FLEET = Instance(
    [GPU("a", "80.5", reserved=2), GPU("no", 80)],
    [
        LLM("llama-8b", "16.1", req_rate=12, slo="0.5"),
        LLM("1e3", Fraction(7, 3), pressure=0),
        LLM('_ "odd"\n_', 0, req_rate="1/3", slo=1),
    ],
)


def test_json_is_laid_out_one_record_a_line(tmp_path):
    path = tmp_path / "fleet.json"
    write_instance(FLEET, path)
    assert path.read_text(encoding="utf-8") == (
        "{\n"
        '  "gpus": [\n'
        '    {"name": "a", "memory": 80.5, "reserved": 2},\n'
        '    {"name": "no", "memory": 80}\n'
        "  ],\n"
        '  "models": [\n'
        '    {"name": "llama-8b", "size": 16.1, "req_rate": 12, "slo": 0.5},\n'
        '    {"name": "1e3", "size": "7/3", "pressure": 0},\n'
        '    {"name": "_ \\"odd\\"\\n_", "size": 0, "req_rate": "1/3", "slo": 1}\n'
        "  ]\n"
        "}\n"
    )


def test_yaml_is_laid_out_one_record_a_line(tmp_path):
    path = tmp_path / "fleet.yaml"
    write_instance(FLEET, path)
    assert path.read_text(encoding="utf-8") == (
        "gpus:\n"
        "  - {name: a, memory: 80.5, reserved: 2}\n"
        '  - {name: "no", memory: 80}\n'
        "models:\n"
        "  - {name: llama-8b, size: 16.1, req_rate: 12, slo: 0.5}\n"
        '  - {name: "1e3", size: "7/3", pressure: 0}\n'
        '  - {name: "_ \\"odd\\"\\U0000000a_", size: 0, req_rate: "1/3", slo: 1}\n'
    )


def test_yaml_names_are_text_to_other_readers_too(tmp_path):
    names = [
        "no",
        "Null",
        "on",
        "y",
        "1e3",
        "0x10",
        "a1",
        ".inf",
        "v1.2",
        "-",
        "a: b",
        "x#y",
        "e-1",
    ]
    path = tmp_path / "fleet.yaml"
    write_instance(Instance([GPU("g", 1)], [LLM(name, 1, pressure=1) for name in names]), path)
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [model["name"] for model in read["models"]] == names


@pytest.mark.parametrize("name", ["fleet.json", "fleet.yaml", "fleet.yml"])
def test_a_fleet_without_models_is_written(tmp_path, name):
    fleet = Instance([GPU("a", 1)], [])
    write_instance(fleet, tmp_path / name)
    assert read_instance(tmp_path / name) == fleet


@pytest.mark.parametrize("name", ["fleet.csv", "fleet.txt", "fleet"])
def test_another_suffix_is_refused_and_nothing_written(tmp_path, name):
    with pytest.raises(InputError, match=r"\.json, \.yaml"):
        write_instance(FLEET, tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_dash_is_standard_output_in_json(capsys, tmp_path):
    write_instance(FLEET, "-")
    path = tmp_path / "fleet.json"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert read_instance(path) == FLEET


names = (
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    | st.sampled_from(
        [
            *[
                "no",
                "1e3",
                "null",
                "~",
                " lead",
                "trail ",
                "a\nb",
                "a\r\nb",
                "tab\t",
                "'",
                '"',
                "\\",
            ],
            *["{}", "[a]", "a, b", "a: b", "# c", "- d", "&e", "*f", "!g", "%h", "@i", "`j", "? k"],
            *["\x85", "\u2028", "\ufeffbom", "\ufffe", "😀", "\x7f", "\x00", "é", "x" * 3000],
        ]
    )
).filter(str.strip)
numbers = (
    st.integers(min_value=0, max_value=10**60 - 1).map(Fraction)
    | st.fractions(min_value=0, max_value=10**6, max_denominator=10**12)
    | st.decimals(min_value=0, max_value=10**6, allow_nan=False, allow_infinity=False)
    .filter(lambda number: number == 0 or abs(number.adjusted()) < 20)
    .map(Fraction)
    | st.builds(Fraction, st.integers(0, 10**59), st.just(2**190))
)
positive = numbers.filter(bool)


@st.composite
def gpus(draw, name):
    memory = draw(positive)
    return GPU(name, memory, reserved=draw(st.sampled_from([Fraction(0), memory]) | st.just(0)))


def models(name):
    by_rate = st.builds(LLM, st.just(name), numbers, req_rate=numbers, slo=positive)
    return by_rate | st.builds(LLM, st.just(name), numbers, pressure=numbers)


@st.composite
def fleets(draw):
    gpu_names = draw(st.lists(names, unique=True, min_size=1, max_size=3))
    model_names = draw(st.lists(names, unique=True, max_size=3))
    return Instance(
        [draw(gpus(name)) for name in gpu_names], [draw(models(name)) for name in model_names]
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("fleets")


@pytest.mark.parametrize("suffix", ["json", "yaml"])
@given(fleet=fleets())
def test_what_is_written_is_read_back_equal(directory, suffix, fleet):
    path = directory / f"fleet.{suffix}"
    write_instance(fleet, path)
    assert read_instance(path) == fleet


def test_numbers_of_many_digits_are_written_so_that_they_are_read_back(tmp_path):
    amounts = [Fraction(10**60 - 1), Fraction(3, 2**190), Fraction(10**59 + 1, 2**60)]
    amounts += [Fraction(Decimal("1e-60")), Fraction(1, 10**60 - 1)]
    fleet = Instance(
        [GPU("a", 1)], [LLM(f"m{n}", size, pressure=1) for n, size in enumerate(amounts)]
    )
    for name in "fleet.json", "fleet.yaml":
        write_instance(fleet, tmp_path / name)
        assert read_instance(tmp_path / name) == fleet
