"""Sizing and headroom: equal to brute force on small fleets, and proved."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction

import pytest
from small_fleets import brute_force

import kvpr_opt as kv
from kvpr_opt.errors import InputError


def models(seed: int) -> list[kv.LLM]:
    draw = random.Random(seed)
    return [
        kv.LLM(f"m{i}", draw.randint(1, 5), pressure=draw.randint(0, 4))
        for i in range(draw.randint(2, 6))
    ]


def on(number: int, served: list[kv.LLM]) -> kv.Instance:
    return kv.Instance([kv.GPU(f"g{i}", 10) for i in range(number)], served)


def check_size(seed: int) -> tuple[bool, bool]:
    """Compare with brute force; whether models fit, and whether more than their volume counts."""
    draw = random.Random(seed)
    served = [
        kv.LLM(f"m{i}", draw.randint(3, 6), pressure=draw.randint(0, 2))
        for i in range(draw.randint(3, 5))
    ]
    target = Fraction(draw.choice([1, 2, 3, 4]), 2)
    made = kv.size(on(1, served), target, time_limit=20)
    alone = max(brute_force(on(1, [model])) for model in served)
    if alone > target:
        assert made.gpus is None
        assert made.lower_bound == math.inf
        assert "even alone on a GPU like 'g0'" in made.reason
        return False, False
    needed = next(n for n in range(1, 9) if brute_force(on(n, served)) <= target)
    assert made.gpus == needed
    assert made.proved
    assert made.placement is not None
    assert made.placement.max_kvpr <= target
    volume = sum(model.size + model.pressure / target for model in served) / 10
    if needed == 1:
        assert made.evidence is None
        return True, False
    # The claim about one GPU fewer: above the target, and accepted by the checker.
    assert made.evidence is not None
    assert made.evidence.certificate is not None
    assert len(made.evidence.instance.gpus) == needed - 1
    assert made.evidence.lower_bound is not None
    assert made.evidence.lower_bound > target
    assert kv.verify(made.evidence.instance, made.evidence.certificate).exit_code == 0
    return True, needed > math.ceil(volume)


def test_the_fewest_gpus_equal_brute_force() -> None:
    found = [check_size(seed) for seed in range(20)]
    assert sum(fits for fits, _ in found) >= 12
    assert sum(harder for _, harder in found) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 600))
def test_the_fewest_gpus_equal_brute_force_on_many_fleets(seed: int) -> None:
    check_size(seed)


@pytest.mark.parametrize("seed", range(8))
def test_all_rates_can_grow_by_target_over_optimum(seed: int) -> None:
    fleet = on(3, models(seed))
    made = kv.headroom(fleet, 2, time_limit=20)
    best = brute_force(fleet)
    assert made.proved
    assert made.factor == made.bound == (2 / best if best else math.inf)


def check_headroom(seed: int) -> kv.Headroom:
    """The bracket of one model's factor holds at both ends, by brute force."""
    served = models(seed)
    served[0] = kv.LLM("grows", served[0].size, pressure=1)
    target = Fraction(random.Random(seed).choice([1, 2, 3]))
    made = kv.headroom(on(2, served), target, model="grows", time_limit=30)
    assert made.proved

    def at(factor: Fraction) -> Fraction | float:
        return brute_force(on(2, [kv.LLM("grows", served[0].size, pressure=factor), *served[1:]]))

    if made.factor:
        assert at(Fraction(made.factor)) <= target
        assert made.placement is not None
        assert made.placement.max_kvpr <= target
    assert at(Fraction(made.bound) * Fraction(1001, 1000) + Fraction(1, 10**6)) > target
    if made.evidence is not None:
        assert made.evidence.certificate is not None
        assert made.evidence.lower_bound is not None
        assert made.evidence.lower_bound > target
        assert kv.verify(made.evidence.instance, made.evidence.certificate).exit_code == 0
    return made


def test_one_rate_is_bracketed_by_brute_force() -> None:
    # In the last one there is no room for any demand of the model, exactly.
    found = [check_headroom(seed) for seed in (*range(8), 126)]
    assert found[-1].factor == found[-1].bound == 0
    assert found[-1].placement is not None
    assert sum(made.factor != 0 and made.evidence is not None for made in found) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 400))
def test_one_rate_is_bracketed_by_brute_force_on_many_fleets(seed: int) -> None:
    check_headroom(seed)


@pytest.mark.parametrize(
    ("keys", "factor"),
    # Two GPUs of 20: of three copies of 2 two share one, 16 are free for them; a replica has
    # half the demand on 18, or the memory of a shard.
    [({"count": 3}, 8), ({"replicas": 2}, 36), ({"shards": 2}, 38)],
)
def test_all_parts_of_a_model_grow_together(keys: dict[str, int], factor: int) -> None:
    gpus = [kv.GPU(name, 20, node="n") for name in "ab"]
    served = kv.LLM("x", 2, pressure=1, **keys)  # type: ignore[arg-type]
    made = kv.headroom(kv.Instance(gpus, [served]), 1, model="x", time_limit=20)
    assert made.proved
    assert made.factor <= factor <= Fraction(made.bound)


@pytest.mark.parametrize("target", [0, -1, "x"])
def test_a_target_is_above_0(target: object) -> None:
    with pytest.raises(InputError, match="target"):
        kv.size(on(1, models(0)), target)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="target"):
        kv.headroom(on(1, models(0)), target)  # type: ignore[arg-type]


def test_the_type_of_gpu_has_to_be_clear() -> None:
    fleet = kv.Instance([kv.GPU("a", 10), kv.GPU("b", 20)], models(0))
    with pytest.raises(InputError, match="2 types of GPU; name the one to multiply"):
        kv.size(fleet, 1)
    assert kv.size(fleet, 1, gpu="b").gpus is not None
    with pytest.raises(InputError, match="the fleet has no GPU 'c'"):
        kv.size(fleet, 1, gpu="c")


def test_where_models_run_now_is_of_no_matter_for_their_number() -> None:
    running = [replace(model, current=("a",)) for model in models(0)]
    fleet = kv.Instance([kv.GPU("a", 10)], running)
    without = kv.Instance([kv.GPU("a", 10)], models(0))
    assert kv.size(fleet, 1).gpus == kv.size(without, 1).gpus is not None


def test_models_tied_to_gpus_have_no_number_of_gpus() -> None:
    fleet = kv.Instance([kv.GPU("a", 10), kv.GPU("b", 10)], [kv.LLM("m", 1, pressure=1, pin="a")])
    with pytest.raises(InputError, match="tied to GPUs or nodes"):
        kv.size(fleet, 1)


def test_only_a_model_of_the_fleet_can_grow() -> None:
    with pytest.raises(InputError, match="the fleet has no model 'm9'"):
        kv.headroom(on(2, models(0)), 1, model="m9")
