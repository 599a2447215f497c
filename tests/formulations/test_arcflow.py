"""Arc flow: its graph against plain enumeration, its LP against the pattern LP, its answers."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pulp
import pytest
from small_fleets import brute_force, fleet

import kvpr_opt as kv
from formulations import arcflow_pulp
from formulations.arcflow_graph import TARGET, Graph, Network, build
from formulations.arcflow_pulp import Formulation, _ArcFlowModel
from formulations.backends import pulp_highs
from formulations.registry import SUFFIXES, write_model
from kvpr_opt.errors import InputError
from kvpr_opt.generate import random_instance
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.oracle import Feasible, Infeasible, Unknown

# -- the graph -----------------------------------------------------------------------


def paths(graph: Graph, node: int | None) -> Counter[tuple[tuple[int, int], ...]]:
    """The patterns from a node on, as (class, copies), each with the number of its paths."""
    if node is None:
        return Counter()
    if node == TARGET:
        return Counter({(): 1})
    found: Counter[tuple[tuple[int, int], ...]] = Counter()
    for arc in graph.arcs:
        if arc.tail == node:
            taken = ((arc.item, arc.copies),) if arc.copies else ()
            for rest, number in paths(graph, arc.head).items():
                found[taken + rest] += number
    return found


def plain_patterns(
    sizes: list[int], counts: list[int], capacity: int, waste: int
) -> Counter[tuple[tuple[int, int], ...]]:
    found: Counter[tuple[tuple[int, int], ...]] = Counter()
    for copies in itertools.product(*(range(count + 1) for count in counts)):
        load = sum(n * size for n, size in zip(copies, sizes, strict=True))
        if capacity - waste <= load <= capacity:
            found[tuple((c, n) for c, n in enumerate(copies) if n)] += 1
    return found


@pytest.mark.parametrize("block", range(4))
def test_its_paths_are_the_patterns_each_once(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        draw = random.Random(f"graph {seed}")
        sizes = sorted(draw.sample(range(1, 25), draw.randint(1, 6)), reverse=True)
        counts = [draw.choice([1, 1, 1, 2, 3]) for _ in sizes]
        capacities = draw.sample(range(5, 40), draw.randint(1, 3))
        waste = draw.choice([0, 2, 5, 40])
        graph = build(
            sizes, counts, capacities, most_waste=waste, most_arcs=10_000, limits=Limits()
        )
        assert graph is not None
        for capacity, entry in zip(capacities, graph.entries, strict=True):
            wanted = plain_patterns(sizes, counts, capacity, waste)
            if entry is None:
                assert set(wanted) <= {()}
            else:
                assert paths(graph, entry) == wanted


def test_equal_states_are_one_node() -> None:
    # Sizes of a few units: loads meet again, so that there are far fewer arcs than patterns.
    graph = build([5, 4, 3, 2, 1], [4] * 5, [20], most_waste=20, most_arcs=10_000, limits=Limits())
    assert graph is not None
    patterns = plain_patterns([5, 4, 3, 2, 1], [4] * 5, 20, 20)
    assert len(graph.arcs) * 4 < len(patterns)
    assert graph.nodes <= 5 * 21


def test_it_gives_up_beyond_the_arcs_allowed_or_when_stopped() -> None:
    draw = random.Random(0)
    sizes = sorted({draw.randint(10**6, 3 * 10**6) for _ in range(40)}, reverse=True)
    stopped = Limits()
    stopped.interrupt()
    for limits, most in ((Limits(), 2_000), (stopped, 10**6)):
        made = build(
            sizes, [1] * len(sizes), [10**7], most_waste=10**7, most_arcs=most, limits=limits
        )
        assert made is None
    assert build([1] * 501, [1] * 501, [5], most_waste=5, most_arcs=10, limits=Limits()) is None


# -- the LP relaxation ---------------------------------------------------------------


def classes_of(sizes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Models of equal item size, by falling size."""
    ranked = sorted(range(len(sizes)), key=lambda i: -sizes[i])
    return tuple(tuple(same) for _, same in itertools.groupby(ranked, key=lambda i: sizes[i]))


def pattern_factor(instance: Instance, threshold: Threshold) -> float:
    """The factor s by which the GPUs must grow for a fractional packing, over all patterns."""
    scaled, problem = instance.scaled, instance.scaled.packing(threshold)
    classes = classes_of(problem.sizes)
    sizes, counts = [problem.sizes[same[0]] for same in classes], [len(same) for same in classes]
    model = pulp.LpProblem("patterns", pulp.LpMinimize)
    s = model.add_variable("s", 0)
    model += s
    placed: list[list[tuple[pulp.LpVariable, int]]] = [[] for _ in classes]
    for k, kind in enumerate(scaled.types):
        capacity = problem.capacities[kind.gpus[0]]
        patterns = plain_patterns(sizes, counts, capacity, capacity)
        x = [model.add_variable(f"x_{k}_{p}", 0) for p in range(len(patterns))]
        model += pulp.lpSum(x) <= len(kind.gpus) * s
        for variable, pattern in zip(x, patterns, strict=True):
            for c, copies in pattern:
                placed[c].append((variable, copies))
    for terms, count in zip(placed, counts, strict=True):
        model += pulp.lpSum(copies * variable for variable, copies in terms) >= count
    assert pulp_highs.solve(model, Limits(60), {}).solved
    return float(s.varValue)


def arcflow_factor(instance: Instance, threshold: Threshold, waste: int) -> float:
    """The same for arc flow, with fractions, on the graph of all patterns within a waste."""
    scaled, problem = instance.scaled, instance.scaled.packing(threshold)
    classes = classes_of(problem.sizes)
    graph = build(
        [problem.sizes[same[0]] for same in classes], [len(same) for same in classes],
        [problem.capacities[kind.gpus[0]] for kind in scaled.types],
        most_waste=waste, most_arcs=10**5, limits=Limits(),
    )  # fmt: skip
    assert graph is not None
    gpus = tuple(kind.gpus for kind in scaled.types)
    made = _ArcFlowModel(Network(graph, classes, gpus, ""))
    for variable in made.model.variables():
        variable.upBound = None
    s = made.model.add_variable("s", 0)
    made.model.setObjective(s)
    for k, z in enumerate(made.z):
        made.model += z <= len(gpus[k]) * s, f"number_{k}"
    assert pulp_highs.solve(made.model, Limits(60), {}, relaxed=True).solved
    return float(s.varValue)


@pytest.mark.parametrize(
    "instance",
    [
        random_instance("uniform", gpus=4, models=9, seed=2),
        random_instance("uniform", gpus=4, models=12, seed=0),
        random_instance("precise", gpus=4, models=10, seed=1),
        fleet([10, 10, 14, 14], [(3, 2)] * 5 + [(2, 3)] * 4 + [(1, 1)] * 3),
    ],
    ids=["two each", "three each", "precise", "mixed"],
)
def test_without_a_bound_on_the_waste_the_lp_is_the_pattern_lp(instance: Instance) -> None:
    optimum = kv.solve(instance, threads=1).max_kvpr
    assert isinstance(optimum, Fraction)
    for threshold in (instance.scaled.below(optimum), instance.scaled.at_most(optimum * 2)):
        problem = instance.scaled.packing(threshold)
        volume = sum(problem.sizes) / sum(problem.capacities)
        pattern = pattern_factor(instance, threshold)
        arcs = arcflow_factor(instance, threshold, max(problem.capacities))
        assert arcs == pytest.approx(pattern)
        assert arcs >= volume - 1e-9
        slack = sum(problem.capacities) - sum(problem.sizes)
        if arcs <= 1:
            assert arcflow_factor(instance, threshold, slack) >= arcs - 1e-9


def test_the_lp_refutes_what_the_volume_does_not() -> None:
    instance = fleet([10, 10], [(2, 3), (2, 3), (2, 4)])
    threshold = instance.scaled.at_most(Fraction(9, 10))
    problem = instance.scaled.packing(threshold)
    assert sum(problem.sizes) <= sum(problem.capacities)
    assert arcflow_factor(instance, threshold, max(problem.capacities)) > 1


# -- the answers ---------------------------------------------------------------------


@pytest.mark.parametrize(("gpus", "models"), [(8, 24), (16, 32)])
def test_it_agrees_with_the_engine_on_middle_fleets(gpus: int, models: int) -> None:
    instance = random_instance("uniform", gpus=gpus, models=models, seed=5)
    optimum = kv.solve(instance, threads=1).max_kvpr
    assert isinstance(optimum, Fraction)
    asked = Formulation(instance)
    found = asked.decide(instance.scaled.at_most(optimum), Limits(60))
    assert isinstance(found, Feasible)
    assert found.placement.max_kvpr == optimum
    assert isinstance(asked.decide(instance.scaled.below(optimum), Limits(60)), Infeasible)


def test_as_a_method_it_closes_the_gap() -> None:
    instance = random_instance("uniform", gpus=8, models=24, seed=1)
    result = kv.solve(instance, method="arcflow_pulp", threads=1, time_limit=60)
    assert result.status is kv.Status.OPTIMAL
    assert result.max_kvpr == kv.solve(instance, threads=1).max_kvpr


def test_numbers_of_any_length_are_exact() -> None:
    tiny = Fraction(1, 10**25)
    instance = fleet([10, 10], [(3 + tiny, 3), (3, 3 + tiny), (3, 4), (1 + 7 * tiny, 1)])
    optimum = brute_force(instance)
    assert isinstance(optimum, Fraction)
    asked, scaled = Formulation(instance), instance.scaled
    assert isinstance(asked.decide(scaled.at_most(optimum), Limits(60)), Feasible)
    assert isinstance(asked.decide(scaled.below(optimum), Limits(60)), Infeasible)


def test_on_a_grid_nothing_is_refuted_that_can_be_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arcflow_pulp, "MAX_ARCS", 10)
    monkeypatch.setattr(arcflow_pulp, "_GRIDS", (64, 32, 16))
    answers: Counter[str] = Counter()
    for seed in range(4):
        instance = random_instance("uniform", gpus=4, models=8, seed=seed)
        optimum = kv.solve(instance, threads=1).max_kvpr
        assert isinstance(optimum, Fraction)
        for percent in (90, 95, 99, 100, 150):
            threshold = instance.scaled.at_most(optimum * Fraction(percent, 100))
            verdict = Formulation(instance).decide(threshold, Limits(60))
            if isinstance(verdict, Infeasible):
                assert percent < 100
                answers["refuted on a grid"] += "on a grid of" in str(verdict.evidence)
            elif isinstance(verdict, Feasible):
                assert verdict.placement.meets(threshold)
            else:
                assert verdict.final
                answers[verdict.reason.split(":")[0]] += 1
    assert answers["refuted on a grid"]
    assert answers["the solution holds on the grid only"]
    assert answers["more than 10 arcs, on the coarsest grid, too"]


def test_a_graph_that_is_too_large_is_said_and_final() -> None:
    instance = random_instance("uniform", gpus=16, models=128, seed=0)
    verdict = Formulation(instance).decide(instance.scaled.finite(), Limits(60))
    assert isinstance(verdict, Unknown)
    assert verdict.final
    assert "arcs" in verdict.reason


def test_the_exported_model_is_exact_and_names_what_its_variables_mean() -> None:
    instance = fleet([10, 10, 14], [(2, 1), (2, 1), (3, 2), (9, 0)])
    optimum = brute_force(instance)
    assert isinstance(optimum, Fraction)
    check_exported(instance, optimum)


def test_numbers_of_any_length_can_be_exported() -> None:
    tiny = Fraction(1, 10**25)
    instance = fleet([10, 10], [(3 + tiny, 3), (3, 3 + tiny), (3, 4), (1 + 7 * tiny, 1)])
    optimum = brute_force(instance)
    assert isinstance(optimum, Fraction)
    check_exported(instance, optimum)


def check_exported(instance: Instance, optimum: Fraction) -> None:
    for threshold, solvable in (
        (instance.scaled.at_most(optimum), True),
        (instance.scaled.below(optimum), False),
    ):
        exported = Formulation(instance).exported(threshold)
        names = {variable.name for variable in exported.model.variables()}
        assert set(exported.meaning) == names
        for suffix in SUFFIXES:
            assert "z_0" in write_model("arcflow_pulp", instance, threshold, suffix)
        termination = pulp_highs.solve(exported.model, Limits(60), {})
        assert (termination.solved, termination.infeasible) == (solvable, not solvable)


def test_an_export_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arcflow_pulp, "MAX_ARCS_EXPORTED", 100)
    instance = random_instance("uniform", gpus=8, models=32, seed=0)
    with pytest.raises(InputError, match="more than 100 arcs"):
        Formulation(instance).exported(instance.scaled.finite())


@pytest.mark.parametrize("models", [500, 900])
def test_a_graph_may_be_deeper_than_python_calls(models: int) -> None:
    instance = Instance(
        [GPU("a", 2 * 10**6), GPU("b", 2 * 10**6)],
        [LLM(f"m{i}", 1000 + i, pressure=1) for i in range(models)],
    )
    verdict = Formulation(instance).decide(instance.scaled.finite(), Limits(60))
    assert isinstance(verdict, Feasible)
