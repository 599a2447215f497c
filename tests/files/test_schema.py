"""What a fleet file may say: keys, values, names, and the place in every error."""

import pytest

from kvpr_opt.errors import InputError
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.schema import fleet
from kvpr_opt.files.yaml_tree import yaml_tree
from kvpr_opt.problem.instance import GPU

MODEL = {"name": "m", "size": "1", "pressure": "1"}


def with_gpus(*gpus):
    return {"gpus": list(gpus), "models": []}


def with_models(*models):
    return {"gpus": [{"name": "a", "memory": "80"}], "models": list(models)}


def with_model(**changes):
    changed = {**MODEL, **changes}
    return with_models({key: value for key, value in changed.items() if value is not ...})


def refused(tree, message):
    with pytest.raises(InputError, match=message):
        fleet(tree)


# -- the fleet -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ("text", r"^a fleet is a mapping with the keys gpus and models, not 'text'$"),
        ("", r"not \(nothing\)"),
        ({"gpus": []}, "^no key 'models'"),
        ({"models": []}, "^no key 'gpus'"),
        ({"gpus": [], "models": []}, "^gpus: a fleet needs at least one GPU"),
        ({"gpus": "a", "models": []}, "^gpus: 'a' is not a list"),
        ({"gpus": [{"name": "a", "memory": "1"}], "models": {}}, "^models: a mapping is not a li"),
        (
            {"gpus": [], "model": []},
            r"^model: unknown key \(did you mean 'models'\?\); known: gpus",
        ),
        (with_gpus("a"), r"^gpus\[0\]: 'a' is not a mapping"),
        (with_models([]), r"^models\[0\]: a list is not a mapping"),
        ({**with_models(), "schema": "kvpr-opt/result/1"}, "^schema: 'kvpr-opt/result/1' is not"),
        (
            {**with_models(), "constraints": ["x"]},
            "^constraints: a canonical fleet with constraints",
        ),
        ({**with_models(), "unit": "gigs"}, "^unit: unit 'gigs' is not known; known: GB, GiB"),
    ],
)
def test_a_fleet_is_a_mapping_of_gpus_and_models(tree, message):
    refused(tree, message)


# -- GPUs ----------------------------------------------------------------------------


def test_counted_gpus_are_numbered_in_one_sequence():
    counted = {"count": "2", "memory": "80", "reserved": "1.5"}
    instance = fleet(
        with_gpus(counted, {"name": "big", "memory": "141"}, {**counted, "count": "1"})
    )
    assert instance.gpus == (
        GPU("gpu0", 80, "1.5"),
        GPU("gpu1", 80, "1.5"),
        GPU("big", 141),
        GPU("gpu2", 80, "1.5"),
    )


@pytest.mark.parametrize(
    ("gpus", "message"),
    [
        ([{"memory": "80"}], r"^gpus\[0\]: a GPU needs either a name or a count"),
        ([{"name": "a", "count": "2", "memory": "80"}], r"^gpus\[0\]: a GPU needs either"),
        ([{"name": "a"}], r"^gpus\[0\]: no key 'memory'"),
        ([{"name": "a", "memory": "0"}], r"^gpus\[0\]\.memory: memory 0 is not above 0"),
        ([{"name": "a", "memory": "1", "reserved": "2"}], r"^gpus\[0\]\.reserved: reserved 2 is"),
        ([{"name": "a", "memory": "1", "reserved": ""}], r"reserved \(nothing\) is not a number"),
        ([{"count": "0", "memory": "80"}], r"^gpus\[0\]\.count: count '0' is not a whole number"),
        ([{"count": "1.5", "memory": "80"}], r"^gpus\[0\]\.count: count '1.5' is not a whole"),
        ([{"count": "1e9", "memory": "80"}], r"at most 100000 GPUs in all"),
        ([{"count": "60000", "memory": "80"}] * 2, r"^gpus\[1\]\.count: .* GPUs in all"),
        ([{"name": "a", "memory": "1"}] * 2, r"^gpus\[1\]: name 'a' is taken by gpus\[0\]"),
        (
            [{"count": "3", "memory": "80"}, {"name": "gpu2", "memory": "80"}],
            r"^gpus\[1\]: name 'gpu2' is taken by gpus\[0\] already",
        ),
        (
            [{"name": "gpu2", "memory": "80"}, {"count": "3", "memory": "80"}],
            r"^gpus\[1\]: name 'gpu2' is taken by gpus\[0\] already",
        ),
        (
            [{"name": "a", "memroy": "1"}],
            r"^gpus\[0\]\.memroy: unknown key \(did you mean 'memory'",
        ),
        ([{"name": "a", "size": "1"}], r"^gpus\[0\]\.size: unknown key; known: name, count, mem"),
    ],
)
def test_gpus_are_checked(gpus, message):
    refused(with_gpus(*gpus), message)


# -- models --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slo_ms": "3"}, r"^models\[0\]\.slo_ms: unknown key \(did you mean 'slo'\?\); known: na"),
        ({"zzz": "3"}, r"^models\[0\]\.zzz: unknown key; known: name, size, req_rate, slo, pres"),
        ({"a\nb": "3"}, r"^models\[0\]\.'a\\nb': unknown key"),
        (
            {"k" * 10**7: "3"},
            r"^models\[0\]\.'k{40}'\.\.\. \(10000000 characters\): unknown key; kn",
        ),
        ({"name": ...}, r"^models\[0\]: no key 'name'"),
        ({"size": ...}, r"^models\[0\]: no key 'size'"),
        ({"name": ""}, r"^models\[0\]\.name: name \(nothing\) is not a non-empty text"),
        ({"name": "  "}, r"^models\[0\]\.name: name '  ' is not a non-empty text"),
        ({"name": ["x"]}, r"^models\[0\]\.name: name a list is not a non-empty text"),
        ({"name": "\ud800"}, r"^models\[0\]\.name: name '\\ud800' has half of a surrogate pair"),
        ({"size": "-1"}, r"^models\[0\]\.size: size -1 is not at least 0"),
        ({"size": "no"}, r"^models\[0\]\.size: size 'no' is not a finite decimal number"),
        ({"size": "1:30"}, r"^models\[0\]\.size: size '1:30' is not a finite decimal number"),
        ({"size": "0x1f"}, r"^models\[0\]\.size: size '0x1f' is not a finite decimal number"),
        ({"size": "nan"}, r"^models\[0\]\.size: size 'nan' is not a finite decimal number"),
        ({"size": "1/0"}, r"^models\[0\]\.size: size '1/0' is not a fraction with a denominator"),
        ({"size": None}, r"^models\[0\]\.size: size null is not a number"),
        ({"size": True}, r"^models\[0\]\.size: size true is not a number"),
        ({"size": {}}, r"^models\[0\]\.size: size a mapping is not a number"),
        ({"pressure": "-0.5"}, r"^models\[0\]\.pressure: pressure -0.5 is not at least 0"),
        ({"pressure": ...}, r"^models\[0\]: a model needs either both req_rate and slo, or pres"),
        ({"pressure": ..., "slo": "1"}, r"^models\[0\]: a model needs either both req_rate and"),
        ({"slo": "1"}, r"^models\[0\]\.pressure: give either req_rate and slo, or pressure"),
        (
            {"pressure": ..., "req_rate": "1", "slo": "0"},
            r"^models\[0\]\.slo: slo 0 is not above 0",
        ),
        (
            {"pressure": "2", "req_rate": "4", "slo": "2"},
            r"^models\[0\]\.pressure: give either req_rate and slo, or pressure",
        ),
    ],
)
def test_models_are_checked(changes, message):
    refused(with_model(**changes), message)


def test_two_models_of_one_name_are_refused():
    refused(with_models(MODEL, MODEL), r"^models\[1\]: name 'm' is taken by models\[0\] already")


@pytest.mark.parametrize("key", ["name", "size", "pressure"])
def test_keys_of_the_benchmark_are_not_mixed_with_ours(key):
    record = {"model_name": "m", "model_size": "1", "req_rate": "1", "slo": "1", key: "1"}
    refused(with_models(record), rf"^models\[0\]\.{key}: key '{key}' beside 'model_name'")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_size": "-1"}, r"^models\[0\]\.model_size: size -1 is not at least 0"),
        ({"model_size": ...}, r"^models\[0\]: no key 'model_size'"),
        ({"model_name": ...}, r"^models\[0\]: no key 'model_name'"),
        ({"model_nam": "x"}, r"^models\[0\]\.model_nam: unknown key \(did you mean 'model_name'"),
        ({"pin": "x"}, r"^models\[0\]\.pin: key 'pin' beside 'model_name'"),
    ],
)
def test_errors_in_records_of_the_benchmark_name_its_keys(changes, message):
    record = {"model_name": "m", "model_size": "1", "req_rate": "1", "slo": "1", "cur_gpu_id": "0"}
    changed = {key: value for key, value in {**record, **changes}.items() if value is not ...}
    refused(with_models(changed), message)


# -- numbers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "numerator", "denominator"),
    [
        ("0.1", 1, 10),
        ("16.10", 161, 10),
        ("1e3", 1000, 1),
        ("2.5E-3", 1, 400),
        ('"7/3"', 7, 3),
        ("0.30000000000000000000000000000000000001", 3 * 10**37 + 1, 10**38),
    ],
)
def test_numbers_are_read_digit_by_digit(written, numerator, denominator):
    record = f'{{"name": "m", "size": {written}, "pressure": 1}}'
    for tree in json_tree, yaml_tree:
        (model,) = fleet(tree(f"[{record}]"), [GPU("a", 1)]).models
        assert (model.size.numerator, model.size.denominator) == (numerator, denominator)


@pytest.mark.parametrize(
    "written",
    ["1e400000000", "1e-400000000", "1" * 10_000_000, "0." + "1" * 999],
    ids=["exponent", "negative exponent", "integer", "decimal"],
)
@pytest.mark.parametrize("reader", [json_tree, yaml_tree])
def test_numbers_of_too_many_digits_are_refused_at_once(reader, written):
    tree = reader(f'[{{"name": "m", "size": {written}, "pressure": 1}}]')
    with pytest.raises(InputError, match=r"^models\[0\]\.size: .* of at most 60 digits") as caught:
        fleet(tree, [GPU("a", 1)])
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity"])
def test_what_is_not_finite_is_refused(written):
    tree = json_tree(f'[{{"name": "m", "size": {written}, "pressure": 1}}]')
    with pytest.raises(InputError, match=rf"^models\[0\]\.size: size '{written}' is not a finite"):
        fleet(tree, [GPU("a", 1)])


def test_a_name_in_json_is_text_and_in_yaml_whatever_is_written():
    with pytest.raises(
        InputError, match=r"^models\[0\]\.name: name 5 is not a non-empty text in q"
    ):
        fleet(json_tree('[{"name": 5, "size": 1, "pressure": 1}]'), [GPU("a", 1)])
    names = ["no", "1:30", "0.1", "5", "~", "null", "2024-01-01", "<<", "="]
    tree = yaml_tree("".join(f"- {{name: {name}, size: 1, pressure: 1}}\n" for name in names))
    assert [model.name for model in fleet(tree, [GPU("a", 1)]).models] == names
