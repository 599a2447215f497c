"""The JSON schemas for editors say what the readers say."""

import json
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml
from constrained_fleets import FLEET

from kvpr_opt.errors import InputError
from kvpr_opt.files import read_instance, write_result
from kvpr_opt.files.json_tree import json_tree
from kvpr_opt.files.records import GPU_KEYS, MODEL_KEYS
from kvpr_opt.files.schema import fleet
from kvpr_opt.files.writing import instance_json
from kvpr_opt.generate import FAMILIES, random_instance
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.solve import solve
from kvpr_opt.study.spec.methods import _KEYS
from kvpr_opt.study.spec.read import _TOP_KEYS, read_spec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def schema(name):
    text = (files("kvpr_opt.files") / "schemas" / f"{name}.schema.json").read_text("utf-8")
    return json.loads(text)


def allows(name, data):
    return jsonschema.Draft202012Validator(schema(name)).is_valid(data)


@pytest.mark.parametrize("name", ["fleet", "result", "certificate", "study"])
def test_a_schema_is_one(name):
    jsonschema.Draft202012Validator.check_schema(schema(name))


def test_the_schema_has_the_keys_that_are_read():
    known = schema("fleet")["$defs"]
    assert set(known["gpu"]["properties"]) == set(GPU_KEYS)
    assert set(known["model"]["properties"]) == set(MODEL_KEYS)


def test_a_fleet_with_every_key_is_allowed(tmp_path):
    assert allows("fleet", yaml.safe_load(FLEET))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_written_is_allowed(family):
    gpus, models = (32, 58) if family.startswith("paper") else (32, 96)
    if family == "tight":
        models = 128
    instance = random_instance(family, gpus=gpus, models=models, seed=1)
    assert allows("fleet", json.loads(instance_json(instance)))


MODEL = {"name": "m", "size": 1, "pressure": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"gpus": []},
        {"gpus": [{"memory": 80}]},
        {"gpus": [{"name": "a", "count": 2, "memory": 80}]},
        {"gpus": [{"count": 2, "memory": 80, "uuid": "x"}]},
        {"gpus": [{"name": "a"}]},
        {"gpus": [{"name": "a", "memory": 80, "color": "red"}]},
        {"gpus": [{"name": "a", "memory": "80 gigs"}]},
        {"gpus": [{"name": "a", "memory": -80}]},
        {"gpus": [{"name": "a", "memory": 80, "index": -1}]},
        {"unit": "TB"},
        {"models": {}},
        {"models": [{"name": "m", "size": 1}]},
        {"models": [{"name": "m", "pressure": 1}]},
        {"models": [{"name": "m", "size": 1, "req_rate": 1}]},
        {"models": [{**MODEL, "shards": 0}]},
        {"models": [{**MODEL, "spread": "rack"}]},
        {"models": [{**MODEL, "pin": [""]}]},
        {"models": [{**MODEL, "only": {"x": "y"}}]},
        {"models": [{**MODEL, "slos": 3}]},
        {"model": []},
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(change):
    whole = {"gpus": [{"name": "a", "memory": 80}], "models": [MODEL]}
    assert allows("fleet", whole)
    changed = {**whole, **change}
    assert not allows("fleet", changed)
    with pytest.raises(InputError):
        fleet(json_tree(json.dumps(changed)))


@pytest.mark.parametrize(
    "models",
    [
        [LLM("m", 2, pressure=1), LLM("n", 3, pressure=1)],
        [LLM("m", 2, pressure=1, pin="a"), LLM("n", 3, pressure=1, apart="x")],
        [LLM("m", 2, pressure=1, apart="x"), LLM("n", 3, pressure=1, apart="x")],
        [LLM("m", 20, pressure=1)],
    ],
)
def test_results_and_certificates_are_allowed(tmp_path, models):
    result = solve(Instance([GPU("a", 10), GPU("b", 10)], models), threads=1)
    write_result(result, tmp_path / "result.json")
    assert allows("result", json.loads((tmp_path / "result.json").read_text("utf-8")))
    assert allows("certificate", json.loads(result.certificate.to_json()))


def test_the_example_of_the_page_is_read_and_allowed(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text("utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "fleet.yaml").write_text(example, encoding="utf-8")
    instance = read_instance(tmp_path / "fleet.yaml")
    assert instance.constraints
    assert allows("fleet", yaml.safe_load(example))


# -- studies ---------------------------------------------------------------------------

STUDIES = sorted((Path(__file__).parents[2] / "docs" / "studies").glob("*.toml"))
CELL = {"family": "uniform", "gpus": 2, "models": 4}
STUDY = {"seeds": "0-1", "time_limit": 1, "methods": ["auto"], "cells": [CELL]}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_of_the_documentation_are_allowed(path):
    assert allows("study", tomllib.loads(path.read_text("utf-8")))


def test_the_example_of_the_format_is_allowed():
    page = (Path(__file__).parents[2] / "docs" / "study_format.md").read_text("utf-8")
    assert allows("study", tomllib.loads(page.split("```toml\n")[1].split("```")[0]))


@pytest.mark.parametrize(
    "change",
    [
        {"output": "x"},
        {"seeds": [3, 1]},
        {"time_limit": "none"},
        {"time_limit": 0.5, "threads": 2, "certificates": True},
        {"methods": [{"name": "auto", "gap": "1/100", "skip": ["polish"], "seed": 3}]},
        {"methods": [{"name": "lpt", "threads": 1, "time_limit": 3}]},
        {"cells": [{**CELL, "family": "long-tail", "options": {"skew": "0.5"}}]},
        {"cells": [{"family": "prism", "seeds": [0]}, {"suite": "uniform@1"}]},
        {"cells": [{**CELL, "methods": ["heuristic"]}]},
    ],
)
def test_what_is_read_as_a_study_the_schema_allows(change, tmp_path):
    study_reads({**STUDY, **change}, tmp_path)
    assert allows("study", {**STUDY, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"cells": []},
        {"cells": {}},
        {"cells": [{}]},
        {"cells": [{"family": "uniform", "gpus": 2}]},
        {"cells": [{**CELL, "gpus": 0}]},
        {"cells": [{**CELL, "models": -1}]},
        {"cells": [{**CELL, "colour": 1}]},
        {"cells": [{**CELL, "suite": "uniform"}]},
        {"cells": [{**CELL, "options": {"skews": 1}}]},
        {"cells": [{"family": "prism", "gpus": 3}]},
        {"cells": [{"pcmax": "x.jsonl", "embeddings": ["sizes"]}]},
        {"cells": [{"files": []}]},
        {"seeds": "0..9"},
        {"seeds": [1, 1]},
        {"seeds": []},
        {"seeds": [-1]},
        {"time_limit": 0},
        {"time_limit": "never"},
        {"threads": 0},
        {"methods": []},
        {"methods": [3]},
        {"methods": [{"seed": 1}]},
        {"methods": [{"name": "auto", "gap": 1}]},
        {"methods": [{"name": "auto", "skip": "polish"}]},
        {"methods": [{"name": "auto", "limit": 3}]},
        {"certificates": "yes"},
        {"output": 3},
        {"seed": 3},
    ],
)
def test_what_the_schema_of_studies_refuses_the_reader_refuses(change, tmp_path):
    assert not allows("study", {**STUDY, **change})
    with pytest.raises(InputError):
        study_reads({**STUDY, **change}, tmp_path)


def study_reads(data, folder):
    """Read a study, written as inline TOML, which for these values is JSON with `=`."""
    path = folder / "study.toml"
    path.write_text("".join(f"{key} = {inline(each)}\n" for key, each in data.items()), "utf-8")
    return read_spec(path)


def inline(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


def test_the_schema_of_studies_has_the_keys_that_are_read():
    known = schema("study")
    assert set(known["properties"]) == set(_TOP_KEYS)
    assert set(known["$defs"]["method"]["properties"]) == set(_KEYS)
