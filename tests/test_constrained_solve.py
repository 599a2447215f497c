"""Fleets with constraints, solved: equal to a brute force, whatever the constraints."""

import itertools
import math
import random

import pytest
from constrained_fleets import KINDS, brute_force, legal, random_constrained

from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.solve import solve

#: Each constraint alone, and every pair.
CHOICES = [*((kind,) for kind in KINDS), *itertools.combinations(KINDS, 2)]


def equals_brute_force(instance, **arguments):
    optimum = brute_force(instance)
    result = solve(instance, threads=1, time_limit=60, **arguments)
    assert "not checked" not in result.message
    assert result.lower_bound == optimum
    if optimum == math.inf:
        assert result.placement is None
        assert result.message
        return
    assert result.max_kvpr == optimum
    assert legal(instance, tuple(instance.gpus[gpu] for gpu in result.placement.gpu_of))


@pytest.mark.parametrize("kinds", CHOICES, ids="-".join)
def test_it_equals_brute_force(kinds):
    for seed in range(4):
        equals_brute_force(random_constrained(random.Random(f"{kinds} {seed}"), kinds))


@pytest.mark.slow
@pytest.mark.parametrize("kinds", CHOICES, ids="-".join)
@pytest.mark.parametrize("block", range(10))
def test_it_equals_brute_force_on_1000_fleets_of_each_kind(kinds, block):
    for seed in range(100 * block, 100 * (block + 1)):
        equals_brute_force(random_constrained(random.Random(f"{kinds} {seed}"), kinds))


@pytest.mark.parametrize("method", ["direct_pulp", "pattern_lp"])
def test_a_method_that_would_ignore_constraints_is_refused(method):
    instance = Instance([GPU("a", 9), GPU("b", 9)], [LLM("m", 1, pressure=1, pin="a")])
    with pytest.raises(InputError, match="does not keep constraints, and the fleet has some"):
        solve(instance, method=method)
