"""Certificates: what is claimed, how it is written and read, and that the checker agrees."""

import json
import math
import random
import re
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest

from kvpr_opt.certificates.canonical import canonical_fleet, digest
from kvpr_opt.certificates.certificate import BoundClaim, Certificate, certify, verify
from kvpr_opt.certificates.evidence import Counting, LowerBound, SolverClaim, Tree, Volume
from kvpr_opt.errors import InputError, InvalidPlacementError, SolverError
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.bounds import lower_bounds
from kvpr_opt.verify import (
    LIMITS,
    NOT_CHECKABLE,
    check,
    packing,
    read_fleet,
    threshold,
    whole_fleet,
)


def fleet(gpus, models):
    return Instance(
        [GPU(f"g{i}", *memory) for i, memory in enumerate(gpus)],
        [LLM(f"m{i}", size, pressure=pressure) for i, (size, pressure) in enumerate(models)],
    )


def word(threshold, **parameters):
    return SolverClaim("Some Solver", "1.2.3", threshold, parameters)


TRAP = fleet([(10,), (10,)], [(6, 0), (4, 0), (2, 1)])
BEST = Placement(TRAP, [0, 0, 1])
EIGHTH = Fraction(1, 8)


def test_an_optimum_from_placement_to_file_and_back():
    made = certify(TRAP, status="optimal", incumbent=BEST, bounds=[LowerBound(EIGHTH, Volume())])
    assert json.loads(made.to_json()) == {
        "schema": "kvpr-opt/certificate/1",
        "instance_sha256": digest(TRAP),
        "status": "optimal",
        "max_kvpr": "1/8",
        "placement": {"m0": "g0", "m1": "g0", "m2": "g1"},
        "bounds": [{"value": "1/8", "proof": {"kind": "volume"}}],
    }
    assert Certificate.from_json(made.to_json()) == made
    assert verify(TRAP, made).exit_code == 0


def test_every_kind_of_evidence_is_written_by_name():
    certificate = certify(
        TRAP,
        status="unknown",
        incumbent=None,
        bounds=[
            LowerBound(Fraction(1, 9), Counting((2, 0))),
            LowerBound(math.inf, word(Fraction(7, 3), threads=1, gap=0.5, log=True, mode="a")),
        ],
    )
    assert certificate.bounds == (
        BoundClaim(Fraction(1, 9), {"kind": "dual", "models": "1 0 1", "gpus": "1"}),
        BoundClaim(
            math.inf,
            {
                "kind": "solver",
                "solver": "Some Solver",
                "version": "1.2.3",
                "threshold": "7/3",
                "parameters": {"threads": "1", "gap": "0.5", "log": "true", "mode": "a"},
            },
        ),
    )
    assert Certificate.from_json(certificate.to_json()) == certificate


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ([], []),
        ([(0, Volume())], []),
        ([(1, Volume()), (2, Counting((0,)))], [2]),
        ([(1, Volume()), (2, word(2))], [1, 2]),
        ([(2, word(2)), (1, Volume()), (3, word(3))], [1, 3]),
        ([(2, word(2)), (2, Volume())], [2]),
        ([(1, word(2)), (2, Volume())], [2]),
        ([(math.inf, Volume()), (2, Volume())], [math.inf]),
        ([(0, word(0))], []),
    ],
)
def test_the_best_bounds_are_kept_and_no_word_without_need(bounds, kept):
    bounds = [
        LowerBound(value if value == math.inf else Fraction(value), evidence)
        for value, evidence in bounds
    ]
    certificate = certify(TRAP, status="unknown", incumbent=None, bounds=bounds)
    assert [bound.value for bound in certificate.bounds] == kept


def test_a_placement_of_infinite_kvpr_is_no_answer():
    full = fleet([(1,)], [(1, 1)])
    with pytest.raises(SolverError):
        certify(full, status="feasible", incumbent=Placement(full, [0]), bounds=[])


def test_a_solvers_word_leaves_the_bound_unchecked():
    certificate = certify(
        TRAP, status="optimal", incumbent=BEST, bounds=[LowerBound(EIGHTH, word(Fraction(1, 10)))]
    )
    report = verify(TRAP, certificate)
    assert report.exit_code == 3
    assert report.checks[-1].outcome == NOT_CHECKABLE


def test_a_certificate_of_another_fleet_is_rejected():
    other = fleet([(10,), (10,)], [(6, 0), (4, 0), (2, 2)])
    certificate = certify(TRAP, status="feasible", incumbent=BEST, bounds=[])
    assert verify(TRAP, certificate).exit_code == 0
    assert verify(other, certificate).exit_code == 5


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"schema":"kvpr-opt/certificate/2"}'])
def test_what_is_no_certificate_is_an_input_error(text):
    with pytest.raises(InputError, match="not a certificate"):
        Certificate.from_json(text)


def test_numbers_of_thousands_of_digits():
    """Rates over objectives rarely share a denominator; a bound combines all of them."""
    primes = [p for p in range(10**4, 11600) if all(p % q for q in range(2, 110))]
    models = [(1, Fraction(p - 1, p) / 10**20) for p in primes]
    instance = fleet([(80,), (2 * len(primes),)], models)
    bounds = lower_bounds(instance)
    assert max(bound.value.denominator for bound in bounds) > 10**600
    placement = Placement(instance, [1] * len(primes))
    made = certify(instance, status="feasible", incumbent=placement, bounds=bounds)
    assert Certificate.from_json(made.to_json()) == made
    assert verify(instance, made).exit_code == 0


def test_what_is_too_long_to_be_checked_is_written_all_the_same():
    value = Fraction(1, 10**LIMITS.kvpr_digits)
    certificate = certify(
        TRAP, status="feasible", incumbent=BEST, bounds=[LowerBound(value, Volume())]
    )
    assert len(certificate.to_json()) > LIMITS.kvpr_digits
    assert verify(TRAP, certificate).exit_code == 2


# -- the package's idea of a threshold and the checker's -------------------------------


def random_instance(rng):
    unit = rng.choice([Fraction(1), Fraction(1, 10), Fraction(2, 7)])
    gpus = []
    for _ in range(rng.randint(1, 3)):
        memory = rng.choice([3, 5, 5, 8, 10]) * unit
        gpus.append((memory, rng.choice([0, 0, 0, 1, memory / unit]) * unit))
        if gpus[-1][1] > memory:
            gpus[-1] = (memory, 0)
    pressures = rng.choice([[0], [0, 1, 2, 3], [1, 2], [Fraction(1, 3), Fraction(5, 2), 0]])
    models = [
        (rng.choice([0, 1, 2, 3, 4, 5]) * unit, rng.choice(pressures))
        for _ in range(rng.randint(0, 5))
    ]
    return fleet(gpus, models)


def optimum(instance):
    best = None
    for gpu_of in product(range(len(instance.gpus)), repeat=len(instance.models)):
        try:
            placement = Placement(instance, gpu_of)
        except InvalidPlacementError:
            continue
        if placement.max_kvpr < (best.max_kvpr if best else math.inf):
            best = placement
    return best


def test_thresholds_agree_with_the_search():
    """The strict question below a value, derived twice by different means."""
    rng = random.Random(3)
    for _ in range(300):
        instance = random_instance(rng)
        read = whole_fleet(read_fleet(canonical_fleet(instance)))
        assert tuple(read.sizes.values()) == instance.scaled.sizes
        assert tuple(read.capacities.values()) == instance.scaled.capacities
        assert threshold(read, math.inf) == instance.scaled.finite()[:2]
        value = Fraction(rng.randint(1, 60), rng.randint(1, 60))
        a, f = threshold(read, value)
        asked = instance.scaled.below(value)
        everything = instance.scaled.total_pressure
        if everything and Fraction(asked.numerator, asked.denominator) > everything:
            assert (a, f) == (everything, 1)
        else:
            assert (a, f) == asked[:2]


def sample(seed, count):
    """Answers with true bounds of the package are accepted, and what they say is true."""
    rng = random.Random(seed)
    statuses = dict.fromkeys(["optimal", "feasible", "infeasible"], 0)
    for _ in range(count):
        instance = random_instance(rng)
        best, bounds = optimum(instance), lower_bounds(instance)
        bound = max((bound.value for bound in bounds), default=Fraction(0))
        value = best.max_kvpr if best else math.inf
        assert bound <= value
        for incumbent in {best, None}:
            if incumbent is not None:
                status = "optimal" if bound == value else "feasible"
            else:
                status = "infeasible" if bound == math.inf else "unknown"
            made = certify(instance, status=status, incumbent=incumbent, bounds=bounds)
            report = verify(instance, Certificate.from_json(made.to_json()))
            assert report.exit_code == 0, str(report)
            statuses[status] = statuses.get(status, 0) + 1
        claimed = certify(instance, status="optimal", incumbent=best, bounds=bounds)
        if best is not None and bound < value:
            assert verify(instance, claimed).exit_code == 5
    assert all(times > count / 50 for times in statuses.values()), statuses


def test_the_bounds_of_the_package_pass_the_checker():
    sample(seed=4, count=200)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 26))
def test_the_bounds_of_the_package_pass_the_checker_on_many_more(seed):
    sample(seed=seed, count=2000)


# -- the document ----------------------------------------------------------------------


def test_the_example_of_the_document():
    text = (Path(__file__).parents[2] / "docs" / "certificate.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert len(blocks) == 2
    assert check(*blocks).exit_code == 0


@pytest.mark.parametrize(
    ("instance", "value", "evidence", "ratio", "items", "capacities"),
    [
        (TRAP, EIGHTH, Volume(), (1, 5), [3, 2, 6], [5, 5]),
        (fleet([(5,)] * 3, [(2, 0)] * 7), math.inf, Volume(), (1, 0), [1] * 7, [2] * 3),
        (fleet([(5,)] * 2, [(5, 1), (5, 0)]), math.inf, Volume(), (1, 1), [2, 1], [1, 1]),
        (fleet([(10,)] * 2, [(3, 2)] * 3), 1, Counting((0, 1, 2)), (4, 9), [1] * 3, [1] * 2),
        (
            fleet([(10,)] * 3, [(size, 0) for size in (5, 5, 4, 4, 4, 4, 3)]),
            math.inf,
            Tree((5, 5, 4, 4, 4, 4, 3), (10,)),
            (1, 0),
            [5, 5, 4, 4, 4, 4, 3],
            [10] * 3,
        ),
    ],
)
def test_the_worked_proofs_of_the_document(instance, value, evidence, ratio, items, capacities):
    value = value if value == math.inf else Fraction(value)
    read = whole_fleet(read_fleet(canonical_fleet(instance)))
    assert threshold(read, value) == ratio
    assert packing(read, *ratio) == (items, capacities)
    made = certify(instance, status="unknown", incumbent=None, bounds=[LowerBound(value, evidence)])
    assert verify(instance, made).exit_code == 0


def test_the_wrong_strict_question_of_the_document():
    read = whole_fleet(read_fleet(canonical_fleet(TRAP)))
    assert threshold(read, Fraction(1, 4)) == (2, 5)
    assert packing(read, 2, 5) == ([6, 4, 7], [10, 10])
    assert packing(read, 1, 2) == ([3, 2, 3], [5, 5])
