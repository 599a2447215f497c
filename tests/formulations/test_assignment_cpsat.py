"""The options of the assignment model: none of them changes an answer."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest
from small_fleets import brute_force, fleet, random_fleet

from formulations.assignment_cpsat import Formulation, Options
from kvpr_opt.limits import Limits
from kvpr_opt.search.oracle import Feasible, Infeasible

ALL = [
    Options(symmetry, load_bounds, level)
    for symmetry, load_bounds, level in itertools.product((True, False), (True, False), (0, 1, 2))
]


@pytest.mark.parametrize("options", ALL, ids=lambda o: "-".join(map(str, vars(o).values())))
def test_no_answer_depends_on_an_option(options: Options) -> None:
    for seed in range(12):
        instance = random_fleet(random.Random(f"options {seed}"), most_models=6, most_gpus=3)
        optimum, scaled = brute_force(instance), instance.scaled
        oracle = Formulation(instance, options=options)
        if not isinstance(optimum, Fraction):
            assert isinstance(oracle.decide(scaled.finite(), Limits(60)), Infeasible)
            continue
        assert isinstance(oracle.decide(scaled.at_most(optimum), Limits(60)), Feasible)
        if optimum > 0:
            assert isinstance(oracle.decide(scaled.below(optimum), Limits(60)), Infeasible)


def test_the_options_are_named_in_the_evidence() -> None:
    instance = fleet([10, 10], [(3, 3), (3, 3), (3, 4), (1, 1)])
    oracle = Formulation(instance, options=Options(load_bounds=False, linearization_level=1))
    verdict = oracle.decide(instance.scaled.at_most(Fraction(13, 9)), Limits(60))
    assert isinstance(verdict, Infeasible)
    parameters = verdict.evidence.parameters  # type: ignore[union-attr]
    assert parameters["linearization_level"] == 1
    assert parameters["load_bounds"] is False
    assert parameters["symmetry"] is True
