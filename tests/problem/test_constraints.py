"""Where models may run: expansion, the constraints by number, and what breaks them."""

import itertools
import random
from fractions import Fraction

import pytest
from constrained_fleets import KINDS, legal, random_constrained

from kvpr_opt.errors import InputError, InvalidPlacementError
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.placement import Placement

NODES = [
    GPU("a", 80, node="n0", labels=["fast"]),
    GPU("b", 80, node="n0"),
    GPU("c", 80, node="n1", labels=["fast"]),
    GPU("d", 80),
]


def fleet(*models, gpus=NODES):
    return Instance(gpus, models)


# -- expansion -----------------------------------------------------------------------


def test_shards_split_weights_and_demand_and_keep_overhead_and_floor():
    model = LLM("big", 40, 8, 2, overhead=3, kv_floor=1, shards=2, kv_heads=1)
    one, two = fleet(model).models
    assert (one.name, two.name) == ("big/s0", "big/s1")
    assert (one.size, one.overhead, one.kv_floor, one.footprint) == (20, 3, 1, 24)
    assert one.pressure == 4
    assert (one.req_rate, one.slo) == (8, 2)
    assert [part.part for part in (one, two)] == [("big", 0, 0), ("big", 0, 1)]


@pytest.mark.parametrize(
    ("keys", "share"),
    [
        ({}, Fraction(1, 4)),
        ({"kv_heads": 8}, Fraction(1, 4)),
        ({"kv_heads": 2}, Fraction(1, 2)),
        ({"kv_share": 1}, Fraction(1)),
        ({"kv_heads": 2, "kv_share": "0.3"}, Fraction(3, 10)),
    ],
)
def test_the_share_of_a_shard_follows_the_heads_unless_given(keys, share):
    gpus = [GPU(f"g{n}", 80, node="n") for n in range(4)]
    parts = fleet(LLM("m", 8, kv_demand=10, shards=4, **keys), gpus=gpus).models
    assert [part.pressure for part in parts] == [10 * share] * 4
    assert parts[0].kv_demand == 10 * share


def test_replicas_share_the_demand_and_copies_do_not():
    instance = fleet(LLM("m", 8, 9, 3, count=2, replicas=3))
    assert [model.name for model in instance.models] == [
        f"m-{copy}/r{replica}" for copy in range(2) for replica in range(3)
    ]
    assert {model.pressure for model in instance.models} == {1}
    assert {model.size for model in instance.models} == {8}
    assert [model.name for model in fleet(LLM("m", 8, 9, 3, count=2)).models] == ["m-0", "m-1"]
    assert sum(model.pressure for model in fleet(LLM("m", 8, 9, 3, count=2)).models) == 6


def test_replicas_of_shards_are_named_by_both():
    gpus = [GPU(f"g{n}", 80, node=f"n{n // 2}") for n in range(4)]
    instance = fleet(LLM("m", 8, pressure=8, replicas=2, shards=2), gpus=gpus)
    assert [model.name for model in instance.models] == ["m/r0/s0", "m/r0/s1", "m/r1/s0", "m/r1/s1"]
    assert {model.pressure for model in instance.models} == {2}


def test_each_part_has_its_own_pin_and_place():
    model = LLM("m", 8, pressure=1, shards=2, pin=["b", "a"], current=["a", "b"], move_cost=3)
    one, two = fleet(model).models
    assert (one.pin, two.pin, one.current, two.current) == (("b",), ("a",), ("a",), ("b",))
    assert one.move_cost == 3


def test_a_fleet_keeps_its_models_as_declared():
    models = (LLM("m", 8, pressure=1, replicas=2), LLM("n", 1, pressure=0))
    instance = fleet(*models)
    assert instance.declared == models
    assert len(instance.models) == 3
    assert instance == fleet(*models)


def test_parts_of_another_fleet_are_refused():
    instance = fleet(LLM("m", 8, pressure=1, replicas=2))
    with pytest.raises(InputError, match=r"models\[0\]: model 'm/r0' is a part of 'm'"):
        fleet(*instance.models)
    copies = fleet(LLM("m", 8, pressure=1, count=2))
    assert fleet(*copies.models).models == copies.models


def test_one_replica_or_shard_is_the_model_itself():
    plain = fleet(LLM("m", 8, pressure=1))
    assert fleet(LLM("m", 8, pressure=1, replicas=1, shards=1)).models == plain.models


# -- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"pin": "x"}, r"^models\[0\]\.pin: 'x' is not a GPU of the fleet"),
        ({"pin": "n0"}, r"^models\[0\]\.pin: 'n0' is not a GPU of the fleet"),
        (
            {"only": "fst"},
            r"^models\[0\]\.only: 'fst' is not a GPU, node .* \(did you mean 'fast'\?\)",
        ),
        ({"never": ["a", "q"]}, r"^models\[0\]\.never: 'q' is not a GPU, node or label"),
        (
            {"only": "a", "never": "fast"},
            r"^models\[0\]\.only: only and never of model 'm' leave no",
        ),
        ({"never": ["n0", "n1", "d"]}, r"^models\[0\]\.never: never of model 'm' leave no GPU"),
        ({"pin": "b", "only": "fast"}, r"^models\[0\]\.pin: model 'm' is pinned .* only 'fast'$"),
        ({"pin": "a", "never": "fast"}, r"^models\[0\]\.pin: model 'm' is pinned .* never 'fast'$"),
        ({"shards": 3}, r"^models\[0\]\.shards: 3 shards need .* the largest node has 2$"),
        (
            {"shards": 2, "only": "fast"},
            r"^models\[0\]\.shards: 2 shards .* only and never leave 1",
        ),
        (
            {"replicas": 4, "spread": "node"},
            r"^models\[0\]\.replicas: 4 replicas on different nodes ",
        ),
        ({"replicas": 5}, r"^models\[0\]\.replicas: 5 replicas on different GPUs have room for 4"),
        (
            {"replicas": 2, "shards": 2},
            r"^models\[0\]\.replicas: 2 replicas of 2 shards each .* 1 at",
        ),
        (
            {"shards": 2, "pin": ["a", "c"]},
            r"^models\[0\]\.pin: the shards of model 'm' are pinned",
        ),
        (
            {"replicas": 2, "spread": "node", "pin": ["a", "b"]},
            r"^models\[0\]\.pin: replicas of model 'm' are pinned to one node",
        ),
    ],
)
def test_keys_that_leave_no_place_are_refused(keys, message):
    with pytest.raises(InputError, match=message):
        fleet(LLM("m", 1, pressure=1, **keys))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"replicas": 2, "pin": ["a", "a"]}, r"^pin: duplicate GPU 'a'"),
        ({"shards": 2, "pin": ["a"]}, r"^pin: 1 GPUs for 2 parts \(shards 2\)"),
        ({"shards": 2, "pin": ["a", "b", "c"]}, r"^pin: 3 GPUs for 2 parts"),
        ({"current": ["a", "b"]}, r"^current: 2 GPUs for 1 parts"),
        ({"kv_heads": 0}, r"^kv_heads: kv_heads 0 is not a whole number from 1"),
        ({"shards": 0}, r"^shards: shards 0 is not a whole number from 1"),
        ({"replicas": "1.5"}, r"^replicas: replicas 1.5 is not a whole number"),
        ({"spread": "rack"}, r"^spread: spread 'rack' is not known; known: gpu, node$"),
        ({"kv_share": "0.5"}, r"^kv_share: kv_share 1/2 is not .* for a model with shards"),
        ({"shards": 2, "kv_share": 2}, r"^kv_share: kv_share 2 is not above 0 and at most 1"),
        ({"overhead": -1}, r"^overhead: overhead -1 is not at least 0"),
        (
            {"size": "16 gigs"},
            r"^size: size '16 gigs': 'gigs' is not a unit; allowed: a plain number",
        ),
        ({"size": "16 GB"}, r"^size: size '16 GB' carries a unit; set the unit"),
        ({"unit": "gb"}, r"^unit: unit 'gb' is not known; known: GB, GiB"),
        ({"only": [""]}, r"^only: only '' is not a non-empty text"),
        ({"count": 60_000, "replicas": 2}, r"^count: 120000 parts are more than 100000"),
        ({"req_rate": 1, "slo": 2, "kv_demand": 3}, "a model needs either both req_rate and slo"),
        ({"token_rate": 1, "tpot_slo": 2}, "a model needs either both req_rate and slo"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys, message):
    arguments = {"size": 1, "pressure": 1, **keys}
    if "slo" in keys or "tpot_slo" in keys:
        del arguments["pressure"]
    with pytest.raises(InputError, match=message):
        LLM("m", **arguments)


def test_a_name_that_an_expansion_needs_is_refused():
    with pytest.raises(InputError, match=r"^models\[1\]\.name: name 'm-1' is taken by models\[0\]"):
        fleet(LLM("m", 1, pressure=1, count=2), LLM("m-1", 1, pressure=1))


def test_a_name_of_two_kinds_of_things_is_refused_where_it_matters():
    gpus = [GPU("a", 8, node="a"), GPU("b", 8, node="a")]
    with pytest.raises(InputError, match=r"^models\[0\]\.only: 'a' is a GPU and a node"):
        fleet(LLM("m", 1, pressure=1, only="a"), gpus=gpus)
    assert not fleet(LLM("m", 1, pressure=1, only="a"), gpus=[GPU("a", 8, node="a")]).constraints


def test_kinds_of_demand_that_do_not_add_up_are_refused_and_none_goes_with_all():
    rate, kv = LLM("m", 1, 4, 2), LLM("n", 1, kv_demand=3)
    with pytest.raises(InputError, match=r"^models\[1\]\.kv_demand: kv_demand of model 'n' beside"):
        fleet(rate, kv)
    idle = [LLM("o", 1, pressure=0), LLM("p", 1, kv_demand=0)]
    assert len(fleet(rate, *idle).models) == 3
    assert len(fleet(kv, *idle).models) == 3
    assert len(fleet(rate, LLM("q", 1, pressure=2)).models) == 2


def test_demand_by_tokens_is_the_product_over_the_objective():
    model = LLM("m", 1, token_rate=300, kv_bytes_per_token=1000, tpot_slo="0.05")
    assert model.pressure == 6_000_000


def test_units_that_differ_are_refused():
    gpus = [GPU("a", "81559MiB", unit="MiB")]
    with pytest.raises(InputError, match=r"^models\[0\]\.unit: its amounts count GB, those before"):
        fleet(LLM("m", "3GB", pressure=1, unit="GB"), gpus=gpus)
    assert fleet(LLM("m", "3GiB", pressure=1, unit="MiB"), gpus=gpus).models[0].size == 3072


@pytest.mark.parametrize(
    ("keys", "memory", "usable"),
    [
        ({"memory": "81559MiB"}, Fraction(81559 * 2**20, 10**9), None),
        ({"memory": "80 GB"}, 80, None),
        ({"memory": 80, "reserved": "5 %"}, 80, 76),
        ({"memory": 80, "reserved": "2.5%"}, 80, 78),
        ({"type": "H100-80GB"}, Fraction(81559 * 2**20, 10**9), None),
        ({"type": "H100-80GB", "memory": 79}, 79, None),
    ],
)
def test_memory_of_a_gpu(keys, memory, usable):
    gpu = GPU("a", **keys, unit="GB")
    assert gpu.memory == memory
    assert usable is None or gpu.usable == usable


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "^memory: a GPU needs memory, or a type"),
        ({"type": "H100"}, r"^type: type 'H100' is not known; give memory, or one of: T4, A10G"),
        (
            {"memory": 80, "reserved": "101 %"},
            "^reserved: reserved 101 % is more than the memory 80",
        ),
        ({"memory": 80, "reserved": "-1%"}, "^reserved: reserved -1% is not at least 0"),
        ({"memory": 80, "index": -1}, "^index: index -1 is not a whole number of at least 0"),
    ],
)
def test_a_gpu_is_checked(keys, message):
    with pytest.raises(InputError, match=message):
        GPU("a", **keys, unit="GB")


def test_a_type_needs_a_unit_to_count_in():
    with pytest.raises(InputError, match=r"^type: the memory of type 'T4' is known in MiB"):
        GPU("a", type="T4")


# -- constraints ---------------------------------------------------------------------


def test_a_fleet_without_constraints_has_none():
    instance = fleet(
        LLM("m", 1, pressure=1, count=2, overhead=1, only=["n0", "c", "d"], current="a"),
        LLM("n", 1, pressure=1, apart="alone"),
    )
    assert instance.constraints.restrictions == ()
    assert not fleet(LLM("n", 1, pressure=1, apart="alone"), gpus=NODES).constraints


def test_groups_within_others_are_left_out():
    instance = fleet(
        LLM("m", 1, pressure=1, replicas=2, apart="x"), LLM("n", 1, pressure=1, apart="x")
    )
    assert [group.models for group in instance.constraints.apart] == [(0, 1, 2)]


@pytest.mark.parametrize(
    ("models", "gpu_of", "message"),
    [
        ([{"pin": "a"}], [1], "model 'm0' is on GPU 'b', but is pinned to 'a'"),
        ([{"only": "fast"}], [1], "model 'm0' is on GPU 'b', but has only 'fast'"),
        ([{"never": "n0"}], [1], "model 'm0' is on GPU 'b', but has never 'n0'"),
        ([{"apart": "x"}] * 2, [1, 1], "models 'm0' and 'm1' share GPU 'b', .*: group 'x'"),
        ([{"replicas": 2}], [1, 1], "models 'm0/r0' and 'm0/r1' share GPU 'b', .* parts of model"),
        ([{"shards": 2}], [1, 2], "the shards of model 'm0' are not all in one node"),
        (
            [{"replicas": 2, "spread": "node"}],
            [0, 1],
            "replicas of model 'm0' share a node, but are to be spread",
        ),
    ],
)
def test_a_placement_that_breaks_a_constraint_is_refused_and_says_which(models, gpu_of, message):
    instance = fleet(*(LLM(f"m{n}", 1, pressure=1, **keys) for n, keys in enumerate(models)))
    with pytest.raises(InvalidPlacementError, match=message):
        Placement(instance, gpu_of)


def check_what_is_broken(seed, most):
    """All assignments, or as many at random where there are more."""
    random_ = random.Random(seed)
    instance = random_constrained(random_, tuple(random_.sample(KINDS, 3)))
    gpus, models = range(len(instance.gpus)), len(instance.models)
    if len(gpus) ** models <= most:
        tried = itertools.product(gpus, repeat=models)
    else:
        tried = (tuple(random_.choices(gpus, k=models)) for _ in range(most))
    for gpu_of in tried:
        said = not instance.constraints or not instance.constraints.broken(gpu_of)
        assert said == legal(instance, tuple(instance.gpus[gpu] for gpu in gpu_of)), gpu_of


@pytest.mark.parametrize("seed", range(80))
def test_what_is_broken_agrees_with_the_definition(seed):
    check_what_is_broken(seed, most=500)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(80))
def test_what_is_broken_agrees_with_the_definition_on_all_assignments(seed):
    check_what_is_broken(seed, most=10**6)
