"""Files made to hurt the checker, and proofs beyond its limits: refused, soon and with a reason."""

from __future__ import annotations

import importlib
import json
import math
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import pytest
from small_fleets import TRAP, fleet

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import certify
from kvpr_opt.certificates.evidence import LowerBound, Tree, Volume
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.verify import LIMITS, check, refute

# The package has a function of this name.
CHECKER = importlib.import_module("kvpr_opt.verify")

OPTIMUM = Fraction(1, 8)
SOUND = certify(
    TRAP,
    status="optimal",
    incumbent=Placement(TRAP, [0, 0, 1]),
    bounds=[LowerBound(OPTIMUM, Volume())],
).to_json()
TEXT = canonical_fleet(TRAP)

#: Three bins of 10 for sizes that add up to 29, which no choice of sets packs.
SIZES, BINS = (5, 5, 4, 4, 4, 4, 3), [(3, 10, 10)]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Processor time, so that other work on the machine does not count."""
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds


def tree(instance: Instance, points: tuple[int, ...], limits: tuple[int, ...]) -> str:
    bound = LowerBound(math.inf, Tree(points, limits))
    return certify(instance, status="infeasible", incumbent=None, bounds=[bound]).to_json()


@pytest.mark.parametrize(
    ("name", "certificate", "code"),
    [
        ("sound", SOUND, 0),
        ("tampered", SOUND.replace('"1/8"', '"1/7"'), 5),
        ("another value of the bound", SOUND.replace('"value": "1/8"', '"value": "1/7"'), 5),
        ("of another fleet", tree(fleet([5], [(6, 0)]), (1,), (0,)), 5),
        ("truncated", SOUND[: len(SOUND) // 2], 2),
        ("empty", "", 2),
        ("a hundred million bytes", " " * 100_000_000, 2),
        ("a number of ten million digits", SOUND.replace("1/8", "9" * 10_000_000), 2),
        ("just too many digits", SOUND.replace("1/8", "9" * 20_001), 2),
        ("deep lists", "[" * 1_000_000, 2),
        ("many lists", f"[{'[],' * 3_000_000}[]]", 2),
        ("not a text", "\0" * 1_000_000, 2),
    ],
)
def test_bad_files_are_refused_within_two_seconds(name: str, certificate: str, code: int) -> None:
    with within(2):
        report = check(TEXT, certificate)
    assert report.exit_code == code, name
    assert len(str(report)) < 1000
    assert all(made.detail for made in report.checks)


def test_a_file_may_have_just_so_many_bytes() -> None:
    assert check(TEXT, SOUND + " " * (LIMITS.file_bytes - len(SOUND))).exit_code == 0
    assert check(TEXT, SOUND + " " * (LIMITS.file_bytes - len(SOUND) + 1)).exit_code == 2


def test_the_example_of_a_tree() -> None:
    instance = fleet([10] * 3, [(size, 0) for size in SIZES])
    report = check(canonical_fleet(instance), tree(instance, SIZES, (10,)))
    assert report.exit_code == 0
    assert "2 sets lose no more" in report.checks[2].detail
    # The same without the smallest model packs: two of 5, and twice two of 4.
    instance = fleet([10] * 3, [(size, 0) for size in SIZES[:-1]])
    assert check(canonical_fleet(instance), tree(instance, SIZES[:-1], (10,))).exit_code == 5


def test_steps_cases_and_sets_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    items = list(zip(SIZES, SIZES, strict=True))
    refute(items, BINS, cases=1)
    with pytest.raises(ValueError, match="no more points"):
        refute(items, BINS, cases=0)
    with pytest.raises(ValueError, match="as far as the points can tell"):
        refute(items[:-1], BINS, cases=100)
    needed = next(steps for steps in range(100) if _passes(items, steps))
    assert needed == 10  # as many as proofs could count on so far
    with pytest.raises(TimeoutError, match="too many steps"):
        refute(items, BINS, cases=1, steps=needed - 1)
    monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(patterns=2))
    refute(items, BINS, cases=1)
    monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(patterns=1))
    with pytest.raises(TimeoutError, match="more than 1 sets"):
        refute(items, BINS, cases=1)


def _passes(items: list[tuple[int, int]], steps: int) -> bool:
    try:
        refute(items, BINS, cases=1, steps=steps)
    except TimeoutError:
        return False
    return True


def test_as_many_cases_as_are_counted_suffice() -> None:
    draw, most, together = random.Random(4), 0, 0
    for _ in range(200):
        sizes = [draw.randint(20, 60) for _ in range(14)]
        items = [(size, size) for size in sizes]
        bins = [(5, -(-sum(sizes) // 5) + 2, -(-sum(sizes) // 5) + 2)]
        said = _verdict(items, bins)
        if said.endswith("cases fail"):
            cases = int(said.split()[-3])
            most, together = max(most, cases), together + cases
            assert refute(items, bins, cases=cases) == said
            if cases > 1:
                with pytest.raises(TimeoutError, match="cases"):
                    refute(items, bins, cases=cases - 1)
    assert most > 10
    # No case comes twice, and none that wastes too much: as many as proofs could count on so far.
    assert together == 862


def test_a_coarse_table_changes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points counted in units cost steps; what is accepted and refused stays the same."""
    draw, both = random.Random(3), set()
    for _ in range(150):
        sizes = [draw.randint(1, 12) for _ in range(draw.randint(3, 8))]
        items = [(size, 10 * size + draw.randint(0, 3)) for size in sizes]
        bins = [(draw.randint(1, 3), capacity, 0) for capacity in {draw.randint(8, 20), 12}]
        bins = [(n, capacity, 10 * capacity + 9) for n, capacity, _ in bins]
        verdicts = []
        for size in (60_000_000, 3_000, 1):
            monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(table_bytes=size))
            verdicts.append(_verdict(items, bins))
        assert len(set(verdicts)) == 1
        both.add(verdicts[0][:20])
    assert len(both) > 2


def _verdict(items: list[tuple[int, int]], bins: list[tuple[int, int, int]]) -> str:
    try:
        return refute(items, bins, cases=10_000)
    except (ValueError, TimeoutError) as refusal:
        return str(refusal)


def test_a_tree_that_is_too_much_work_is_refused_within_seconds() -> None:
    draw = random.Random(1)
    models = [(draw.randint(100, 999), 0) for _ in range(60)]
    room = sum(size for size, _ in models) // 15
    instance = fleet([room] * 16, models)
    sizes = tuple(size for size, _ in models)
    with within(8):
        report = check(canonical_fleet(instance), tree(instance, sizes, (room,)))
    assert report.exit_code == 2
    assert re.search("too many|more than", report.checks[-1].detail)


def test_the_wrong_type_anywhere_in_a_proof_is_rejected() -> None:
    data = json.loads(SOUND)
    for wrong in ({"kind": 1}, {"kind": ["volume"]}, {"kind": "tree", "models": 1, "gpus": "1"}):
        data["bounds"][0]["proof"] = wrong
        assert check(TEXT, json.dumps(data)).exit_code == 5


def test_a_bound_of_nothing_is_true_whatever_its_proof() -> None:
    data = json.loads(SOUND)
    data["status"], proof = "feasible", {"kind": "dual", "models": "0 0 0", "gpus": "0"}
    for value, code in (("0", 0), ("1/100", 5)):
        data["bounds"] = [{"value": value, "proof": proof}]
        assert check(TEXT, json.dumps(data)).exit_code == code


def test_files_may_have_just_so_many_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    brackets = max(text.count("[") + text.count("{") for text in (TEXT, SOUND))
    for most, code in ((brackets, 0), (brackets - 1, 2)):
        monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(brackets=most))
        assert check(TEXT, SOUND).exit_code == code


def test_different_denominators_may_have_just_so_many_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 1, 3 and 4 bits: what is the same counts once.
    text = canonical_fleet(fleet([10], [(Fraction(1, d), 0) for d in (4, 8, 4, 1)]))
    for most, code in ((8, 5), (7, 2)):
        monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(memory_bits=most))
        assert check(text, SOUND).exit_code == code


def test_denominators_of_pressures_count_for_each_gpu_and_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 5 bits for each of a GPU and two models.
    instance = fleet([10], [(1, Fraction(1, 8)), (1, 2)])
    bound = LowerBound(Fraction(1, 8), Volume())
    made = certify(instance, status="unknown", incumbent=None, bounds=[bound]).to_json()
    for most, code in ((15, 0), (14, 2)):
        monkeypatch.setattr(CHECKER, "LIMITS", CHECKER.LIMITS._replace(pressure_bits=most))
        assert check(canonical_fleet(instance), made).exit_code == code


def test_a_kvpr_may_have_just_so_many_digits() -> None:
    for digits, code in ((20_000, 5), (20_001, 2)):
        long = "1" + "0" * (digits - 1)
        for value in (long, f"1/{long}", f"{long}/3"):
            data = json.loads(SOUND)
            data["bounds"][0]["value"] = value
            data["status"] = "feasible"
            # Nearly nothing is a true bound; the others exceed the value of the placement.
            expected = 0 if code == 5 and value.startswith("1/") else code
            assert check(TEXT, json.dumps(data)).exit_code == expected


def test_numbers_of_a_fleet_may_have_just_so_many_digits() -> None:
    for digits, code in ((200, 5), (201, 2)):
        # Readable, but another fleet; or not readable at all.
        assert check(TEXT.replace('"10"', f'"{"9" * digits}"', 1), SOUND).exit_code == code
