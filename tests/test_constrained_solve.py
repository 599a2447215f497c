"""Fleets with constraints, solved: equal to a brute force, whatever the constraints."""

import itertools
import json
import math
import random
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from constrained_fleets import KINDS, brute_force, legal, random_constrained
from hypothesis import given, settings
from hypothesis import strategies as st

from formulations.registry import ENTRIES
from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.errors import InputError
from kvpr_opt.files.reading import read_instance
from kvpr_opt.files.writing import write_instance
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.result import Status
from kvpr_opt.solve import solve

#: Each constraint alone, and every pair.
CHOICES = [*((kind,) for kind in KINDS), *itertools.combinations(KINDS, 2)]


#: The engine, and every formulation that says it keeps constraints.
METHODS = ["auto", *(name for name, entry in ENTRIES.items() if entry.capabilities.constraints)]


def equals_brute_force(instance):
    optimum = brute_force(instance)
    for method in METHODS:
        result = solve(instance, threads=1, time_limit=60, method=method)
        assert "not checked" not in result.message
        assert result.lower_bound == optimum
        if optimum == math.inf:
            assert result.placement is None
            assert result.message
        else:
            assert result.max_kvpr == optimum
            assert legal(instance, tuple(instance.gpus[gpu] for gpu in result.placement.gpu_of))


def test_a_formulation_that_keeps_constraints_is_among_the_methods():
    assert "assignment_cpsat" in METHODS


@pytest.mark.parametrize("kinds", CHOICES, ids="-".join)
def test_it_equals_brute_force(kinds):
    for seed in range(10):
        random_ = random.Random(f"few {kinds} {seed}")
        equals_brute_force(random_constrained(random_, kinds, most_parts=5))


@pytest.mark.slow
@pytest.mark.parametrize("kinds", CHOICES, ids="-".join)
@pytest.mark.parametrize("block", range(20))
def test_it_equals_brute_force_on_1000_fleets_of_each_kind(kinds, block):
    for seed in range(50 * block, 50 * (block + 1)):
        equals_brute_force(random_constrained(random.Random(f"{kinds} {seed}"), kinds))


@pytest.mark.parametrize("method", ["direct_pulp", "pattern_lp"])
def test_a_method_that_would_ignore_constraints_is_refused(method):
    instance = Instance([GPU("a", 9), GPU("b", 9)], [LLM("m", 1, pressure=1, pin="a")])
    with pytest.raises(InputError, match="does not support constraints, which the fleet has"):
        solve(instance, method=method)


# -- why there is no placement ---------------------------------------------------------

NODES = [GPU("a", 10, node="n"), GPU("b", 10, node="n"), GPU("c", 10, node="m")]


@pytest.mark.parametrize(
    ("models", "cause"),
    [
        ([(7, {"pin": "a"}), (6, {"pin": "a"})], "'m0' and 'm1' are pinned to 'a' and do not fit"),
        (
            [(1, {"pin": "a", "apart": "x"})] * 2,
            r"'m0' and 'm1' are pinned to 'a', but are to be apart \(group 'x'\)",
        ),
        ([(11, {"pin": "a"})], "'m0' is pinned to 'a' and does not fit it"),
        ([(10, {"pin": "a"})], "'m0' pinned to 'a' fill it: nothing is left"),
        (
            [(1, {"apart": "x"})] * 4,
            r"'m0', 'm1', 'm2' and 'm3' are to be apart \(group 'x'\), but there are 3 GPUs",
        ),
        (
            [(1, {"apart": "x"})] * 9,
            r"'m0', 'm1', 'm2', 'm3' and 5 more are to be apart \(group 'x'\), but there are 3",
        ),
        (
            [(6, {"only": ["a", "b"]})] * 3,
            "no placement keeps all constraints; without pin, only and never there would be one",
        ),
        (
            [(6, {"shards": 2}), (8, {"pin": "b"}), (1, {}), (9, {"never": "c"})],
            "no placement keeps all constraints; without apart, replicas and shards on different "
            "GPUs there would be one",
        ),
    ],
)
def test_the_cause_of_infeasibility_names_constraints(models, cause):
    made = [LLM(f"m{n}", size, pressure=1, **keys) for n, (size, keys) in enumerate(models)]
    result = solve(Instance(NODES, made), threads=1)
    assert result.status is Status.INFEASIBLE
    assert re.match(cause, result.message)


# -- invariances -----------------------------------------------------------------------


def optimum(instance):
    result = solve(instance, threads=1, time_limit=60)
    assert result.status in (Status.OPTIMAL, Status.INFEASIBLE)
    return result.lower_bound


@settings(max_examples=8)
@given(st.integers(0, 10**6))
def test_order_and_redundant_constraints_change_nothing_and_further_ones_never_help(seed):
    random_ = random.Random(seed)
    instance = random_constrained(random_, tuple(random_.sample(KINDS, 2)))
    gpus, models = list(instance.gpus), list(instance.declared)
    best = optimum(instance)
    shuffled = random_.sample(gpus, len(gpus)), random_.sample(models, len(models))
    assert optimum(Instance(*shuffled)) == best
    names = [gpu.name for gpu in gpus]
    everywhere = [
        replace(model, never=(), apart=(*model.apart, f"alone {model.name}"), only=names)
        if not (model.only or model.never or model.count or model.parts > 1)
        else model
        for model in models
    ]
    assert optimum(Instance(gpus, everywhere)) == best
    together = [replace(model, apart=(*model.apart, "all")) for model in models[:2]]
    assert optimum(Instance(gpus, [*together, *models[2:]])) >= best


def with_keys_in_another_order(data, random_):
    """The same mapping, at every level in another order of keys; lists stay as they are."""
    if isinstance(data, dict):
        keys = random_.sample(list(data), len(data))
        return {key: with_keys_in_another_order(data[key], random_) for key in keys}
    if isinstance(data, list):
        return [with_keys_in_another_order(value, random_) for value in data]
    return data


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_the_order_of_keys_in_a_file_changes_nothing(seed):
    random_ = random.Random(seed)
    instance = random_constrained(random_, tuple(random_.sample(KINDS, 2)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.json"
        write_instance(instance, path)
        data = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(with_keys_in_another_order(data, random_)), encoding="utf-8")
        read = read_instance(path)
    assert canonical_fleet(read) == canonical_fleet(instance)


@settings(max_examples=8)
@given(st.integers(0, 10**6))
def test_identical_gpus_may_be_swapped(seed):
    """What names one of two identical GPUs may name the other."""
    random_ = random.Random(seed)
    instance = random_constrained(random_, ("pin", random_.choice(KINDS)))
    first = instance.gpus[0].name
    gpus = [*instance.gpus, replace(instance.gpus[0], name="twin")]

    def renamed(value):
        if isinstance(value, str):
            return {first: "twin", "twin": first}.get(value, value)
        return tuple(map(renamed, value)) if isinstance(value, tuple) else value

    models = [
        replace(model, pin=renamed(model.pin), only=renamed(model.only), never=renamed(model.never))
        for model in instance.declared
    ]
    assert optimum(Instance(gpus, instance.declared)) == optimum(Instance(gpus, models))
