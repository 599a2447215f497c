"""The families of random fleets."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.errors import InputError
from kvpr_opt.files import read_instance, write_instance
from kvpr_opt.generate import FAMILIES, prism_instance, prism_instances, random_instance
from kvpr_opt.generate.real import CHECKPOINTS

# A family, and a number of GPUs and models that it draws.
COUNTS = {family: (8, 32) for family in FAMILIES} | {
    "paper": (32, 58),
    "paper-sharded": (32, 58),
    "paper@2": (32, 58),
    "sharded": (32, 96),
}


def draw(family, seed=0, **options):
    gpus, models = COUNTS[family]
    return random_instance(family, gpus=gpus, models=models, seed=seed, **options)


def filled(fleet):
    return sum(model.size for model in fleet.models) / sum(gpu.usable for gpu in fleet.gpus)


def silent(fleet):
    return sum(model.pressure == 0 for model in fleet.models)


# -- the public benchmark ------------------------------------------------------------


def test_prism_is_the_published_stream():
    np.random.seed(42)
    for case in range(50):
        fleet = prism_instance(case)
        gpus = np.random.randint(5, 10)
        assert [gpu.memory for gpu in fleet.gpus] == [80] * gpus
        for model in fleet.models:
            assert model.size == np.random.randint(10, 30)
            assert model.req_rate == np.random.randint(1, 10)
            assert model.slo == np.random.randint(5, 10)
        assert len(fleet.models) == 2 * gpus
    assert len(prism_instances()) == 50


def test_prism_does_not_touch_the_global_stream():
    np.random.seed(1)
    expected = np.random.randint(1000)
    np.random.seed(1)
    prism_instances()
    assert np.random.randint(1000) == expected


@pytest.mark.parametrize("case", [-1, 50, True, "3", 1.0])
def test_prism_has_the_cases_0_to_49(case):
    with pytest.raises(InputError, match="is not a whole number from 0 to 49"):
        prism_instance(case)


# -- every family --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("prism", "a9b57c4d313b6096"),
        ("uniform", "5cfdc0460f3b7fdd"),
        ("zero-heavy", "108875ce4ff5ff54"),
        ("precise", "e82cf33c2a5136e8"),
        ("mixed", "ab9db723cd86b1f3"),
        ("tight", "6be484efc32c3795"),
        ("long-tail", "0083a63f6169b80f"),
        ("fine", "bf87ad91f37974b5"),
        ("paper", "6c2a480db8f42072"),
        ("real", "e103219707ec81eb"),
        ("constrained", "2e4b3ff3dd6c6564"),
        ("pinned", "237825906c1e50db"),
        ("sharded", "c6414b267daf905e"),
        ("paper-sharded", "d11e6483f8776a4e"),
        ("fine@2", "b2b2c0a31aef9f8a"),
        ("paper@2", "d212f6d02bf3f02d"),
    ],
)
def test_the_stream_of_a_family_never_changes(family, expected):
    fleet = prism_instance(0) if family == "prism" else draw(family, seed=7)
    assert digest(fleet)[:16] == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fleet_is_its_seed(family):
    assert draw(family, seed=3) == draw(family, seed=3)
    assert draw(family, seed=3) != draw(family, seed=4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_generated_fleet_is_read_back_as_it_was_written(tmp_path, family, suffix):
    fleet = draw(family)
    write_instance(fleet, tmp_path / f"fleet.{suffix}")
    assert read_instance(tmp_path / f"fleet.{suffix}") == fleet


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_says_how_it_is_drawn(family):
    assert len(FAMILIES[family].__doc__) > 60


@pytest.mark.parametrize("family", FAMILIES)
def test_the_slo_is_5_to_9(family):
    slos = {model.slo for seed in range(5) for model in draw(family, seed).models}
    known = {"precise": {None}, "real": set(map(Fraction, ("1/20", "1/10", "1/5", "1/2", 1, 2)))}
    assert slos == known.get(family, {5, 6, 7, 8, 9})


# -- families of whole numbers -------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "low", "high"),
    [
        (1, 10, 29),
        (2 * 8, 10, 29),
        (20, 10, 29),  # 2.5 a GPU: of 2 and 3 the smaller
        (21, 6, 20),
        (3 * 8, 6, 20),
        (4 * 8, 2, 15),
        (5 * 8, 2, 15),  # of 4 and 6 the smaller
        (6 * 8, 2, 11),
        (8 * 8, 1, 8),
        (10 * 8, 1, 8),
    ],
)
def test_uniform_sizes_follow_the_number_of_models_a_gpu(models, low, high):
    sizes = [
        model.size
        for seed in range(40)
        for model in random_instance("uniform", gpus=8, models=models, seed=seed).models
    ]
    assert low <= min(sizes)
    assert max(sizes) <= high
    if models > 1:
        assert {min(sizes), max(sizes)} == {low, high}


@given(st.integers(1, 6), st.integers(0, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_uniform_fleets_are_less_than_85_percent_full(gpus, per_gpu, seed):
    models = gpus * per_gpu
    for family in "uniform", "mixed", "zero-heavy", "precise":
        fleet = random_instance(family, gpus=gpus, models=models, seed=seed)
        assert (len(fleet.gpus), len(fleet.models)) == (gpus, models)
        assert filled(fleet) < Fraction(85, 100)


def test_uniform_rates_are_1_to_9():
    rates = {model.req_rate for seed in range(5) for model in draw("uniform", seed).models}
    assert rates == set(range(1, 10))


def test_mixed_gpus_take_turns():
    assert [gpu.memory for gpu in draw("mixed").gpus] == [60, 80, 100, 60, 80, 100, 60, 80]


def test_zero_heavy_is_uniform_with_three_in_ten_silent():
    fleet, uniform = draw("zero-heavy"), draw("uniform")
    assert silent(fleet) == 10  # of 32
    assert [model.size for model in fleet.models] == [model.size for model in uniform.models]
    assert all(
        ours.req_rate in (0, theirs.req_rate) and ours.slo == theirs.slo
        for ours, theirs in zip(fleet.models, uniform.models, strict=True)
    )


def test_precise_pressures_have_six_decimals():
    pressures = [model.pressure for seed in range(20) for model in draw("precise", seed).models]
    assert all((pressure * 10**6).denominator == 1 for pressure in pressures)
    assert max(pressure.denominator for pressure in pressures) == 10**6
    assert Fraction(1, 10) <= min(pressures) < Fraction(15, 100)
    assert Fraction(175, 100) < max(pressures) <= Fraction(18, 10)


@pytest.mark.parametrize("gpus", [1, 2, 8, 40])
def test_tight_fleets_are_70_to_85_percent_full_and_40_percent_silent(gpus):
    for seed in range(10):
        fleet = random_instance("tight", gpus=gpus, models=4 * gpus, seed=seed)
        assert Fraction(70, 100) <= filled(fleet) <= Fraction(85, 100)
        assert silent(fleet) == (16 * gpus + 5) // 10
        assert all(4 <= model.size <= 28 for model in fleet.models)


# -- families with a long tail -------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "models"), [(1, 4), (4, 8), (8, 24), (16, 64), (16, 128), (200, 800)]
)
def test_long_tail_fleets_are_50_to_72_percent_full(gpus, models):
    for seed in range(5):
        fleet = random_instance("long-tail", gpus=gpus, models=models, seed=seed)
        assert Fraction(50, 100) <= filled(fleet) <= Fraction(72, 100)
        listed = {Fraction(1, 2), 1, 3, 7, 14, 16, 27, 28, 65}
        assert {model.size for model in fleet.models} <= listed


@pytest.mark.parametrize(
    ("skew", "expected"),
    [
        (None, [60, 32, 22, 17, 14, 11, 10, 9, 8, 7, 6, 6]),
        ("0.5", [60, 42, 34, 30, 26, 24, 22, 21, 20, 18, 18, 17]),
        (0.5, [60, 42, 34, 30, 26, 24, 22, 21, 20, 18, 18, 17]),
        (0, [60] * 12),
        (2, [60, 15, 6, 3, 2, 1, 1, 0, 0, 0, 0, 0]),
    ],
)
def test_long_tail_rates_fall_with_the_rank_and_two_in_five_are_zero(skew, expected):
    fleet = random_instance("long-tail", gpus=5, models=20, seed=1, skew=skew)
    rates = sorted((model.req_rate for model in fleet.models), reverse=True)
    assert rates == expected + [0] * 8


def test_the_popular_models_of_a_long_tail_are_not_the_first_ones():
    assert len({draw("long-tail", seed).models[0].req_rate for seed in range(20)}) > 5


def test_fine_is_in_whole_megabytes_and_hundredths_of_a_rate():
    fleet = draw("fine")
    assert {gpu.memory for gpu in fleet.gpus} == {81_559}
    assert all(model.size.denominator == 1 for model in fleet.models)
    nearest = [
        min(
            (
                abs(model.size / (1000 * size) - 1)
                for size in (Fraction(1, 2), 1, 3, 7, 14, 16, 27, 28, 65)
            ),
        )
        for model in fleet.models
    ]
    assert max(nearest) <= Fraction(3, 100)
    rates = sorted((model.req_rate for model in fleet.models), reverse=True)
    assert rates[:3] == [60, Fraction(3215, 100), Fraction(2232, 100)]
    assert silent(fleet) == 13  # of 32


def test_paper_has_the_histogram_of_the_paper():
    fleet = draw("paper")
    billions = [model.size / 2 if model.size <= 60 else model.size for model in fleet.models]
    sizes = [model.size for model in fleet.models]
    assert all(1 <= number <= 3 for number in billions[:43])
    assert all(4 <= number <= 8 for number in billions[43:51])
    assert all(9 <= number <= 30 for number in billions[51:54])
    assert all(31 <= size <= 70 for size in sizes[54:])
    assert [fleet.gpus[index].name for index in (0, 7, 8, 31)] == [
        "node0-gpu0",
        "node0-gpu7",
        "node1-gpu0",
        "node3-gpu7",
    ]
    assert {gpu.memory for gpu in fleet.gpus} == {80}
    assert silent(fleet) == 23  # of 58


@pytest.mark.parametrize(("family", "unit", "step"), [("fine", 1, 100), ("paper", 100, 1)])
def test_in_the_second_version_no_model_has_more_pressure_than_half_a_gpu(family, unit, step):
    for seed in range(5):
        plain, fleet = draw(family, seed), draw(f"{family}@2", seed)
        assert fleet.gpus == plain.gpus
        half = sum(model.pressure for model in plain.models) / (2 * len(plain.gpus))
        parts = {model.name: [] for model in plain.models}
        for part in fleet.models:
            parts[part.name.split("-")[0]].append(part)
        for model in plain.models:
            own = parts[model.name]
            assert sum(part.req_rate for part in own) == model.req_rate
            assert {part.slo for part in own} == {model.slo}
            if model.pressure <= half:
                assert own == [model]
                continue
            assert (len(own) - 1) * half < model.pressure <= len(own) * half
            assert all((part.req_rate * step).denominator == 1 for part in own)
            assert max(p.req_rate for p in own) - min(p.req_rate for p in own) <= Fraction(1, step)
            (size,) = {part.size for part in own}
            assert 0 <= size - model.size / len(own) < Fraction(1, unit)
        assert len(fleet.models) > len(plain.models)


# -- families with constraints, and of real checkpoints --------------------------------


@pytest.mark.parametrize(("gpus", "models"), [(4, 20), (8, 32), (16, 64)])
def test_constrained_fleets_have_every_kind_of_constraint(gpus, models):
    for seed in range(5):
        fleet = random_instance("constrained", gpus=gpus, models=models, seed=seed)
        assert (len(fleet.gpus), len(fleet.models)) == (gpus, models)
        few, tenth = -(-models // 20), models // 10
        replicas = [model.replicas for model in fleet.declared if model.replicas > 1]
        assert sorted(replicas) == [2] * few + [3] * few
        assert sum(bool(model.pin) for model in fleet.declared) == tenth
        assert sum(model.only == ("even",) for model in fleet.declared) == tenth
        assert sum(model.never == ("third",) for model in fleet.declared) == tenth
        groups = [model.apart for model in fleet.declared if model.apart]
        assert len(groups) == 3 * (models // 15)
        assert filled(fleet) < Fraction(85, 100)


def test_half_of_the_models_of_a_pinned_fleet_are_pinned_evenly():
    fleet = draw("pinned")
    pins = [model.pin for model in fleet.models if model.pin]
    assert len(pins) == 16
    assert all(pins.count((gpu.name,)) == 2 for gpu in fleet.gpus)
    plain = draw("uniform")
    assert [model.size for model in fleet.models] == [model.size for model in plain.models]


def test_the_large_models_of_paper_sharded_are_four_shards_in_nodes_of_eight():
    fleet, plain = draw("paper-sharded"), draw("paper")
    assert [model.shards for model in fleet.declared] == [1] * 54 + [4] * 4
    assert [gpu.node for gpu in fleet.gpus] == [f"node{index // 8}" for index in range(32)]
    assert sum(model.size for model in fleet.models) == sum(model.size for model in plain.models)


def test_sharded_fleets_have_eight_models_over_two_to_eight_gpus():
    fleet = random_instance("sharded", gpus=32, models=96, seed=0)
    assert [model.shards for model in fleet.declared[:9]] == [2, 2, 2, 4, 4, 4, 8, 8, 1]
    assert len(fleet.models) == 96 - 8 + 34
    assert filled(fleet) < Fraction(85, 100)


@pytest.mark.parametrize("models", [16, 24, 32])
def test_real_fleets_are_published_checkpoints_in_bytes(models):
    fleet = random_instance("real", gpus=8, models=models, seed=1)
    assert fleet.unit == "bytes"
    assert {gpu.memory for gpu in fleet.gpus} == {81_559 * 2**20}
    assert {model.size for model in fleet.models} <= {size for _, size in CHECKPOINTS}
    assert filled(fleet) <= Fraction(75, 100)
    assert all((model.req_rate * 100).denominator == 1 for model in fleet.models)


# -- what cannot be drawn ------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"family": "unifrom"},
            r"^family: no family 'unifrom' .*did you mean 'uniform'.*; known: u",
        ),
        ({"family": "prism"}, "^family: no family 'prism' .*its 50 fleets are fixed"),
        ({"gpus": 0}, "^gpus: gpus 0 is not a whole number from 1 to 100000"),
        ({"gpus": 2.0}, r"^gpus: gpus 2\.0 is not a whole number"),
        ({"gpus": True}, "^gpus: gpus True is not a whole number"),
        ({"models": -1}, "^models: models -1 is not a whole number from 0 to 100000"),
        ({"models": 10**9}, "^models: models 1000000000 is not a whole number"),
        ({"seed": -1}, "^seed: seed -1 is not a whole number from 0 to 4294967295"),
        ({"seed": 2**32}, "^seed: seed 4294967296 is not a whole number"),
        (
            {"skew": 1},
            "^skew: family 'uniform' has no skew; long-tail, fine, paper, paper-sh",
        ),
        ({"family": "fine", "skew": 3}, "^skew: skew 3 is not a number from 0 to 2 with at most t"),
        ({"family": "fine", "skew": "0.123"}, r"^skew: skew 0\.123 is not a number from 0 to 2"),
        ({"family": "fine", "skew": "x"}, "^skew: skew 'x' is not a finite decimal number"),
        ({"models": 400}, "^models: 1000 draws gave no sizes that fill the GPUs"),
        (
            {"family": "tight", "models": 9},
            "^models: family 'tight' has 4 models a GPU: 8 on 2 GPU",
        ),
        (
            {"family": "long-tail", "models": 1},
            "^models: 1 models of this family do not fill 50 to",
        ),
        ({"family": "long-tail", "models": 500}, "^models: 500 models of this family do not fill"),
        ({"family": "constrained"}, "^models: family 'constrained' has 20 models and 4 GPUs"),
        ({"family": "sharded"}, "^gpus: family 'sharded' has nodes of 8 GPUs and more than 8"),
        ({"family": "real", "models": 99}, "^models: 99 checkpoints do not fit 2 GPUs"),
        ({"family": "paper"}, "^models: family 'paper' has 58 models on 32 GPUs, not 6 on 2"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        random_instance(**{"family": "uniform", "gpus": 2, "models": 6, "seed": 0, **arguments})


def test_a_fleet_without_models_can_be_drawn():
    assert random_instance("uniform", gpus=2, models=0, seed=0).models == ()
    assert random_instance("long-tail", gpus=2, models=0, seed=0).models == ()
