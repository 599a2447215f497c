"""The checker on fleets with constraints: no false claim passes, sound ones do."""

import hashlib
import json
import math
import random
from fractions import Fraction

import pytest
from constrained_fleets import KINDS, brute_force, legal, random_constrained

from kvpr_opt.certificates.canonical import canonical_fleet, digest
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.solve import solve
from kvpr_opt.verify import PASSED, check

NODES = [GPU("a", 10, node="n"), GPU("b", 10, node="n"), GPU("c", 10, node="m"), GPU("d", 10)]


def text_of(value):
    return "infinite" if value == math.inf else str(value)


def claims(instance, status, value, gpu_of, bounds):
    placement = None
    if gpu_of is not None:
        names = [instance.gpus[gpu].name for gpu in gpu_of]
        placement = dict(zip((model.name for model in instance.models), names, strict=True))
    return {
        "schema": "kvpr-opt/certificate/2" if instance.constraints else "kvpr-opt/certificate/1",
        "instance_sha256": digest(instance),
        "status": status,
        "max_kvpr": None if value is None else str(value),
        "placement": placement,
        "bounds": [{"value": text_of(at), "proof": proof} for at, proof in bounds],
    }


def run(instance, data):
    return check(canonical_fleet(instance), json.dumps(data))


def value_of(instance, gpu_of):
    """The maximum KVPR of an assignment within memory, from the definition; else None."""
    free = [gpu.memory - gpu.reserved for gpu in instance.gpus]
    load = [Fraction(0)] * len(free)
    for model, gpu in zip(instance.models, gpu_of, strict=True):
        free[gpu] -= model.size
        load[gpu] += model.pressure
    if any(room < 0 or (room == 0 and n) for room, n in zip(free, load, strict=True)):
        return None
    return max(n / room if n else Fraction(0) for room, n in zip(free, load, strict=True))


# -- placements ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "good", "bad", "message"),
    [
        ([{"pin": "b"}], [1], [0], "may not run"),
        ([{"only": ["a", "c"]}], [2], [1], "may not run"),
        ([{"never": "n"}], [2], [1], "may not run"),
        ([{"apart": "x"}] * 2, [0, 1], [1, 1], "share a GPU"),
        ([{"replicas": 2}], [0, 1], [1, 1], "share a GPU"),
        ([{"shards": 2}], [0, 1], [1, 2], "are not"),
        ([{"replicas": 2, "spread": "node"}], [0, 2], [0, 1], "share a node"),
    ],
)
def test_a_placement_must_keep_every_constraint(models, good, bad, message):
    made = [LLM(f"m{n}", 1, pressure=0, **keys) for n, keys in enumerate(models)]
    instance = Instance(NODES, made)
    assert run(instance, claims(instance, "optimal", Fraction(0), good, [])).exit_code == 0
    report = run(instance, claims(instance, "optimal", Fraction(0), bad, []))
    assert report.exit_code == 5
    assert message in report.checks[1].detail


def test_a_node_is_what_the_fleet_says():
    keys = {"shards": 2}
    apart = [GPU("a", 10, node="n"), GPU("b", 10, node="n"), GPU("c", 10, node="m"), GPU("d", 9)]
    instance = Instance(apart, [LLM("m", 2, pressure=0, **keys)])
    text = canonical_fleet(instance)
    broken = text.replace('"node":"a"', '"node":"b"', 1)
    data = claims(instance, "optimal", Fraction(0), [0, 1], [])
    assert check(broken, json.dumps(data)).exit_code == 5  # another digest
    data["instance_sha256"] = hashlib.sha256(broken.encode()).hexdigest()
    assert check(broken, json.dumps(data)).exit_code == 5  # other nodes


# -- bounds --------------------------------------------------------------------------


def test_what_is_pinned_to_one_gpu_bounds_the_fleet():
    models = [LLM("x", 4, pressure=3, pin="a"), LLM("y", 2, pressure=1, pin="a")]
    instance = Instance(NODES, models)
    proof = {"kind": "pinned", "gpu": "a"}
    data = claims(instance, "optimal", Fraction(1), [0, 0], [(Fraction(1), proof)])
    assert run(instance, data).exit_code == 0
    for change in ({"gpu": "b"}, {"gpu": "e"}, {"gpu": 1}, {"more": "x"}):
        data["bounds"][0]["proof"] = {**proof, **change}
        assert run(instance, data).exit_code == 5
    above = claims(instance, "feasible", Fraction(1), [0, 0], [(Fraction(9, 8), proof)])
    assert run(instance, above).exit_code == 5


def test_pinned_models_that_are_to_be_apart_tear_a_gpu():
    proof = {"kind": "pinned", "gpu": "a"}
    for groups, code in ((("x", "x"), 0), (("x", "y"), 5)):
        models = [LLM(f"m{n}", 1, pressure=1, pin="a", apart=g) for n, g in enumerate(groups)]
        instance = Instance(NODES, models)
        data = claims(instance, "infeasible", None, None, [(math.inf, proof)])
        assert run(instance, data).exit_code == code


def test_models_to_be_apart_need_as_many_gpus():
    """Three small models, two GPUs: alone they fit one, apart they do not fit two."""
    models = [LLM(f"m{n}", 1, pressure=1, apart="x") for n in range(3)]
    instance = Instance(NODES[:2], models)
    proof = {"kind": "constrained", "models": "1 1 1", "gpus": "1", "types": "0 0"}
    assert (
        run(instance, claims(instance, "infeasible", None, None, [(math.inf, proof)])).exit_code
        == 0
    )
    free = Instance(NODES[:2], [LLM(f"m{n}", 1, pressure=1, apart=f"x{n // 2}") for n in range(3)])
    assert run(free, claims(free, "infeasible", None, None, [(math.inf, proof)])).exit_code == 5


@pytest.mark.parametrize(
    "change",
    [
        {"models": "1 1"},
        {"models": "1 1 0"},
        {"gpus": "1 1"},
        {"gpus": "2"},
        {"gpus": "0"},
        {"types": "0"},
        {"types": "0 1"},
        {"types": ""},
        {"types": "1 1"},
        {"kind": "dual"},
    ],
)
def test_every_part_of_a_constrained_proof_is_needed(change):
    instance = Instance(NODES[:2], [LLM(f"m{n}", 1, pressure=1, apart="x") for n in range(3)])
    proof = {"kind": "constrained", "models": "1 1 1", "gpus": "1", "types": "0 0"}
    data = claims(instance, "infeasible", None, None, [(math.inf, {**proof, **change})])
    assert run(instance, data).exit_code == 5


def test_the_version_of_the_certificate_is_that_of_the_fleet():
    instance = Instance(NODES, [LLM("m", 1, pressure=0, pin="a")])
    data = claims(instance, "optimal", Fraction(0), [0], [])
    assert run(instance, data).exit_code == 0
    data["schema"] = "kvpr-opt/certificate/1"
    assert run(instance, data).exit_code == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"constraints":[{', '"constraints":[5,{'),
        ('"kind":"only"', '"kind":"once"'),
        ('"gpus":["a"]', '"gpus":[]'),
        ('"gpus":["a"]', '"gpus":["z"]'),
        ('"gpus":["a"]', '"gpus":["a","a"]'),
        ('"gpus":["a"]', '"gpus":[["a"]]'),
        ('"model":"m0"', '"model":"m9"'),
        ('"models":["m1","m2"]', '"models":["m1","m1"]'),
        ('"models":["m1","m2"]', '"models":"m1"'),
        ('"node":"a"', '"node":"z"'),
        ("canonical/2", "canonical/1"),
        ('[["m3/r0"],["m3/r1"]]', '[["m3/r0"],["m3/r0"]]'),
        ('[["m3/r0"],["m3/r1"]]', '["m3/r0","m3/r1"]'),
    ],
)
def test_constraints_that_are_no_constraints_are_unreadable(old, new):
    models = [
        LLM("m0", 1, pressure=0, pin="a"),
        *(LLM(f"m{n}", 1, pressure=0, apart="x") for n in (1, 2)),
        LLM("m3", 1, pressure=0, replicas=2, spread="node"),
    ]
    instance = Instance(NODES, models)
    text = canonical_fleet(instance)
    assert old in text
    data = claims(instance, "unknown", None, None, [])
    assert check(text, json.dumps(data)).exit_code == 0
    assert check(text.replace(old, new, 1), json.dumps(data)).exit_code == 2


# -- random claims -------------------------------------------------------------------


def random_proof(rng, instance):
    kind = rng.choice(["constrained", "constrained", "constrained", "pinned", "volume", "dual"])
    models, gpus = len(instance.models), len(instance.gpus)
    if kind == "volume":
        return {"kind": kind}
    if kind == "pinned":
        return {"kind": kind, "gpu": rng.choice(instance.gpus).name}
    top = rng.choice([1, 1, 2, 4])
    points = [rng.randint(0, top) for _ in range(models)]
    types = [0] * gpus if rng.random() < 0.5 else list(range(gpus))
    limits = [rng.randint(0, 2 * top) for _ in range(max(types) + 1)]
    proof = {
        "kind": kind,
        "models": " ".join(map(str, points)),
        "gpus": " ".join(map(str, limits)),
    }
    return proof | ({"types": " ".join(map(str, types))} if kind == "constrained" else {})


def random_claims(rng, instance, optimum, best):
    gpu_of = [rng.randrange(len(instance.gpus)) for _ in instance.models]
    if best is not None and rng.random() < 0.5:
        gpu_of = list(best)
        if gpu_of and rng.random() < 0.5:
            gpu_of[rng.randrange(len(gpu_of))] = rng.randrange(len(instance.gpus))
    value = value_of(instance, gpu_of)
    if value is None or rng.random() < 0.2:
        gpu_of = value = None
    known = [number for number in (value, optimum) if number is not None]
    at = rng.choice([*known, *known, math.inf, Fraction(rng.randint(1, 9), rng.randint(1, 9))])
    status = rng.choice(["optimal", "optimal", "feasible", "infeasible", "unknown"])
    return claims(instance, status, value, gpu_of, [(at, random_proof(rng, instance))])


def mutated(rng, data):
    """A claim with one thing changed: a value, a point, a place, the status."""
    data = json.loads(json.dumps(data))
    bound = rng.choice(data["bounds"]) if data["bounds"] else None
    lists = [key for key in ("models", "gpus", "types") if bound and key in bound["proof"]]
    what = rng.choice(["status", "placement", "max_kvpr", "value", *2 * lists])
    if what == "status":
        data["status"] = rng.choice(["optimal", "feasible", "infeasible", "unknown"])
    elif what == "placement" and data["placement"]:
        model, other = rng.choice(sorted(data["placement"])), rng.choice(sorted(data["placement"]))
        data["placement"][model] = data["placement"][other]
    elif what == "max_kvpr" and data["max_kvpr"] is not None:
        data["max_kvpr"] = str(Fraction(data["max_kvpr"]) * Fraction(rng.randint(7, 9), 8))
    elif what == "value" and bound and bound["value"] != "infinite":
        bound["value"] = str(Fraction(bound["value"]) * Fraction(rng.randint(9, 12), 8))
    elif what in lists:
        numbers = bound["proof"][what].split()
        if numbers:
            place = rng.randrange(len(numbers))
            numbers[place] = str(max(0, int(numbers[place]) + rng.choice([-2, -1, 1, 2])))
        bound["proof"][what] = " ".join(numbers)
    return data


def as_of(instance, data):
    """The claim about another fleet, as if it were about this one."""
    schema = "kvpr-opt/certificate/2" if instance.constraints else "kvpr-opt/certificate/1"
    return data | {"schema": schema, "instance_sha256": digest(instance)}


def assert_sound(instance, optimum, data, report):
    made = [each.outcome for each in report.checks]
    if len(made) < 3:
        return
    if made[1] == PASSED and data["placement"] is not None:
        index = {gpu.name: gpu for gpu in instance.gpus}
        gpus = tuple(index[data["placement"][model.name]] for model in instance.models)
        assert legal(instance, gpus)
        gpu_of = [instance.gpus.index(gpu) for gpu in gpus]
        assert Fraction(data["max_kvpr"]) == value_of(instance, gpu_of)
    for bound, outcome in zip(data["bounds"], made[2:-1], strict=True):
        if outcome == PASSED:
            value = math.inf if bound["value"] == "infinite" else Fraction(bound["value"])
            assert value <= optimum
    if report.exit_code == 0:
        best = None if data["max_kvpr"] is None else Fraction(data["max_kvpr"])
        assert data["status"] != "optimal" or best == optimum
        assert data["status"] != "infeasible" or optimum == math.inf


def sample(seed, count):
    """How many of so many claims are accepted: right, mutated, random, and of other fleets."""
    rng = random.Random(f"claims {seed}")
    accepted = 0
    known = []
    for _ in range(count // 20):
        instance = random_constrained(rng, tuple(rng.sample(KINDS, 2)))
        optimum = brute_force(instance)
        result = solve(instance, threads=1)
        best = None if result.placement is None else result.placement.gpu_of
        right = json.loads(result.certificate.to_json())
        known.append(right)
        for _ in range(20):
            other = as_of(instance, rng.choice(known[-20:]))
            data = rng.choice(
                [
                    right,
                    mutated(rng, right),
                    mutated(rng, mutated(rng, right)),
                    other,
                    mutated(rng, other),
                    random_claims(rng, instance, optimum, best),
                    random_claims(rng, instance, optimum, best),
                ]
            )
            report = run(instance, data)
            assert_sound(instance, optimum, data, report)
            accepted += report.exit_code == 0
    return accepted


def test_no_false_claim_is_accepted():
    assert sample(0, 400) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 51))
def test_no_false_claim_is_accepted_in_100_000(seed):
    sample(seed, 2_000)
