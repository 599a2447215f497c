"""What the zero-pressure passes are worth at each position."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from small_fleets import fleet, fleets

from kvpr_opt.problem.instance import Instance
from kvpr_opt.study.experiments.zero_pass_effects import MEASURED_AFTER, starts, zero_pass_effects


@settings(max_examples=40)
@given(data=st.data())
def test_no_pass_makes_anything_worse(data: st.DataObject) -> None:
    for effect in zero_pass_effects(data.draw(fleets())):
        assert effect.after <= effect.before


def test_every_construction_is_measured_at_every_position(
    random_fleet: Callable[..., Instance],
) -> None:
    instance = random_fleet(0, gpus=5, each=4, zero_share=0.4)
    effects = zero_pass_effects(instance)
    made = starts(instance)
    assert len(made) == 15
    assert len(effects) == len(made) * len(MEASURED_AFTER) * 2
    straight_after = {
        effect.construction: effect.before
        for effect in effects
        if effect.measured_after == "construction"
    }
    assert straight_after == {name: placement.max_kvpr for name, placement in made.items()}


def test_single_moves_help_after_construction_and_not_after_a_descent(
    random_fleet: Callable[..., Instance],
) -> None:
    gained = dict.fromkeys(MEASURED_AFTER, 0)
    for seed in range(10):
        for effect in zero_pass_effects(random_fleet(seed, gpus=6, each=5, zero_share=0.5)):
            if effect.zero_pass == "zero_moves":
                gained[effect.measured_after] += effect.after < effect.before
    assert gained["construction"] > 0
    assert gained["moves"] == gained["moves_and_swaps"] == 0


def test_a_fleet_that_cannot_be_placed_has_no_effects() -> None:
    assert zero_pass_effects(fleet([10], [(11, 1)])) == ()
