"""The tools of large fleets, forced upon small ones in turn, against brute force.

On small fleets the engine has no use for central duals, sampled patterns, tables by load,
rounding by vertices or construction; here it has no choice. Every refutation that they end
in is checked by trying all sets of models, before the checker sees it.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from small_fleets import brute_force, random_fleet

from kvpr_opt import Instance, Result, Status, random_instance, solve
from kvpr_opt.certificates.evidence import Evidence
from kvpr_opt.errors import SolverError
from kvpr_opt.patterns import construction, continuous, engine, steps
from kvpr_opt.patterns.lp import central_generation, column_generation, pricing
from kvpr_opt.patterns.lp.central_generation import CentralGeneration
from kvpr_opt.patterns.problem import DualValues, PackingQuestion
from kvpr_opt.patterns.proofs import schedule
from kvpr_opt.problem.scaled import ScaledInstance, Threshold

_EVERYWHERE = 10**12

#: What makes the engine use a tool: names of modules and the values that they get.
_CENTRAL = {(column_generation, "_CENTRAL_FROM"): 1}
_LARGE = {
    (engine, "_SEARCHABLE"): -1,
    (engine, "_CONTINUOUS_UNITS"): -1,
    (engine, "count"): lambda: iter(range(2)),  # rounds: it need not end by itself
}
_ROUNDED = {
    **_LARGE,
    **_CENTRAL,
    (steps, "_DIVE_OVER"): 0,
    (steps, "_LEAST_BINS"): 1,
    (steps, "_LAST_BINS"): 1,
}
FORCED: dict[str, dict[tuple[Any, str], Any]] = {
    "central duals": _CENTRAL,
    "tables by load": {
        **_CENTRAL,
        (central_generation, "_SHORT_TABLE"): _EVERYWHERE,
        (pricing, "_SHORT_LOAD"): _EVERYWHERE,
        (pricing, "_LONG_LOAD"): _EVERYWHERE,
        (pricing, "_FEW_LOADS"): pricing.MAX_LOADS,
    },
    "bracket and rounding": _ROUNDED,
    "rounding in coarse loads": {**_ROUNDED, (steps, "LOADS"): 64},
    "construction and dive": {
        **_LARGE,
        (construction, "_CONSTRUCT_FROM"): 1,
        (continuous, "_UNITS"): 0,
        # Fleets of three GPUs by beam search, smaller ones by a dive.
        (continuous, "_BEAM_FROM"): 3,
        (construction, "_FURTHEST"): Fraction(1, 2),
        (steps, "_FILL_ALL_BUT"): 1,
    },
}

#: Where the tools are called, and what they are.
TOOLS = {
    (column_generation, "sample_patterns"): "sampling",
    (central_generation, "solve_central"): "interior point",
    (pricing, "most_by_load"): "table by load",
    (steps, "round_by_vertices"): "guided rounding",
    (steps, "fill_and_dive"): "construction and dive",
    (steps, "beam_search"): "beam search",
}

#: Seeds on which a tool once went wrong: the bracket asked one question for ever.
ONCE_WRONG = (1807,)

_BLIND = ("heuristic", "compiled_search", "counting_bound")


def counted(calls: Counter[str], name: str, tool: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        calls[name] += 1
        return tool(*arguments, **named)

    return call


def checked_by_all_sets(scaled: ScaledInstance, threshold: Threshold, vector: DualValues) -> None:
    """Two lines of whole numbers, over every set of models that fits."""
    question = PackingQuestion.of(scaled, threshold)
    values = np.array(vector.class_values, dtype=object)
    numbers = zip(question.multiplicities.tolist(), vector.type_values, strict=True)
    assert values @ question.counts > sum(number * most for number, most in numbers)
    if int(np.prod(question.counts + 1)) > 20_000:
        return
    problem = scaled.packing(threshold)
    sizes = [problem.sizes[group.models[0]] for group in scaled.classes]
    rooms = [problem.capacities[gpu_type.gpus[0]] for gpu_type in scaled.types]
    for counts in itertools.product(*(range(number + 1) for number in question.counts)):
        load = sum(size * number for size, number in zip(sizes, counts, strict=True))
        worth = sum(value * number for value, number in zip(values, counts, strict=True))
        for room, most in zip(rooms, vector.type_values, strict=True):
            assert load > room or worth <= most


@contextmanager
def forced(name: str, calls: Counter[str]) -> Iterator[None]:
    proof = schedule.dual_proof

    def proved(
        scaled: ScaledInstance, threshold: Threshold, vector: DualValues, *, most: int
    ) -> Evidence:
        calls["refutation"] += 1
        checked_by_all_sets(scaled, threshold, vector)
        return proof(scaled, threshold, vector, most=most)

    with pytest.MonkeyPatch.context() as patch:
        for (module, key), value in FORCED[name].items():
            patch.setattr(module, key, value)
        for (module, key), tool in TOOLS.items():
            patch.setattr(module, key, counted(calls, tool, getattr(module, key)))
        patch.setattr(schedule, "dual_proof", proved)
        yield


def solved(instance: Instance, method: str, seed: int, calls: Counter[str]) -> Result:
    """The answer of one of the tools in turn, with the placements of others or without."""
    names = list(FORCED)
    with forced(names[seed % len(names)], calls):
        blind = _BLIND if seed // len(names) % 2 else _BLIND[1:]
        threads = 2 if seed % 7 == 0 else 1
        return solve(instance, method=method, skip=blind, threads=threads, time_limit=60)


def agrees_with_brute_force(seed: int, calls: Counter[str]) -> None:
    """What the tools leave open, a formulation settles: not if they were wrong."""
    instance = random_fleet(random.Random(f"forced {seed}"), most_models=6, most_gpus=3)
    result = solved(instance, "auto", seed, calls)
    assert result.status in (Status.OPTIMAL, Status.INFEASIBLE), (seed, str(result))
    assert result.lower_bound == brute_force(instance), seed


def agrees_with_the_plain_way(seed: int, calls: Counter[str]) -> None:
    """The tools alone; they may leave a gap."""
    draw = random.Random(f"plain {seed}")
    family = draw.choice(["uniform", "mixed", "zero-heavy", "precise", "real", "fine@2"])
    gpus = draw.randint(3, 6)
    models = gpus * draw.randint(3, 4 if family == "real" else 5)
    instance = random_instance(family, gpus=gpus, models=models, seed=seed)
    plain = solve(instance, threads=1, time_limit=10)
    result = solved(instance, "branch_and_price", seed, calls)
    for one, other in ((plain, result), (result, plain)):
        if one.lower_bound is not None and other.max_kvpr is not None:
            assert one.lower_bound <= other.max_kvpr, (seed, family)


def test_forced_tools_end_at_the_optimum_of_small_fleets() -> None:
    calls: Counter[str] = Counter()
    for seed in (*range(30), *ONCE_WRONG):
        agrees_with_brute_force(seed, calls)
    for seed in (1, 2, 4):
        agrees_with_the_plain_way(seed, calls)
    assert calls.keys() == {*TOOLS.values(), "refutation"}


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_forced_tools_end_at_the_optimum_of_10000_small_fleets(block: int) -> None:
    calls: Counter[str] = Counter()
    for seed in range(1_000 + block * 100, 1_000 + block * 100 + 100):
        agrees_with_brute_force(seed, calls)
    assert {"interior point", "refutation"} <= calls.keys()


@pytest.mark.slow
@pytest.mark.parametrize("block", range(100))
def test_forced_tools_agree_with_the_plain_way_on_1000_larger_fleets(block: int) -> None:
    calls: Counter[str] = Counter()
    for seed in range(1_000 + block * 10, 1_000 + block * 10 + 10):
        agrees_with_the_plain_way(seed, calls)
    assert calls["refutation"]


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_wrong_refutation_is_never_an_answer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what may well be impossible, by points that do not show it."""
    instance = random_instance("uniform", gpus=4, models=12, seed=seed)
    true_answer = CentralGeneration.run
    lies: list[DualValues] = []

    def lying(generation: CentralGeneration) -> Any:
        true_answer(generation)
        question = generation._question
        worth = int(question.sizes @ question.counts) - 1
        most = [worth // question.bins] * len(question.capacities)
        lies.append(DualValues(tuple(question.sizes.tolist()), tuple(most)))
        return lies[-1]

    monkeypatch.setattr(CentralGeneration, "run", lying)
    with pytest.raises(AssertionError), forced("central duals", Counter()):
        solve(instance, threads=1, skip=_BLIND[1:], time_limit=60)
    monkeypatch.setattr(column_generation, "_CENTRAL_FROM", 1)
    with pytest.raises(SolverError, match=r"contradiction|the checker rejects"):
        solve(instance, threads=1, skip=_BLIND[1:], time_limit=60)
    assert len(lies) >= 2
