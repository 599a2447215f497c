"""The checker against brute force, against mutations, and against files made to hurt it."""

import ast
import hashlib
import json
import math
import random
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from itertools import combinations, product
from pathlib import Path

import pytest

from kvpr_opt.problem.exact import farey_below
from kvpr_opt.verify import (
    FAILED,
    NOT_CHECKABLE,
    PASSED,
    Constraints,
    WholeFleet,
    check,
    threshold,
)

CHECKER = Path(check.__code__.co_filename)
CHECKER_MODULE = sys.modules[check.__module__]


# -- an independent, naive idea of the problem -----------------------------------------


def number(value):
    return "infinite" if value == math.inf else str(Fraction(value))


def fleet(gpus, models):
    """Canonical text; GPUs g0, g1, ... by memory, models m0, m1, ... by (size, pressure)."""
    data = {
        "schema": "kvpr-opt/canonical/1",
        "gpus": [{"name": f"g{i}", "memory": number(c)} for i, c in enumerate(gpus)],
        "models": [
            {"name": f"m{i}", "size": number(m), "pressure": number(n)}
            for i, (m, n) in enumerate(models)
        ],
        "constraints": [],
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def claims(text, status, value=None, gpu_of=None, bounds=()):
    placement = None if gpu_of is None else {f"m{i}": f"g{g}" for i, g in enumerate(gpu_of)}
    return {
        "schema": "kvpr-opt/certificate/1",
        "instance_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "status": status,
        "max_kvpr": None if value is None else number(value),
        "placement": placement,
        "bounds": [{"value": number(value), "proof": proof} for value, proof in bounds],
    }


def run(text, data):
    return check(text, data if isinstance(data, str) else json.dumps(data))


def max_kvpr(gpus, models, gpu_of):
    """Infinite for a full GPU under pressure, None for an overfull one."""
    worst = Fraction(0)
    for g, memory in enumerate(gpus):
        mine = [models[i] for i, where in enumerate(gpu_of) if where == g]
        free, pressure = memory - sum(m for m, _ in mine), sum(n for _, n in mine)
        if free < 0:
            return None
        if pressure:
            worst = max(worst, Fraction(pressure) / free if free else math.inf)
    return worst


def optimum(gpus, models):
    """The best finite value and a placement that has it, or infinite and None."""
    best, placement = math.inf, None
    for gpu_of in product(range(len(gpus)), repeat=len(models)):
        value = max_kvpr(gpus, models, gpu_of)
        if value is not None and value < best:
            best, placement = value, gpu_of
    return best, placement


def random_fleet(rng):
    scale = rng.choice([Fraction(1), Fraction(1, 10), Fraction(3, 7)])
    pressures = rng.choice([[0], [0, 0, 1, 2, 3], [1, 2, 5], [Fraction(1, 3), 0, Fraction(7, 2)]])
    gpus = [rng.choice([0, 3, 5, 5, 8, 8, 10]) * scale for _ in range(rng.randint(1, 3))]
    models = [
        (rng.choice([0, 1, 2, 3, 4, 5, 6]) * scale, Fraction(rng.choice(pressures)))
        for _ in range(rng.randint(0, 5))
    ]
    return gpus, models


def dual(points, limits):
    return {"kind": "dual", "models": points, "gpus": limits}


def counting(number, members, limits):
    """A point for each member, of `number` models, and so many for a GPU of each type."""
    points = " ".join("1" if i in members else "0" for i in range(number))
    return dual(points, " ".join(map(str, limits)))


def word(threshold):
    return {
        "kind": "solver",
        "solver": "oracle of Delphi",
        "version": "1",
        "threshold": number(threshold),
        "parameters": {"threads": "1"},
    }


VOLUME = {"kind": "volume"}

# Two GPUs of 10; the optimum is 1/8: the models without pressure fill a GPU exactly.
TRAP = ([10, 10], [(6, 0), (4, 0), (2, 1)])


@pytest.fixture
def trap():
    text = fleet(*TRAP)
    return text, claims(text, "optimal", Fraction(1, 8), (0, 0, 1), [(Fraction(1, 8), VOLUME)])


# -- the fraction below ----------------------------------------------------------------


def below(value, largest):
    """The threshold below a value, on one GPU and under more pressure than the value says."""
    pressure = math.ceil(value) + 1
    anywhere = Constraints({}, [], [], [], {"g": "g"})
    fleet = WholeFleet({"g": largest}, {"m": 0}, {"m": pressure}, Fraction(1), anywhere)
    return threshold(fleet, value)


def test_fraction_below_by_trying_every_denominator():
    for largest in range(1, 15):
        for q in range(1, 25):
            for p in range(1, 3 * q):
                expected = max(Fraction((p * f - 1) // q, f) for f in range(1, largest + 1))
                assert Fraction(*below(Fraction(p, q), largest)) == expected


def test_fraction_below_agrees_with_the_one_computed_by_modular_inverse():
    rng = random.Random(0)
    for _ in range(2000):
        digits = rng.randint(1, 40)
        value = Fraction(rng.randrange(1, 10**digits), rng.randrange(1, 10**digits))
        largest = rng.randrange(1, 10 ** rng.randint(1, 30))
        a, b = below(value, largest)
        assert Fraction(a, b) == farey_below(value, largest)
        assert math.gcd(a, b) == 1


# -- small cases by hand ---------------------------------------------------------------


def test_the_optimum_is_accepted(trap):
    text, data = trap
    report = run(text, data)
    assert report.exit_code == 0
    assert [made.name for made in report.checks] == ["digest", "placement", "bound 1/8", "status"]
    assert {made.outcome for made in report.checks} == {PASSED}


def test_full_gpus_without_pressure_are_no_reason_to_reject(trap):
    text, _ = trap
    # With "capacity - 1" as the strict question, 1/4 would count as optimal.
    for proof in (VOLUME, dual("1 1 1", "1"), dual("1 1 1", "1") | {"kind": "tree"}):
        data = claims(text, "optimal", Fraction(1, 4), (0, 1, 1), [(Fraction(1, 4), proof)])
        report = run(text, data)
        assert report.exit_code == 5
        assert report.checks[1].outcome == PASSED
        assert report.checks[2].outcome == FAILED


@pytest.mark.parametrize(
    ("gpus", "models", "status", "value", "gpu_of", "bounds", "code"),
    [
        ([5], [], "optimal", 0, (), [], 0),
        ([0], [], "optimal", 0, (), [], 0),
        ([5], [(5, 0)], "optimal", 0, (0,), [], 0),
        ([5], [(0, 1)], "optimal", Fraction(1, 5), (0,), [(Fraction(1, 5), VOLUME)], 0),
        ([5], [(0, 1)], "feasible", Fraction(1, 5), (0,), [], 0),
        ([5], [(0, 1)], "optimal", Fraction(1, 5), (0,), [], 5),
        ([5], [(5, 1)], "infeasible", None, None, [(math.inf, VOLUME)], 0),
        ([5], [(5, 1)], "infeasible", None, None, [(math.inf, dual("1", "0"))], 0),
        ([5], [(5, 1)], "infeasible", None, None, [], 5),
        ([5], [(5, 1)], "unknown", None, None, [], 0),
        ([5], [(5, 0)], "infeasible", None, None, [(math.inf, VOLUME)], 5),
        ([5], [(6, 0)], "infeasible", None, None, [(math.inf, VOLUME)], 0),
        ([0], [(0, 1)], "infeasible", None, None, [(math.inf, VOLUME)], 0),
        ([0], [(0, 1)], "feasible", 0, (0,), [], 5),
        # Sizes that fit only by filling a GPU that carries pressure.
        ([5, 5], [(5, 1), (5, 0)], "infeasible", None, None, [(math.inf, VOLUME)], 0),
        # Both fit alone, and there is room enough for both together, but in pieces.
        ([5, 5], [(3, 0)] * 3, "infeasible", None, None, [(math.inf, dual("1 1 1", "1"))], 0),
        ([5, 5], [(3, 0)] * 3, "infeasible", None, None, [(math.inf, dual("1 1 0", "1"))], 5),
        # Sizes are multiples of 2: of the capacities 5 only 4 count, so volume suffices.
        ([5, 5, 5], [(2, 0)] * 7, "infeasible", None, None, [(math.inf, VOLUME)], 0),
        ([5, 5, 5], [(2, 0)] * 6, "infeasible", None, None, [(math.inf, VOLUME)], 5),
        # A finite bound above every finite KVPR says as much as an infinite one.
        ([5], [(5, 1)], "unknown", None, None, [(10**9, VOLUME)], 0),
        ([5], [(4, 1)], "unknown", None, None, [(10**9, VOLUME)], 5),
        ([5], [(1, 0)], "unknown", None, None, [(1, VOLUME)], 5),
        ([5], [(1, 0)], "optimal", 0, (0,), [(0, VOLUME)], 0),
        ([5], [(1, 1)], "unknown", None, None, [(0, VOLUME)], 0),
    ],
)
def test_edges(gpus, models, status, value, gpu_of, bounds, code):
    text = fleet(gpus, models)
    assert run(text, claims(text, status, value, gpu_of, bounds)).exit_code == code


def test_a_solvers_word_is_neither_passed_nor_failed(trap):
    text, data = trap
    data["bounds"][0]["proof"] = word(Fraction(1, 8))
    report = run(text, data)
    assert report.exit_code == 3
    assert [made.outcome for made in report.checks[2:]] == [NOT_CHECKABLE] * 2
    assert "oracle of Delphi" in report.checks[2].detail


def test_a_solvers_word_must_reach_the_bound(trap):
    text, data = trap
    # Free memory has at most 5 units of 2, so the value before 1/8 = (1/4)(1/2) is (1/5)(1/2).
    for said, code in [("1/10", 3), ("99/1000", 5), ("infinite", 3), ("0", 5)]:
        data["bounds"][0]["proof"] = word(0) | {"threshold": said}
        assert run(text, data).exit_code == code


def test_nothing_is_asked_of_a_threshold_where_no_model_has_pressure():
    text = fleet([5], [(6, 0)])
    for said in ("0", "infinite", "any", ""):
        bound = (math.inf, word(0) | {"threshold": said})
        assert run(text, claims(text, "infeasible", bounds=[bound])).exit_code == 3
    text = fleet([5], [(5, 1)])
    for said, code in (("infinite", 3), ("any", 5)):
        bound = (math.inf, word(0) | {"threshold": said})
        assert run(text, claims(text, "infeasible", bounds=[bound])).exit_code == code


def test_a_proof_that_holds_needs_its_form_as_well(trap):
    text, data = trap
    said = word(1)
    for proof, code in [
        (VOLUME, 0),
        (VOLUME | {"more": "1"}, 5),
        (said, 3),
        (said | {"kind": "oracle"}, 5),
        (said | {"more": "1"}, 5),
        (said | {"parameters": {"threads": ["1"]}}, 5),
        (said | {"threshold": "2/2"}, 5),
    ]:
        data["bounds"][0]["proof"] = proof
        assert run(text, data).exit_code == code


def test_a_word_beside_a_proof_that_suffices_leaves_the_status_proved(trap):
    text, data = trap
    data["bounds"].append({"value": "1/9", "proof": word(1)})
    report = run(text, data)
    assert report.exit_code == 3
    assert report.checks[-1].outcome == PASSED


def test_bounds_and_value_must_not_contradict_each_other(trap):
    text, data = trap
    data["status"] = "feasible"
    data["bounds"] = [{"value": "1/7", "proof": word(1)}]
    assert run(text, data).exit_code == 5


# -- brute force -----------------------------------------------------------------------


def random_claims(rng, gpus, models, best, gpu_of):
    """Claims of all sorts, true and false, that are well-formed."""
    text = fleet(gpus, models)
    values = [Fraction(rng.randint(0, 20), rng.randint(1, 20)), math.inf]
    if best < math.inf:
        values += [best, best, best * Fraction(99, 100), best * Fraction(101, 100)]
    bounds = []
    for _ in range(rng.randint(0, 2)):
        members = rng.sample(range(len(models)), rng.randint(0, len(models)))
        said = rng.choice([value for value in values if value < math.inf])
        limits = [rng.randint(0, 3) for _ in set(gpus)]
        points = counting(len(models), members, limits)
        proof = rng.choice([VOLUME, points, points | {"kind": "tree"}, word(said)])
        bounds.append((rng.choice(values), proof))
    placed = value = None
    if rng.random() < 0.6:
        placed = (
            gpu_of if gpu_of and rng.random() < 0.7 else [rng.randrange(len(gpus)) for _ in models]
        )
        value = max_kvpr(gpus, models, placed) or Fraction(0)
        if value == math.inf or rng.random() < 0.1:
            value = Fraction(rng.randint(0, 9), rng.randint(1, 9))
    status = rng.choice(["optimal", "optimal", "feasible", "infeasible", "unknown"])
    return text, claims(text, status, value, placed, bounds), bounds, placed


def assert_sound(gpus, models, best, data, bounds, placed, report):
    """No false claim passed, and a solver's word was accepted only where it suffices."""
    outcomes = [made.outcome for made in report.checks]
    assert report.exit_code != 2
    for (value, proof), outcome in zip(bounds, outcomes[2:-1], strict=True):
        if outcome == PASSED:
            assert value <= best
        if outcome == NOT_CHECKABLE and Fraction(proof["threshold"]) < best:
            assert value <= best
    if report.exit_code == 0:
        if data["max_kvpr"] is not None:
            assert max_kvpr(gpus, models, placed) == Fraction(data["max_kvpr"])
        if data["status"] == "optimal":
            assert Fraction(data["max_kvpr"]) == best
        if data["status"] == "infeasible":
            assert best == math.inf


def sample(seed, count):
    rng = random.Random(seed)
    accepted = dict.fromkeys(["optimal", "feasible", "infeasible", "unknown"], 0)
    for _ in range(count):
        gpus, models = random_fleet(rng)
        best, gpu_of = optimum(gpus, models)
        for _ in range(8):
            text, data, bounds, placed = random_claims(rng, gpus, models, best, gpu_of)
            report = run(text, data)
            assert_sound(gpus, models, best, data, bounds, placed, report)
            if report.exit_code == 0:
                accepted[data["status"]] += 1
    # The test is worth something only if much is accepted.
    assert all(times > count / 50 for times in accepted.values()), accepted


def test_no_false_claim_is_accepted():
    sample(seed=1, count=400)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_no_false_claim_is_accepted_in_many_more(seed):
    sample(seed=seed, count=5000)


def naive_below(gpus, models, value):
    """Largest value below `value` that any GPU could have, by trying every free memory."""
    sizes = [*gpus, *(m for m, _ in models)]
    memory = Fraction(1, math.lcm(*(Fraction(size).denominator for size in sizes)))
    pressure = Fraction(1, math.lcm(*(Fraction(n).denominator for _, n in models)))
    free = range(1, int(max(gpus) / memory) + 1)
    candidates = []
    for f in free:
        steps = math.ceil(value * f * memory / pressure) - 1
        candidates.append(steps * pressure / (f * memory))
    return max(candidates)


def test_feasible_twin_and_every_sound_proof_of_the_optimum():
    """Proofs that refute everything below the optimum pass there, and fail just above it."""
    rng = random.Random(2)
    passed = 0
    for _ in range(150):
        gpus, models = random_fleet(rng)
        best, _ = optimum(gpus, models)
        if best in (0, math.inf):
            continue
        t = naive_below(gpus, models, best)
        items = [n + t * m for m, n in models]
        text = fleet(gpus, models)
        twin = best * Fraction(10**12 + 1, 10**12)
        proofs = [(VOLUME, sum(items) > t * sum(gpus))]
        for size in range(len(models) + 1):
            for members in combinations(range(len(models)), size):
                chosen = sorted(items[i] for i in members)
                held = {
                    memory: max(k for k in range(size + 1) if sum(chosen[:k]) <= t * memory)
                    for memory in gpus
                }
                proof = counting(len(models), members, held.values())
                proofs.append((proof, sum(held[memory] for memory in gpus) < size))
        for proof, expected in proofs:
            here, above = (
                run(text, claims(text, "unknown", bounds=[(value, proof)])).exit_code
                for value in (best, twin)
            )
            assert above == 5
            # The checker may know a little more: it divides by common factors.
            assert here == 0 or not expected
            passed += here == 0
    assert passed > 40


# -- mutations -------------------------------------------------------------------------

GPUS = [Fraction(16), Fraction(16), Fraction(101, 10)]
MODELS = [
    (Fraction(61, 10), Fraction(3)),
    (Fraction(5), Fraction(7, 2)),
    (Fraction(4), Fraction(0)),
    (Fraction(3), Fraction(5, 3)),
]


@pytest.fixture
def sound():
    """A fleet and a certificate of a placement and two true bounds on it."""
    text = fleet(GPUS, MODELS)
    best, gpu_of = optimum(GPUS, MODELS)
    bounds = [(Fraction(49, 144), VOLUME), (best, word(best))]
    data = claims(text, "optimal", best, gpu_of, bounds)
    assert run(text, data).exit_code == 3
    return text, data


def neighbours(text):
    """The same fraction with its numerator or denominator one more or one less."""
    top, slash, bottom = text.partition("/")
    for step in (-1, 1):
        if int(top) + step >= 0:
            yield f"{int(top) + step}{slash}{bottom}"
        if slash and int(bottom) + step > 0:
            yield f"{top}/{int(bottom) + step}"


def places(data, path=()):
    """Every place in plain data, with the value there."""
    yield path, data
    entries = data.items() if isinstance(data, dict) else enumerate(data)
    if isinstance(data, (dict, list)):
        for key, value in entries:
            yield from places(value, (*path, key))


def changed(data, path, value):
    copy = json.loads(json.dumps(data))
    *way, last = path
    target = copy
    for key in way:
        target = target[key]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return copy


def is_number(value):
    return isinstance(value, str) and value.replace("/", "").isdigit()


def test_a_number_of_the_certificate_one_off(sound):
    text, data = sound
    best, tried = Fraction(data["max_kvpr"]), 0
    for path, value in places(data):
        if not is_number(value) or path[-1] in ("version", "threads", "instance_sha256"):
            continue
        for other in neighbours(value):
            code = run(text, changed(data, path, other)).exit_code
            harmless = (
                # Another true bound beside the best one, or a solver that refuted more.
                (path == ("bounds", 0, "value") and Fraction(other) <= best)
                or (path[-1] == "threshold" and Fraction(other) >= Fraction(value))
            )
            assert code in (2, 5) or (harmless and code == 3), (path, other)
            tried += 1
    assert tried > 8


def test_a_number_of_the_fleet_one_off(sound):
    text, data = sound
    tried = 0
    for path, value in places(json.loads(text)):
        if not is_number(value):
            continue
        for other in neighbours(value):
            mutant = json.dumps(changed(json.loads(text), path, other), separators=(",", ":"))
            assert run(mutant, data).exit_code in (2, 5)
            # Even with the digest made to match, the value is no longer exact, or the
            # changed number did not matter for it.
            forged = data | {"instance_sha256": hashlib.sha256(mutant.encode()).hexdigest()}
            if run(mutant, forged).exit_code == 3:
                read = json.loads(mutant)
                gpus = [Fraction(gpu["memory"]) for gpu in read["gpus"]]
                models = [(Fraction(m["size"]), Fraction(m["pressure"])) for m in read["models"]]
                gpu_of = [int(gpu[1:]) for gpu in data["placement"].values()]
                assert max_kvpr(gpus, models, gpu_of) == Fraction(data["max_kvpr"])
            tried += 1
    assert tried > 20


def test_models_swapped_moved_left_out_or_invented(sound):
    text, data = sound
    placement = data["placement"]
    gpu_of = [int(gpu[1:]) for gpu in placement.values()]
    for model, other in combinations(placement, 2):
        swapped = placement | {model: placement[other], other: placement[model]}
        moved = [int(gpu[1:]) for gpu in swapped.values()]
        same = max_kvpr(GPUS, MODELS, moved) == max_kvpr(GPUS, MODELS, gpu_of)
        assert run(text, data | {"placement": swapped}).exit_code == (3 if same else 5)
    for model in placement:
        less = {name: gpu for name, gpu in placement.items() if name != model}
        assert run(text, data | {"placement": less}).exit_code == 5
        assert run(text, data | {"placement": placement | {model: "g9"}}).exit_code == 5
    assert run(text, data | {"placement": placement | {"m9": "g0"}}).exit_code == 5
    assert run(text, data | {"placement": None}).exit_code == 5
    assert run(text, data | {"max_kvpr": None}).exit_code == 5
    assert run(text, data | {"placement": None, "max_kvpr": None}).exit_code == 5


@pytest.mark.parametrize("status", ["optimal", "feasible", "infeasible", "unknown"])
def test_placement_and_value_need_each_other(sound, status):
    text, data = sound
    for missing in ("placement", "max_kvpr"):
        report = run(text, data | {missing: None, "status": status})
        assert report.exit_code == 5
        assert report.checks[1].outcome == FAILED
        assert report.checks[1].detail == "a placement and its max KVPR need each other"


def test_a_file_with_one_byte_too_many_is_refused(trap, tmp_path, monkeypatch):
    text, data = trap
    written = json.dumps(data)
    limit = max(map(len, (text, written)))
    limits = CHECKER_MODULE.LIMITS._replace(file_bytes=limit)
    monkeypatch.setattr(CHECKER_MODULE, "LIMITS", limits)
    canonical, certificate = tmp_path / "canonical.json", tmp_path / "certificate.json"
    canonical.write_text(text)
    for more, code in (("", 0), (" ", 2), ("}", 2)):
        certificate.write_text(written.ljust(limit) + more)
        assert CHECKER_MODULE.main([str(canonical), str(certificate)]) == code


def test_an_overfull_gpu_is_called_that():
    text = fleet([5, 5], [(3, 1), (3, 0)])
    for gpu_of, code in (((0, 1), 0), ((0, 0), 5)):
        report = run(text, claims(text, "feasible", Fraction(1, 2), gpu_of))
        assert report.exit_code == code
        assert (report.checks[1].detail == "a GPU is overfull") == (code == 5)


def test_a_full_gpu_under_pressure_is_called_that():
    text = fleet([5], [(5, 1)])
    for value in (0, 1, 10**9):
        report = run(text, claims(text, "feasible", value, (0,)))
        assert report.exit_code == 5
        assert report.checks[1].detail == "a GPU is full and under pressure"


def test_status_follows_from_the_rest(sound):
    text, data = sound
    codes = {"optimal": 3, "feasible": 3, "infeasible": 5, "unknown": 5}
    for status, code in codes.items():
        assert run(text, data | {"status": status}).exit_code == code


def test_no_status_follows_from_a_bound_that_failed(trap):
    text, data = trap
    for value, proof in ((Fraction(1, 8), dual("1 1 1", "2")), (Fraction(1, 9), VOLUME)):
        data["bounds"] = [{"value": number(value), "proof": proof}]
        assert run(text, data).checks[-1].outcome == FAILED


def test_a_value_is_written_in_full_where_it_is_short():
    for bits, said in ((85, str(2**85)), (86, "7.737125e+25 (a fraction of about 26 digits)")):
        assert CHECKER_MODULE.shown(Fraction(2**bits)) == said
        assert CHECKER_MODULE.shown(Fraction(1, 2**bits)).startswith("1/") == (bits == 85)


def test_another_fleet_and_another_digest(sound):
    text, data = sound
    report = run(fleet(GPUS, MODELS[::-1]), data)
    assert report.exit_code == 5
    assert report.checks[0].outcome == FAILED
    for digest in ("0" * 64, data["instance_sha256"].upper(), ""):
        assert run(text, data | {"instance_sha256": digest}).exit_code == 5


def test_truncated_anywhere(sound):
    text, data = sound
    full = json.dumps(data)
    for length in range(len(full)):
        assert run(text, full[:length]).exit_code == 2
    for length in range(len(text)):
        assert run(text[:length], full).exit_code == 2


def test_every_key_and_line_is_needed(sound):
    text, data = sound
    for path, _ in places(data):
        if path and path[-1] != "threads" and path != ("bounds", 0):
            assert run(text, changed(data, path, None)).exit_code in (2, 5), path
    for path, _ in places(json.loads(text)):
        if path:
            mutant = json.dumps(changed(json.loads(text), path, None), separators=(",", ":"))
            assert run(mutant, data).exit_code in (2, 5), path


def test_other_types_anywhere(sound):
    text, data = sound
    for path, value in places(data):
        for other in (7, 0.5, True, "x", "", [], {}, [[]], {"kind": []}):
            if path and type(other) is not type(value) and path[-1] != "threads":
                assert run(text, changed(data, path, other)).exit_code in (2, 5), (path, other)
    for other in (7, 0.5, True, None, "x", [], {}):
        assert run(text, json.dumps(other)).exit_code == 2
        assert run(json.dumps(other), data).exit_code == 2
        for path, value in places(json.loads(text)):
            if path and other is not None and type(other) is not type(value):
                mutant = changed(json.loads(text), path, other)
                code = run(json.dumps(mutant, separators=(",", ":")), data).exit_code
                assert code == (
                    5
                    if isinstance(value, str) and path[-1] == "name" and isinstance(other, str)
                    else 2
                )


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "kvpr-opt/certificate/2"},
        {"extra": "1"},
        {"bounds": [{"value": "-1", "proof": VOLUME}]},
        {"bounds": [{"value": "1/0", "proof": VOLUME}]},
        {"bounds": [{"value": "2/4", "proof": VOLUME}]},
        {"bounds": [{"value": "1", "proof": VOLUME}] * 3},
        {"max_kvpr": "infinite"},
        {"max_kvpr": "0.5"},
        {"max_kvpr": "1e2"},
        {"max_kvpr": "1/1"},
        {"max_kvpr": "01"},
        {"max_kvpr": " 1"},
        {"max_kvpr": "1\n"},
        {"max_kvpr": "+1"},
        {"max_kvpr": "1_0"},
        {"max_kvpr": "\u0661"},
        # What is well-formed as a whole is read; then a claim fails.
        ({"status": "OPTIMAL"}, 5),
        ({"bounds": [{"value": "1", "proof": {"kind": "dream"}}]}, 5),
        ({"bounds": [{"value": "1", "proof": {}}]}, 5),
        ({"bounds": [{"value": "1", "proof": {"kind": "volume", "more": "1"}}]}, 5),
    ],
)
def test_what_the_format_does_not_know_is_refused(sound, change):
    change, code = change if isinstance(change, tuple) else (change, 2)
    text, data = sound
    report = run(text, data | change)
    assert report.exit_code == code
    assert (len(report.checks) == 1) is (code == 2)


def test_a_key_twice_is_refused(sound):
    text, data = sound
    twice = json.dumps(data).replace('"m0":', '"m1": "g0", "m0":')
    report = run(text, twice)
    assert report.exit_code == 2
    assert "once" in report.checks[0].detail


HARMLESS = {", ", "}]\n", '"memory":"80","name":"g0"', '"\\u0067\\u0030"'}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (",", ", "),
        ("}]", "}]\n"),
        ('"80"', '"80/1"'),
        ('"80"', '"160/2"'),
        ('"80"', "80"),
        ('"80"', "NaN"),
        ('"80"', '"8e1"'),
        ('"80"', '"-80"'),
        ('"name":"g0","memory":"80"', '"memory":"80","name":"g0"'),
        ('"g0"', '"\\u0067\\u0030"'),
        ('"g0"', '"\\ud800"'),
        ('"g1"', '"g0"'),
        ('"m0"', '"m1"'),
        ('"constraints":[]', '"constraints":["apart"]'),
        ("canonical/1", "canonical/2"),
        ('"name":"g0"', '"name":"g0","type":"H100"'),
    ],
)
def test_a_fleet_that_is_not_canonical_is_refused(old, new):
    text = fleet([80, 40], [(1, 1), (2, 0)])
    data = claims(text, "unknown")
    assert run(text, data).exit_code == 0
    other = text.replace(old, new)
    assert other != text
    # What can be read in another spelling is another text, of another digest.
    assert run(other, data).exit_code == (5 if new in HARMLESS else 2)


def test_half_a_surrogate_pair_is_unreadable_raw_or_escaped():
    text = fleet([80], [])
    for half in ("\ud800", "\\udfff"):
        assert run(text.replace("g0", half), claims(text, "unknown")).exit_code == 2
        for written in (json.dumps(claims(text, "feasible", 0, [])), json.dumps(word(1))):
            data = written.replace("feasible", half).replace("oracle", half)
            assert run(text, data).exit_code == 2
    # A whole pair, escaped, is one character.
    assert run(text.replace("g0", "\\ud83d\\ude00"), claims(text, "unknown")).exit_code == 5


def test_a_fleet_needs_a_gpu():
    text = fleet([], [])
    assert run(text, claims(text, "unknown")).exit_code == 2


# -- files made to hurt ----------------------------------------------------------------

LONG = 9_000_000
HOSTILE = {
    "nested lists": "[" * LONG,
    "nested objects": '{"a":' * (LONG // 5),
    "many lists": "[" + "[]," * (LONG // 3) + "[]]",
    "many objects": "[" + '{"":""},' * (LONG // 8) + "{}]",
    "a long JSON number": '{"schema":' + "9" * LONG + "}",
    "a short number that is long": '{"schema":1e400000000}',
    "not a number": '{"schema":NaN}',
    "too long": " " * 100_000_000,
    "zero bytes": "\0" * LONG,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text(name):
    text = fleet([80], [])
    for pair in [(HOSTILE[name], "{}"), (text, HOSTILE[name])]:
        start = time.process_time()
        report = check(*pair)
        assert time.process_time() - start < 4  # a second where nothing else runs
        assert report.exit_code == 2
        assert len(str(report)) < 1000


def test_hostile_numbers():
    text = fleet([80], [(1, 1)])
    data = claims(text, "unknown", bounds=[(1, VOLUME)])
    for digits in ("9" * LONG, "9" * 20_001, "1/" + "9" * 20_001):
        start = time.process_time()
        assert run(text.replace('"80"', f'"{digits}"'), data).exit_code == 2
        assert run(text, data | {"max_kvpr": digits}).exit_code == 2
        assert run(text, changed(data, ("bounds", 0, "value"), digits)).exit_code == 2
        assert time.process_time() - start < 2


def test_long_numbers_within_the_limits_are_read():
    text = fleet([80], [(1, 1)])
    long = "9" * 19_999 + "/" + "1" + "0" * 19_998
    data = claims(text, "feasible", Fraction(1, 79), (0,), [(Fraction(1, 80), VOLUME)])
    assert run(text, data).exit_code == 0
    start = time.process_time()
    assert run(text, data | {"max_kvpr": long}).exit_code == 5
    assert run(text, changed(data, ("bounds", 0, "value"), long)).exit_code == 5
    assert time.process_time() - start < 2


def test_pressures_without_a_common_denominator_stay_within_bounds():
    """Work grows with models times the digits of their common denominator: it is limited."""
    for count, code in [(300, 5), (600, 2)]:
        models = [(0, Fraction(1, 2**600 + 2 * i + 1)) for i in range(count)]
        text = fleet([80, 80], models)
        start = time.process_time()
        assert run(text, claims(text, "unknown", bounds=[(10**9, VOLUME)])).exit_code == code
        assert time.process_time() - start < 4


def test_long_names_do_not_flood_the_report():
    text = fleet([80], [])
    data = claims(text, "feasible", 0, ()) | {"placement": {"x" * 1_000_000: "g0"}}
    report = run(text, data)
    assert report.exit_code == 5
    assert len(str(report)) < 1000


# -- one file that stands alone --------------------------------------------------------


def test_it_imports_the_standard_library_only():
    for node in ast.walk(ast.parse(CHECKER.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module or ""]
        else:
            continue
        assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_it_can_be_read_function_by_function():
    """Each fits a screen and says what it checks; a check of a proof opens with its lemma."""
    for node in ast.walk(ast.parse(CHECKER.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 50, node.name
            if not node.name.startswith("_"):
                assert ast.get_docstring(node), node.name
        # A condition changes nothing: what is assigned stands in a line of its own.
        assert not isinstance(node, ast.NamedExpr)
    for name in (
        "volume",
        "dual",
        "tree",
        "pinned",
        "constrained",
        "solver",
        "rounded",
        "whole",
        "moves",
    ):
        assert getattr(CHECKER_MODULE, f"check_{name}").__doc__.startswith("Lemma: ")


def test_it_stays_short_enough_to_be_read():
    """So many lines in all, blank lines and comments included."""
    assert len(CHECKER.read_text(encoding="utf-8").splitlines()) <= 1230


@pytest.fixture
def alone(tmp_path):
    """The checker as a program, in a folder with nothing else."""
    shutil.copy(CHECKER, tmp_path / "verify.py")

    def call(*arguments):
        command = [sys.executable, "-I", "verify.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return tmp_path, call


def test_it_runs_alone(alone, trap, sound):
    folder, call = alone
    for (text, data), code in [(trap, 0), (sound, 3), ((trap[0], sound[1]), 5), (("{}", {}), 2)]:
        (folder / "canonical.json").write_text(text, encoding="utf-8")
        (folder / "certificate.json").write_text(json.dumps(data), encoding="utf-8")
        done = call("canonical.json", "certificate.json")
        assert done.returncode == code
        assert done.stdout.splitlines() == [": ".join(made) for made in run(text, data).checks]
        assert not done.stderr


def test_wrong_calls(alone):
    folder, call = alone
    (folder / "latin.json").write_bytes(b"\xff\xfe")
    for arguments in ([], ["a"], ["a", "b"], ["latin.json", "latin.json"], ["a", "b", "c"]):
        done = call(*arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("usage")
        assert not done.stdout


def test_names_that_the_terminal_cannot_show(alone):
    folder, _ = alone
    text = fleet([80], [(1, 1)]).replace("m0", "模型")
    (folder / "canonical.json").write_text(text, encoding="utf-8")
    data = claims(text, "feasible", 0, ())
    (folder / "certificate.json").write_text(json.dumps(data), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "verify.py", "canonical.json", "certificate.json"],
        cwd=folder,
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert done.returncode == 5
    assert b"\\u6a21" in done.stdout


# -- what a reader of the page found ---------------------------------------------------


def spread_over(*gpus):
    """Canonical text of two models of size and pressure 1 that no node may have both of."""
    data = {
        "schema": "kvpr-opt/canonical/2",
        "gpus": [dict(zip(("name", "memory", "node"), gpu, strict=False)) for gpu in gpus],
        "models": [{"name": name, "size": "1", "pressure": "1"} for name in "xy"],
        "constraints": [{"kind": "spread", "models": [["x"], ["y"]]}],
    }
    return json.dumps(data, separators=(",", ":"))


@pytest.mark.parametrize(
    ("gpus", "code"),
    [
        ([("a", "10"), ("b", "10")], 0),
        ([("a", "10", "a"), ("b", "10", "a")], 5),
        ([("a", "10"), ("b", "10", "a")], 5),
        # A GPU without a name names a node as well as any other.
        ([("", "10", ""), ("b", "10", "")], 5),
        ([("", "10"), ("b", "10", "")], 5),
        ([("", "10"), ("b", "10")], 0),
        # The name is a label: b is in another node than a, which is in that of c.
        ([("a", "10", "c"), ("b", "10", "a"), ("c", "10")], 0),
        ([("a", "10", "z"), ("b", "10")], 2),
    ],
)
def test_models_to_be_spread_share_no_node_whatever_it_is_called(gpus, code):
    text = spread_over(*gpus)
    data = {
        "schema": "kvpr-opt/certificate/2",
        "instance_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "status": "feasible",
        "max_kvpr": "1/9",
        "placement": {"x": gpus[0][0], "y": gpus[1][0]},
        "bounds": [],
    }
    assert run(text, data).exit_code == code


@pytest.mark.parametrize("kind", ["constrained", "moves"])
def test_to_ask_each_gpu_for_each_model_has_a_limit(monkeypatch, kind):
    text = spread_over(("a", "10"), ("b", "10"))
    data = {
        "instance_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "max_kvpr": None,
        "placement": None,
        "bounds": [{"value": "1", "proof": {"kind": kind, "models": "9 9", "gpus": "9 9"}}],
    }
    if kind == "constrained":
        data |= {"schema": "kvpr-opt/certificate/2", "status": "unknown"}
        data["bounds"][0]["proof"]["types"] = "0 1"
    else:
        data |= {"schema": "kvpr-opt/relocation/1", "budget": "0"}
        data["home"], data["costs"] = {}, {"x": "0", "y": "0"}
        data["bounds"][0]["proof"] |= {"gpus": "8 9", "price": "0"}
    look = CHECKER_MODULE.check_either
    for pairs, code in ((4, 5), (3, 2)):
        limits = CHECKER_MODULE.LIMITS._replace(pairs=pairs)
        monkeypatch.setattr(CHECKER_MODULE, "LIMITS", limits)
        assert look(text, json.dumps(data)).exit_code == code


def test_a_relocation_is_told_from_a_certificate_by_what_it_names_and_nothing_else(trap):
    text, data = trap
    certificate = json.dumps(data)
    claims = ("instance_sha256", "max_kvpr", "placement", "bounds")
    row = {key: data[key] for key in claims} | {"home": {}, "budget": "0"}
    row["costs"] = {model["name"]: "0" for model in json.loads(text)["models"]}
    escaped = json.dumps({"schema": "kvpr-opt/relocation/1", **row}).replace("/", "\\/")
    nested = certificate[:-1] + ', "was": {"schema": "kvpr-opt/relocation/1"}}'
    look = CHECKER_MODULE.check_either
    assert look(text, certificate) == check(text, certificate)
    assert look(text, escaped).exit_code == 0
    assert "homes" in [made.name for made in look(text, escaped).checks]
    assert look(text, nested) == check(text, nested)
    for none in ("", "[]", "[" * 100_000, '{"schema": ["kvpr-opt/relocation/1"]}', "\udc00"):
        assert look(text, none) == check(text, none)
        assert look(text, none).exit_code == 2


def test_many_models_of_one_group_are_as_much_work_as_any_others():
    """Counting moves, each model that a GPU may have costs a pass over the row."""
    names = [f"m{i}" for i in range(2_000)]
    fleet_data = {
        "schema": "kvpr-opt/canonical/2",
        "gpus": [{"name": name, "memory": "4000000"} for name in "ab"],
        "models": [{"name": name, "size": "1", "pressure": "0"} for name in names],
        "constraints": [{"kind": "apart", "models": names}],
    }
    text = json.dumps(fleet_data, separators=(",", ":"))
    proof = {"kind": "moves", "models": " ".join(["8000000"] * len(names))}
    data = {
        "schema": "kvpr-opt/relocation/1",
        "instance_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "home": {},
        "costs": dict.fromkeys(names, "0"),
        "budget": "0",
        "max_kvpr": None,
        "placement": None,
        "bounds": [
            {"value": "infinite", "proof": {**proof, "gpus": "8000000 8000000", "price": "0"}}
        ],
    }
    report = CHECKER_MODULE.check_relocation(text, json.dumps(data))
    assert report.exit_code == 2
    assert "too many" in report.checks[-1].detail
