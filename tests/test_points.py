"""Points for models as proof, alone and with cases: against the definition and brute force."""

import hashlib
import itertools
import json
import math
import random
import time
from fractions import Fraction
from functools import cache

import pytest
from small_fleets import TRAP, brute_force, fleet, random_fleet

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import BoundClaim, Certificate, certify, verify
from kvpr_opt.certificates.evidence import DualVector, LowerBound, SolverClaim, Tree
from kvpr_opt.generate import prism_instance
from kvpr_opt.limits import Limits
from kvpr_opt.patterns.problem import PackingQuestion
from kvpr_opt.patterns.proofs.case_proof import prove_bound, tree_proof
from kvpr_opt.problem.exact import fraction_text
from kvpr_opt.search.tracker import Tracker
from kvpr_opt.verify import check

PRISM = prism_instance(0)
PRISM_OPTIMUM = Fraction(43, 1008)
PRISM_POINTS = (2, 1, 2, 1, 1, 1, 1, 3, 1, 3, 1, 2, 2, 1, 1, 2)


WRONG_POINTS = ["01 1 1", "+1 1 1", "-1 1 1", "1 1", "1 1 1 1"]
WRONG_POINTS += [
    "1.0 1 1",
    "1/1 1 1",
    "3/2 1 1",
    "1  1 1",
    "1\u20031 1",
    "1 1 1000000000",
    "1,1,1",
    "\u0661 1 1",
    "\u00b2 1 1",
    "1 1 x",
]


# -- claims, and whether they hold by definition ---------------------------------------


def text_of(numbers):
    return numbers if isinstance(numbers, str) else " ".join(map(str, numbers))


def claim(text, value, points, limits, kind="dual"):
    """The exit code for one bound and nothing else."""
    value = "infinite" if value == math.inf else fraction_text(Fraction(value))
    proof = {"kind": kind, "models": text_of(points), "gpus": text_of(limits)}
    data = {
        "schema": "kvpr-opt/certificate/1",
        "instance_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "status": "unknown",
        "max_kvpr": None,
        "placement": None,
        "bounds": [{"value": value, "proof": proof}],
    }
    return check(text, json.dumps(data)).exit_code


class Case:
    """A fleet, its optimum, and what fits its GPUs, all straight from the definition."""

    def __init__(self, instance):
        self.instance = instance
        self.text = canonical_fleet(instance)
        self.types = {}
        for gpu in instance.gpus:
            memory = gpu.memory - gpu.reserved
            self.types[memory] = self.types.get(memory, 0) + 1
        self.best = brute_force(instance)
        self.fitting = cache(self._fitting)

    def _fitting(self, value):
        """By type, the sets of models that a GPU can hold at a KVPR below a value."""
        found = {memory: [] for memory in self.types}
        models = list(enumerate(self.instance.models))
        for count in range(len(models) + 1):
            for members in itertools.combinations(models, count):
                size = sum(model.size for _, model in members)
                pressure = sum(model.pressure for _, model in members)
                for memory, sets in found.items():
                    free = memory - size
                    # Below infinity means finite: not full and under pressure.
                    if free >= 0 and (pressure == 0 or (free > 0 and pressure / free < value)):
                        sets.append([index for index, _ in members])
        return list(found.values())

    def tight(self, value, points):
        """The least limits that are true."""
        return [
            max(sum(points[index] for index in members) for members in sets)
            for sets in self.fitting(value)
        ]

    def holds(self, value, points, limits):
        """Whether the argument is right: for the points alone, and with all cases tried."""
        if len(points) != len(self.instance.models) or len(limits) != len(self.types):
            return False, False
        # What takes no room can be added to any GPU: its points prove nothing.
        models = zip(points, self.instance.models, strict=True)
        points = [p if model.size or model.pressure else 0 for p, model in models]
        true = all(a <= b for a, b in zip(self.tight(value, points), limits, strict=True))
        held = sum(a * b for a, b in zip(self.types.values(), limits, strict=True))
        return true and sum(points) > held, true and value <= self.best

    def judge(self, value, points, limits):
        """Ask the checker, and compare; return how often it accepted."""
        accepted = 0
        # At the threshold 0 the packing problem says nothing about memory.
        scaled = self.instance.scaled
        only_pressure = value < math.inf and scaled.below(value).numerator == 0
        for kind, holds in zip(("dual", "tree"), self.holds(value, points, limits), strict=True):
            code = claim(self.text, value, points, limits, kind)
            assert code in (0, 5)
            accepted += code == 0
            assert code == 5 or value <= self.best
            assert holds is (code == 0) or only_pressure
        return accepted

    def values(self, rng):
        """Values of all sorts, those around the optimum above all."""
        near = [math.inf, Fraction(rng.randint(1, 20), rng.randint(1, 20))]
        if 0 < self.best < math.inf:
            steps = [Fraction(10**9 + step, 10**9) for step in (-1, 1)]
            near += [self.best, *(self.best * step for step in [*steps, Fraction(9, 10)])]
        return near


def mutants(rng, points, limits):
    """One change each: a number one off, two swapped, one dropped or doubled."""
    for numbers, put in ((points, lambda new: (new, limits)), (limits, lambda new: (points, new))):
        for place, number in enumerate(numbers):
            for step in (-1, 1):
                if number + step >= 0:
                    yield put([*numbers[:place], number + step, *numbers[place + 1 :]])
        if numbers:
            a, b = rng.randrange(len(numbers)), rng.randrange(len(numbers))
            swapped = list(numbers)
            swapped[a], swapped[b] = swapped[b], swapped[a]
            yield put(swapped)
            yield put([*numbers[:a], *numbers[a + 1 :]])
            yield put([*numbers, numbers[a]])
    yield points[::-1], limits
    yield points, limits[::-1]


def vectors(rng, case, value):
    """Points worth a try: random ones, one each, and the volume rounded."""
    models = case.instance.models
    most = rng.choice([1, 1, 2, 3, 9])
    yield [rng.randint(0, most) for _ in models]
    yield [rng.choice([0, 1, 1]) for _ in models]
    scale = rng.choice([1, 7, 60])
    value = 1 if value == math.inf else value
    yield [int(scale * (model.pressure / value + model.size)) for model in models]


def sample(seed, count, *, gpus=3, models=5):
    """Every claim is accepted if and only if its argument is right; then it is true."""
    rng = random.Random(seed)
    tried = accepted = 0
    while tried < count:
        case = Case(random_fleet(rng, models, gpus))
        for value in case.values(rng):
            for points in vectors(rng, case, value):
                limits = case.tight(value, points)
                for mutant in [(points, limits), *mutants(rng, points, limits)]:
                    tried += 1
                    accepted += case.judge(value, *mutant)
    # The test is worth something only if much is accepted.
    assert accepted > count / 100, accepted


def test_accepted_if_and_only_if_the_argument_is_right():
    sample(seed=1, count=2_500)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 30))
def test_a_million_claims(seed):
    """Of each claim two proofs are judged: the points alone, and with cases."""
    sample(seed=seed, count=25_000)


def test_many_fleets():
    many_fleets(seed=6, count=150)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60, 70))
def test_a_hundred_thousand_fleets(seed):
    many_fleets(seed=seed, count=10_000)


def provers_points(case, value, sizes=False):
    """The proof that the package itself finds, or the one that sizes as points are."""
    if sizes:
        scaled = case.instance.scaled
        asked = scaled.finite() if value == math.inf else scaled.below(value)
        question = PackingQuestion.of(scaled, asked)
        return tree_proof(scaled, asked, (question.sizes, question.capacities), Limits())
    tracker = Tracker(case.instance, Limits())
    tracker.raise_bound(LowerBound(value, SolverClaim("somebody", "1", math.inf)), "a word")
    prove_bound(tracker)
    return tracker.bound.evidence


def judge_the_prover(rng, case):
    """It proves the optimum, and nothing above; its proofs are right there, and one off judged."""
    if case.best == 0:
        return 0
    above = case.best if case.best == math.inf else case.best * Fraction(10**9 + 1, 10**9)
    proofs = [provers_points(case, case.best), provers_points(case, case.best, sizes=True)]
    proofs = [proof for proof in proofs if proof is not None]
    assert proofs[0].certified
    assert above == math.inf or not provers_points(case, above).certified
    for proof in proofs:
        assert code_of(case, case.best, proof) == 0
        assert above == math.inf or code_of(case, above, proof) == 5
        if isinstance(proof, DualVector | Tree):  # points of too many digits become volume
            points, limits = list(proof.models), list(proof.gpus)
            case.judge(case.best, *rng.choice(list(mutants(rng, points, limits))))
    return len(proofs)


def code_of(case, value, proof):
    bounds = [LowerBound(value, proof)]
    made = certify(case.instance, status="unknown", incumbent=None, bounds=bounds)
    return verify(case.instance, made).exit_code


def many_fleets(seed, count):
    """Few claims about each of many fleets, the prover's own among them."""
    rng, accepted, proved = random.Random(seed), 0, 0
    for _ in range(count):
        case = Case(random_fleet(rng, 5, 3))
        proved += judge_the_prover(rng, case)
        value = rng.choice([case.best, *case.values(rng)]) or Fraction(1, 9)
        for points in vectors(rng, case, value):
            limits = case.tight(value, points)
            accepted += case.judge(value, points, limits)
            case.judge(value, *rng.choice(list(mutants(rng, points, limits))))
    assert accepted > count / 10, accepted
    assert proved > count, proved


def test_sizes_of_any_length():
    """Entries of the checker's table are as wide as the sizes need."""
    rng, accepted = random.Random(7), 0
    for digits in range(1, 50, 4):
        nearly = [Fraction(rng.randint(1, 9), 10**digits + rng.randint(1, 9)) for _ in range(5)]
        models = [(rng.randint(1, 6), rng.choice([0, 1, 2]) + each) for each in nearly]
        case = Case(fleet([rng.choice([5, 8, 10]), 10], models))
        for value in {case.best, case.best * Fraction(9, 10), math.inf}:
            for points in vectors(rng, case, value):
                limits = case.tight(value, points)
                for mutant in [(points, limits), *mutants(rng, points, limits)]:
                    accepted += case.judge(value, *mutant)
    assert accepted > 50, accepted


def test_every_fleet_of_four_kinds_of_models():
    every_fleet([(0, 1), (2, 0), (2, 1), (3, 1)], memories=(3, 4), most=3)


@pytest.mark.slow
@pytest.mark.parametrize("memories", [(2, 3), (3, 4), (4, 4), (4, 7), (5, 6)])
def test_every_small_fleet(memories):
    every_fleet(itertools.product(range(5), range(3)), memories, most=4)


def every_fleet(kinds, memories, most):
    """All fleets of two GPUs and up to `most` models of these (size, pressure) kinds."""
    rng = random.Random(2)
    kinds, accepted = list(kinds), 0
    for count in range(most + 1):
        for models in itertools.combinations_with_replacement(kinds, count):
            case = Case(fleet(memories, models))
            for value in {case.best, math.inf} - {0}:
                for points in vectors(rng, case, value):
                    accepted += case.judge(value, points, case.tight(value, points))
    assert accepted


def test_the_proof_of_the_optimum_fails_just_above_it():
    """No vector whatever refutes a placement that exists."""
    rng, passed = random.Random(3), 0
    for _ in range(150):
        case = Case(random_fleet(rng, 5, 3))
        if case.best in (0, math.inf):
            continue
        twin = case.best * Fraction(10**12 + 1, 10**12)
        for points in vectors(rng, case, case.best):
            limits = case.tight(case.best, points)
            passed += claim(case.text, case.best, points, limits) == 0
            assert claim(case.text, case.best, points, limits, "tree") == 0
            for kind in ("dual", "tree"):
                assert claim(case.text, twin, points, limits, kind) == 5
    assert passed > 20


def test_a_fleet_edited_after_the_fact():
    """With the digest recomputed, so that only the argument can notice."""
    edited(seed=4, fleets=25)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40, 50))
def test_many_fleets_edited_after_the_fact(seed):
    edited(seed=seed, fleets=500)


def edited(seed, fleets):
    rng, accepted = random.Random(seed), 0
    while fleets:
        case = Case(random_fleet(rng, 5, 3))
        memories = [gpu.memory - gpu.reserved for gpu in case.instance.gpus]
        models = [(model.size, model.pressure) for model in case.instance.models]
        if case.best == 0 or not models:
            continue
        fleets -= 1
        points = next(p for _ in range(9) for p in vectors(rng, case, case.best) if any(p))
        limits = case.tight(case.best, points)
        for step in (-1, 1, Fraction(1, 3)):
            for place in range(len(memories)):
                changed = [m + step * (index == place) for index, m in enumerate(memories)]
                accepted += edit(changed, models, case.best, points, limits)
            for place, (size, n) in enumerate(models):
                for other in ((size + step, n), (size, n + step)):
                    changed = [*models[:place], other, *models[place + 1 :]]
                    accepted += edit(memories, changed, case.best, points, limits)
    assert accepted


def edit(memories, models, value, points, limits):
    if min([*memories, *itertools.chain(*models)]) < 0 or 0 in memories:
        return False
    return Case(fleet(memories, models)).judge(value, points, limits)


# -- by hand ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memories", "models", "value", "points", "limits", "code"),
    [
        # Three models without pressure, of which a GPU holds one.
        ([5, 5], [(3, 0)] * 3, math.inf, "1 1 1", "1", 0),
        ([5, 5], [(3, 0)] * 3, math.inf, "1 1 1", "0", 5),
        ([5, 5], [(3, 0)] * 3, math.inf, "1 1 0", "1", 5),
        ([5, 5], [(3, 0)] * 3, math.inf, "1 1", "1", 5),
        ([5, 5], [(3, 0)] * 3, math.inf, "1 1 1 1", "1", 5),
        ([5, 5], [(3, 0)] * 3, math.inf, "1 1 1", "1 1", 5),
        ([5, 5], [(3, 0)] * 3, math.inf, "1 1 1", "", 5),
        # Types stand in the order of their first GPUs: 6 holds two, 5 one.
        ([6, 5, 6], [(3, 0)] * 6, math.inf, "1 1 1 1 1 1", "2 1", 0),
        ([6, 5, 6], [(3, 0)] * 6, math.inf, "1 1 1 1 1 1", "1 2", 5),
        ([6, 5, 6], [(3, 0)] * 5, math.inf, "1 1 1 1 1", "2 1", 5),
        # A model that fits nowhere may have any points, and nothing needs to be held.
        ([5], [(6, 0)], math.inf, "1", "0", 0),
        ([5], [(6, 0)], math.inf, "999999", "999998", 0),
        ([5], [(5, 0)], math.inf, "1", "0", 5),
        # Full, and under pressure.
        ([5], [(5, 1)], math.inf, "1", "0", 0),
        ([5], [(5, 1)], 1000, "1", "0", 0),
        ([5], [(4, 1)], math.inf, "1", "0", 5),
        ([5], [(4, 1)], 1, "1", "0", 0),
        # Models of no size, with and without pressure.
        ([5], [(0, 1), (0, 1)], Fraction(2, 5), "1 1", "1", 0),
        ([5], [(0, 1), (0, 1)], Fraction(3, 7), "1 1", "1", 5),
        ([5], [(0, 0), (0, 1)], Fraction(1, 5), "0 1", "0", 0),
        # What takes no room can be added to any GPU: its points prove nothing.
        ([5], [(0, 0), (0, 1)], Fraction(1, 5), "1 1", "1", 5),
        ([5], [(0, 0), (0, 1)], Fraction(1, 5), "9 1", "0", 0),
        # The strict question is not one unit less: 1/4 would pass as the optimum.
        ([10, 10], [(6, 0), (4, 0), (2, 1)], Fraction(1, 8), "3 2 6", "5", 0),
        ([10, 10], [(6, 0), (4, 0), (2, 1)], Fraction(1, 4), "1 1 1", "1", 5),
        # No models, no points.
        ([5], [], math.inf, "", "0", 5),
    ],
)
def test_edges(memories, models, value, points, limits, code):
    assert claim(canonical_fleet(fleet(memories, models)), value, points, limits) == code


@pytest.mark.parametrize("wrong", [*WRONG_POINTS, 7, 1.5, None, ["1", "1", "1"], {"m0": "1"}])
def test_points_have_one_spelling(wrong):
    text = canonical_fleet(fleet([5, 5], [(3, 0)] * 3))
    assert claim(text, math.inf, "1 1 1", "1") == 0
    bound = BoundClaim(math.inf, {"kind": "dual"})
    digest = hashlib.sha256(text.encode()).hexdigest()
    data = json.loads(Certificate(digest, "unknown", None, None, (bound,)).to_json())
    for models, gpus, code in (("1 1 1", "1", 0), (wrong, "1", 5), ("1 1 1", wrong, 5)):
        data["bounds"][0]["proof"] = {"kind": "dual", "models": models, "gpus": gpus}
        assert check(text, json.dumps(data)).exit_code == code


def test_exactly_these_keys():
    data = json.loads(certify_points(TRAP, Fraction(1, 8), (3, 2, 6), (5,)).to_json())
    proof = data["bounds"][0]["proof"]
    assert proof == {"kind": "dual", "models": "3 2 6", "gpus": "5"}
    for change in ({"more": "1"}, {"models": None}, {"gpus": None}):
        kept = {key: value for key, value in (proof | change).items() if value is not None}
        data["bounds"][0]["proof"] = kept
        assert check(canonical_fleet(TRAP), json.dumps(data)).exit_code == 5


def certify_points(instance, value, points, limits):
    bound = LowerBound(value, DualVector(points, limits))
    return certify(instance, status="unknown", incumbent=None, bounds=[bound])


# -- work ------------------------------------------------------------------------------


def test_a_proof_for_a_large_fleet_is_checked_at_once():
    """64 GPUs of four memories, 256 different models, thousands of points."""
    rng = random.Random(5)
    models = [
        (Fraction(rng.randint(10, 600), 10), Fraction(rng.randint(1, 999), 7)) for _ in "x" * 256
    ]
    instance = fleet([40, 48, 80, 141] * 16, models)
    scaled = instance.scaled
    value = Fraction(9, 10) * Fraction(sum(n for _, n in models)) / (16 * 309)
    question = scaled.packing(scaled.below(value))
    # The volume, as points: rounded down they are no proof, but the table is made.
    unit = max(question.capacities) // 3000
    points = [size // unit for size in question.sizes]
    limits = [capacity // unit for capacity in question.capacities[:4]]
    start = time.process_time()
    code = claim(canonical_fleet(instance), value, points, limits)
    assert time.process_time() - start < 5
    assert code == (0 if sum(points) > 16 * sum(limits) else 5)
    assert code == 0


@pytest.mark.parametrize(
    ("models", "each", "most"),
    [
        ([(1, 1)] * 10_000, 999_999, 999_999),  # many models and entries
        ([(1, 1)] * 9_999 + [(1, 10**15)], 20, 90_000),  # many models, longer sizes
        ([(1, Fraction(1, 10**59 + step)) for step in range(9)], 999_999, 999_999),  # long sizes
        ([(1, 1)] * 9, 999_999, 999_999),  # and none too much
    ],
)
def test_large_tables_take_bounded_work(models, each, most):
    text = canonical_fleet(fleet([5] * 2, models))
    start = time.process_time()
    code = claim(text, math.inf, [each] * len(models), [most])
    assert code == (0 if each == 20 else 5)
    assert time.process_time() - start < 4


def test_thousands_of_types_are_looked_up_in_a_long_table():
    text = canonical_fleet(fleet(range(1, 3001), [(5000, 0)] * 4))
    start = time.process_time()
    assert claim(text, math.inf, [999_999] * 4, [999_999] + [0] * 2999) == 0
    assert time.process_time() - start < 4


def test_a_text_of_millions_of_points_is_read_at_once():
    text = canonical_fleet(fleet([5], [(1, 1)]))
    start = time.process_time()
    assert claim(text, 1, "1 " * 4_500_000 + "1", "1") == 5
    assert claim(text, 1, "9" * 9_000_000, "1") == 5
    assert time.process_time() - start < 6


# -- the document ----------------------------------------------------------------------


def test_the_first_public_case():
    scaled = PRISM.scaled
    asked = scaled.below(PRISM_OPTIMUM)
    assert (asked.numerator, asked.denominator) == (8492, 79)
    assert scaled.packing(asked).sizes[:3] == (380768, 221192, 346800)
    assert scaled.packing(asked).capacities == (679360,) * 8
    made = certify_points(PRISM, PRISM_OPTIMUM, PRISM_POINTS, (3,))
    assert verify(PRISM, made).exit_code == 0
    assert len(json.dumps(made.bounds[0].proof)) < 200
    above = scaled.next_value(scaled.at_most(PRISM_OPTIMUM))
    assert verify(PRISM, certify_points(PRISM, above, PRISM_POINTS, (3,))).exit_code == 5
    for place in range(16):
        for step in (-1, 1):
            points = list(PRISM_POINTS)
            points[place] += step
            made = certify_points(PRISM, PRISM_OPTIMUM, tuple(points), (3,))
            # One point less leaves 24, which is not more than 24.
            assert step == 1 or verify(PRISM, made).exit_code == 5
