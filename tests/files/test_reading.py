"""Reading fleets: formats, what may stand where, and files that are none."""

import io
import os
import stat
import sys
import threading
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.errors import InputError
from kvpr_opt.files import read_instance, source
from kvpr_opt.problem.instance import GPU, LLM, Instance

EXAMPLES = Path(__file__).parents[2] / "examples"

FLEET = Instance(
    [GPU("a", 80, reserved=2), GPU("gpu0", 80), GPU("gpu1", 80)],
    [LLM("llama-8b", "16.1", req_rate=12, slo="0.5"), LLM("cold", 3, pressure=0)],
)
JSON = """
{"gpus": [{"name": "a", "memory": 80, "reserved": 2}, {"count": 2, "memory": 80}],
 "models": [{"name": "llama-8b", "size": 16.1, "req_rate": 12, "slo": 0.5},
            {"name": "cold", "size": 3, "pressure": 0}]}
"""
YAML = """
gpus:   [{name: a, memory: 80, reserved: 2}, {count: 2, memory: 80}]
models: [{name: llama-8b, size: 16.1, req_rate: 12, slo: 0.5}, {name: cold, size: 3, pressure: 0}]
"""


@pytest.fixture
def write(tmp_path):
    def _write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return _write


@pytest.fixture
def standard_input(monkeypatch):
    def _set(text):
        stream = io.TextIOWrapper(io.BytesIO(text.encode("utf-8")))
        monkeypatch.setattr(sys, "stdin", stream)

    return _set


@pytest.mark.parametrize(
    ("name", "text"),
    [("f.json", JSON), ("f.JSON", JSON), ("f.yaml", YAML), ("f.yml", YAML), ("f.yaml", JSON)],
)
def test_a_fleet_reads_the_same_in_every_format(write, name, text):
    assert read_instance(write(name, text)) == FLEET


def test_a_path_may_be_text(write):
    assert read_instance(str(write("f.json", JSON))) == FLEET


@pytest.mark.parametrize("text", [JSON, YAML, "{gpus: [{count: 1, memory: 80}], models: []}"])
def test_standard_input_is_json_or_yaml(standard_input, text):
    standard_input(text)
    assert read_instance("-").gpus[-1].memory == 80


def test_errors_in_standard_input_say_so(standard_input):
    standard_input("gpus: 3")
    with pytest.raises(InputError, match=r"^standard input: no key 'models'"):
        read_instance("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_named_pipe_is_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(JSON,))
    writer.start()
    assert read_instance(pipe) == FLEET
    writer.join()


def test_a_byte_order_mark_is_accepted(write):
    for name, text in [("f.json", JSON), ("f.yaml", YAML)]:
        assert read_instance(write(name, b"\xef\xbb\xbf" + text.encode())) == FLEET
    path = write("m.csv", b"\xef\xbb\xbfname,size,pressure\r\na,1,2\r\n")
    assert read_instance(path, gpus=1, memory=80).models == (LLM("a", 1, pressure=2),)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", '[{"name": "a", "size": 1, "pressure": 2}]'),
        ("m.yaml", "- {name: a, size: 1, pressure: 2}"),
        ("m.yaml", "models: [{name: a, size: 1, pressure: 2}]"),
        ("m.csv", "name,size,pressure\na,1,2\n"),
    ],
)
def test_models_alone_take_their_gpus_from_the_caller(write, name, text):
    fleet = read_instance(write(name, text), gpus=2, memory="80.5")
    assert fleet == Instance([GPU("gpu0", "80.5"), GPU("gpu1", "80.5")], [LLM("a", 1, pressure=2)])


def test_records_of_the_public_benchmark_are_read_and_their_gpu_is_not_used(write):
    record = {"model_name": "a", "model_size": 14, "req_rate": 3, "slo": 7, "cur_gpu_id": 0}
    text = f"[{record}]".replace("'", '"')
    assert read_instance(write("m.json", text), gpus=1, memory=80).models == (
        LLM("a", 14, req_rate=3, slo=7),
    )
    table = "model_name,model_size,req_rate,slo,cur_gpu_id\na,14,3,7,0\n"
    assert read_instance(write("m.csv", table), gpus=1, memory=80).models == (
        LLM("a", 14, req_rate=3, slo=7),
    )


def test_an_empty_list_of_models_is_a_fleet(write):
    assert read_instance(write("f.yaml", "gpus: [{name: a, memory: 1}]\nmodels: []")).models == ()


@pytest.mark.parametrize(
    ("gpus", "memory", "message"),
    [
        (2, None, "number and memory of the GPUs must be given"),
        (None, 80, "number and memory of the GPUs must be given"),
        (0, 80, "gpus 0 is not a whole number from 1 to"),
        (True, 80, "gpus True is not a whole number"),
        (10**9, 80, "gpus 1000000000 is not a whole number from 1 to"),
        (2, 0, "memory 0 is not above 0"),
        (2, float("nan"), "memory nan is not a finite number"),
    ],
)
def test_gpus_given_by_the_caller_are_checked(write, gpus, memory, message):
    with pytest.raises(InputError, match=message):
        read_instance(write("m.csv", "name,size,pressure\n"), gpus=gpus, memory=memory)


def test_gpus_in_the_file_and_from_the_caller_are_refused(write):
    with pytest.raises(InputError, match=r"f\.yaml: gpus: the file lists its own gpus"):
        read_instance(write("f.yaml", YAML), gpus=2, memory=80)


def test_models_without_gpus_are_refused(write):
    with pytest.raises(InputError, match=r"m\.csv: a CSV file lists models only"):
        read_instance(write("m.csv", "name,size,pressure\n"))
    with pytest.raises(InputError, match=r"m\.json: no key 'gpus'"):
        read_instance(write("m.json", "[]"))


# -- files that cannot be read -------------------------------------------------------


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.json: cannot be read: No such file"):
        read_instance(tmp_path / "gone.json")


def test_a_directory_is_refused(tmp_path):
    (tmp_path / "fleet.json").mkdir()
    with pytest.raises(InputError, match=r"fleet\.json: cannot be read: Is a directory"):
        read_instance(tmp_path / "fleet.json")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_an_unreadable_file_is_named(write):
    path = write("f.json", JSON)
    path.chmod(stat.S_IWUSR)
    with pytest.raises(InputError, match=r"f\.json: cannot be read: Permission denied"):
        read_instance(path)


def test_a_nul_in_the_path_is_refused():
    with pytest.raises(InputError, match="cannot be read: embedded null byte"):
        read_instance("fleet\0.json")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fleet.yam", r"suffix '\.yam' .*did you mean '\.yaml'"),
        ("fleet", r"suffix '' .* known: \.json, \.yaml, \.yml, \.csv"),
    ],
)
def test_an_unknown_suffix_is_refused(write, name, message):
    with pytest.raises(InputError, match=message):
        read_instance(write(name, JSON))


def test_what_is_not_utf_8_is_refused_with_its_line(write):
    with pytest.raises(InputError, match=r"f\.yaml: line 2: byte 0xff is not UTF-8 text"):
        read_instance(write("f.yaml", b"gpus: []\nmodels: \xff"))
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_instance(write("f.json", JSON.encode("utf-16")))


def test_a_file_that_is_too_large_is_refused(write, monkeypatch):
    monkeypatch.setattr(source, "MAX_BYTES", 100)
    with pytest.raises(InputError, match=r"f\.json: larger than"):
        read_instance(write("f.json", JSON))


@pytest.mark.parametrize("name", ["f.json", "f.yaml"])
def test_an_empty_file_is_refused(write, name):
    with pytest.raises(InputError, match=name):
        read_instance(write(name, ""))


# -- files of any content ------------------------------------------------------------

CSV = "name,size,req_rate,slo,pressure\na,16.1,12,0.5,\ncold,3,,,0\n"

edits = st.lists(
    st.tuples(
        st.integers(0, 250),
        st.integers(0, 12),
        st.text("{}[]():,\"'&*!#|>-?%@`\\/ \n\r\t0159.eEnN_aé\x00\ufeff\u2028😀", max_size=6),
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("any")


@pytest.mark.parametrize(
    ("name", "text", "given_gpus"),
    [
        ("f.json", JSON, {}),
        ("f.yaml", YAML, {}),
        ("m.csv", CSV, {"gpus": 2, "memory": 80}),
    ],
)
@given(changes=edits)
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_a_fleet_or_one_clear_error(directory, name, text, given_gpus, changes):
    for start, length, inserted in changes:
        text = text[:start] + inserted + text[start + length :]
    path = directory / name
    path.write_bytes(text.encode("utf-8"))
    error = complaint(path, **given_gpus)
    if error is not None:
        assert error.source == str(path)
        assert error.message
        assert "\n" not in str(error)


def complaint(path, **given_gpus):
    """The error that reading a file ends with, if it does; no other may come through."""
    try:
        assert isinstance(read_instance(path, **given_gpus), Instance)
    except InputError as error:
        return error
    return None


# -- the examples --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("small_fleet.yaml", {}),
        ("mixed_fleet.json", {}),
        ("models.csv", {"gpus": 3, "memory": 80}),
    ],
)
def test_examples_read_are_well_filled_and_have_cold_standbys(name, given):
    fleet = read_instance(EXAMPLES / name, **given)
    filled = sum(model.size for model in fleet.models) / sum(gpu.usable for gpu in fleet.gpus)
    assert Fraction(70, 100) <= filled <= Fraction(85, 100)
    assert any(model.pressure == 0 for model in fleet.models)


@pytest.mark.parametrize("number", ["16,1", '"16,1"'])
def test_a_decimal_comma_is_named(tmp_path, number):
    path = tmp_path / "f.yaml"
    path.write_text(
        f"gpus: [{{count: 1, memory: 80}}]\nmodels:\n- name: a\n  size: {number}\n  pressure: 1\n"
    )
    with pytest.raises(InputError, match=r"models\[0\].size: size '16,1' has a comma; write dec"):
        read_instance(path)


def test_a_gpu_that_is_reserved_whole_has_a_canonical_form_that_reads_back(tmp_path):
    fleet = Instance([GPU("a", 80, reserved=80), GPU("b", 80)], [LLM("m", 3, pressure=1)])
    path = tmp_path / "canonical.json"
    path.write_text(canonical_fleet(fleet))
    assert canonical_fleet(read_instance(path)) == canonical_fleet(fleet)
    path.write_text('{"gpus": [{"name": "a", "memory": 0}], "models": []}')
    with pytest.raises(InputError, match=r"gpus\[0\].memory: memory 0 is not above 0"):
        read_instance(path)
