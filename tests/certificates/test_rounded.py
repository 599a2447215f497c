"""Pressures rounded down: what the checker derives, what is claimed, and that nothing false is."""

from __future__ import annotations

import importlib
import json
import random
from fractions import Fraction

import pytest
from small_fleets import brute_force, fleet, random_fleet

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.certificates.certificate import certify, verify
from kvpr_opt.problem import scaled as scaled_module
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.verify import (
    LIMITS,
    check,
    packing,
    read_fleet,
    rounded_fleet,
    threshold,
)

# The package has a function of this name.
CHECKER = importlib.import_module("kvpr_opt.verify")

#: The example of the document: its only placement has the KVPR 13/105.
EXAMPLE = fleet([10], [(2, Fraction(1, 3)), (3, Fraction(2, 7))])


def claim(instance: Instance, value: Fraction, proof: dict[str, object]) -> int:
    """The exit code for a bound with a proof."""
    data = json.loads(certify(instance, status="unknown", incumbent=None, bounds=[]).to_json())
    data["bounds"] = [{"value": str(value), "proof": proof}]
    return check(canonical_fleet(instance), json.dumps(data)).exit_code


def rounded(unit: str, proof: dict[str, object] | None = None) -> dict[str, object]:
    return {"kind": "rounded", "unit": unit, "proof": proof or {"kind": "volume"}}


def test_the_example_of_the_document() -> None:
    below = Fraction(13, 105) - Fraction(1, 10**6)
    assert claim(EXAMPLE, Fraction(1, 10), rounded("1/10")) == 0
    assert claim(EXAMPLE, Fraction(11, 100), rounded("1/10")) == 5
    assert claim(EXAMPLE, Fraction(13, 105), rounded("1/10")) == 5
    assert claim(EXAMPLE, Fraction(13, 105), rounded("1/42")) == 0
    assert claim(EXAMPLE, Fraction(13, 105), rounded("1/1000000000")) == 5
    assert claim(EXAMPLE, below, rounded("1/1000000000")) == 0


@pytest.mark.parametrize(
    "proof",
    [
        rounded("0"),
        rounded("-1"),
        rounded("0.5"),
        rounded("2/84"),
        rounded("1/42", rounded("1/42")),
        rounded("1/42", {"kind": "volume", "unit": "1"}),
        {"kind": "rounded", "unit": "1/42"},
        {"kind": "rounded", "unit": "1/42", "proof": "volume"},
        {"kind": "rounded", "unit": 1, "proof": {"kind": "volume"}},
        rounded("1/42") | {"more": "1"},
        {"kind": "volume", "unit": "1/42", "proof": {"kind": "volume"}},
    ],
)
def test_other_forms_fail(proof: dict[str, object]) -> None:
    assert claim(EXAMPLE, Fraction(1, 10), proof) == 5


def test_a_unit_may_have_just_so_many_digits_and_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "1" + "0" * (LIMITS.kvpr_digits - 1)
    assert claim(EXAMPLE, Fraction(1, 10), rounded(f"1/{long}")) == 0
    assert claim(EXAMPLE, Fraction(1, 10), rounded(f"1/{long}0")) == 5
    # 6 bits for each of a GPU and two models.
    for most, code in ((18, 0), (17, 2)):
        monkeypatch.setattr(CHECKER, "LIMITS", LIMITS._replace(pressure_bits=most))
        assert claim(EXAMPLE, Fraction(1, 10), rounded("1/42")) == code


def test_pressures_may_have_just_so_many_bits_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    # 2 and 3 bits; the KVPR of a placement is added up exactly.
    made = certify(EXAMPLE, status="feasible", incumbent=Placement(EXAMPLE, [0, 0]), bounds=[])
    for most, code in ((5, 0), (4, 2)):
        monkeypatch.setattr(CHECKER, "LIMITS", LIMITS._replace(sum_bits=most))
        assert verify(EXAMPLE, made).exit_code == code


def test_a_solvers_word_about_rounded_pressures() -> None:
    # Rounded to tenths, with 10 units of memory, all that is below 1/10 is at most 9/100.
    word = {"kind": "solver", "solver": "s", "version": "1", "parameters": {}}
    for said, code in (("9/100", 3), ("89/1000", 5)):
        proof = rounded("1/10", word | {"threshold": said})
        assert claim(EXAMPLE, Fraction(1, 10), proof) == code


def test_the_package_and_the_checker_round_alike() -> None:
    random_ = random.Random(8)
    for _ in range(200):
        instance = random_fleet(random_, 5, 3)
        unit = Fraction(random_.randint(1, 9), random_.choice([1, 2, 7, 16, 1000]))
        scaled, value = instance.rounded(unit), Fraction(random_.randint(1, 50), 7)
        whole = rounded_fleet(read_fleet(canonical_fleet(instance)), unit)
        assert whole.unit == scaled.kvpr_unit
        a, f = threshold(whole, value)
        if f:
            asked = scaled.below(value)
            highest = scaled.finite()
            if asked.value < highest.value:
                assert (a, f) == asked[:2]
            else:
                assert (a, f) == highest[:2]
        mine = scaled.packing(scaled_module.Threshold(a, f, 0.0))
        assert packing(whole, a, f) == (list(mine.sizes), list(mine.capacities))


def test_no_false_bound_passes_whatever_the_unit() -> None:
    random_, passed, failed = random.Random(9), 0, 0
    for _ in range(300):
        instance = random_fleet(random_, 5, 3)
        best = brute_force(instance)
        if not isinstance(best, Fraction) or best == 0:
            continue
        unit = Fraction(random_.randint(1, 5), random_.choice([1, 3, 7, 10, 99991]))
        whole = instance.rounded(unit)
        points = " ".join(str(random_.randint(0, 3)) for _ in instance.models)
        limits = " ".join(str(random_.randint(0, 3)) for _ in whole.types)
        for value in (best * Fraction(9, 10), best, best * Fraction(1001, 1000)):
            for inner in (
                {"kind": "volume"},
                {"kind": "dual", "models": points, "gpus": limits},
                {"kind": "tree", "models": points, "gpus": limits},
            ):
                code = claim(instance, value, rounded(str(unit), inner))
                assert code == 5 or value <= best
                passed, failed = passed + (code == 0), failed + (code == 5)
    assert passed > 80
    assert failed > 100
