"""Assignment formulation of a threshold, in OR-Tools CP-SAT. The default oracle.

Data
    Models i in I with item sizes w_i and GPUs g in G with capacities c_g: the
    integers ``w_i = f a_i + a m_i``, ``c_g = a C_g`` of the threshold t = a / f
    (see :mod:`kvpr_opt.problem.scaled`).

Variables
    x_ig in {0, 1}: model i runs on GPU g. Only where w_i <= c_g.

Constraints
    (1)  sum_g x_ig = 1                      for all i in I       one GPU each
    (2)  sum_i w_i x_ig <= c_g               for all g in G       threshold (and memory)
    (3)  x_ig = 0  for index of g among the GPUs of its memory > rank of i
    (4)  sum_g g x_ig <= sum_g g x_jg        i, j neighbours in rank, identical
    (5)  sum_{i in S} x_ig <= |S| - 1        for covers S found too large for g (below)
    (6)  sum_i w_i x_ig >= c_g - W           for all g in G       W = sum_g c_g - sum_i w_i

    (7)  x_ig = 0                            where i may not run on g
    (8)  sum_{i in A} x_ig <= 1              for all g, groups A  apart on each GPU
    (9)  sum_{g in v} x_ig = y_sv            for all nodes v and shards i of s
    (10) sum_r sum_{g in v} x_{i_r g} <= 1   for all nodes v, i_r the first part of
                                             each replica r of a model spread over nodes

    (3), (4) and (6) are optional, see :class:`Options`. (7) to (10) are
    the constraints of a fleet, y_sv in {0, 1}; where there are any, (3) and (4) are
    left out, since GPUs and models of equal numbers are not interchangeable then.

Size
    |I| |G| variables, |I| + |G| constraints, and one (4) per duplicate.

Validity
    (1) and (2) are exactly "max KVPR <= t". (3) and (4) remove symmetric
    copies only. Let models be ranked by falling w_i, identical ones next to
    each other. Among all copies of a placement under exchanging GPUs of equal
    memory and identical models, take the one whose vector of GPU indices, in
    rank order, is lexicographically smallest. Exchanging two identical models
    or the labels of two equal GPUs cannot make it smaller, which is (4), and
    that GPUs of one memory are taken into use in their order, which implies (3).
    (6) follows from (1) and (2): what one GPU leaves free is at most what all leave.

    The solver's integers have 64 bits. Where w_i and c_g do not fit, they are
    rounded so that every placement within t still solves the model (see
    :func:`kvpr_opt.problem.scaled.fit_range`); "infeasible" then still holds. A solution
    that exceeds t in exact numbers shows a set S that is too large for its GPU,
    (5) forbids it there and on all GPUs that are no larger, and the model is
    solved again: in the end the answer is exact.

Strength
    The LP relaxation is the volume bound, with (6) as without.

Measured
    The options on the two questions that matter, at the optimum (yes) and strictly below
    it (no), for three seeded fleets (0 to 2) each; a budget of 10 of the solver's
    deterministic seconds per question, one worker, OR-Tools 9.15. Answers out of 6, and the
    shifted geometric mean of the CPU seconds (shift 1 s, no answer counts 10 s):

    ======== ===== ===== ============= ============ ============ ===========
    symmetry (6)   level uniform 16x32 uniform 8x24 uniform 5x20 mixed 6x18
    ======== ===== ===== ============= ============ ============ ===========
    yes      yes   2     6, 0.01       5, 0.69      6, 0.36      6, 1.11
    yes      yes   1     6, 0.32       5, 0.95      6, 0.29      6, 0.87
    yes      yes   0     5, 0.57       6, 0.41      6, 0.04      6, 0.11
    yes      no    2     6, 0.01       5, 1.90      6, 0.63      4, 2.57
    yes      no    1     6, 0.23       5, 1.28      6, 0.81      4, 3.75
    yes      no    0     6, 0.19       0, 10        1, 7.47      0, 10
    no       no    2     6, 0.01       5, 2.58      6, 1.32      4, 2.50
    ======== ===== ===== ============= ============ ============ ===========

    So (6) is on by default, and the level is 2: with (6) all three levels answer 23 of the
    24, but only 2 and 1 answer all with two models per GPU, where this model is at its best,
    and 2 does so at once. Where three or four models share a GPU, level 0 is faster.

Reference
    Martello and Toth (1990), *Knapsack Problems: Algorithms and Computer
    Implementations*, ch. 8, Wiley; Delorme, Iori and Martello (2016), Bin packing
    and cutting stock problems: mathematical models and exact algorithms, European
    Journal of Operational Research 255, 1-20, doi:10.1016/j.ejor.2016.04.030.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import NamedTuple

from ortools.sat.python import cp_model

from formulations.backends.cpsat import solve, workers
from kvpr_opt.certificates.evidence import Counting, SolverClaim
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import PackingProblem, Threshold, fit_range
from kvpr_opt.search.oracle import Feasible, Infeasible, Unknown, Verdict

#: Variables above which the model is not built: no fleet of that size is closed anyway.
MAX_VARIABLES = 100_000


@dataclass(frozen=True)
class Options:
    """What can be left out of the model or added to it; no answer depends on it.

    Attributes
    ----------
    symmetry
        Whether (3) and (4) are in the model.
    load_bounds
        Whether (6) is.
    linearization_level
        CP-SAT's parameter: how much of the model enters its LP relaxation, 0 to 2.
    """

    symmetry: bool = True
    load_bounds: bool = True
    linearization_level: int = 2


class _Cover(NamedTuple):
    """Models that together exceed a capacity."""

    models: tuple[int, ...]
    capacity: int


class Formulation:
    """The assignment model of one instance, rebuilt for each threshold.

    Parameters
    ----------
    instance
        The fleet.
    seed
        Random seed of the solver.
    threads
        Cores that it may use; below 8 one is faster than several, so one is used.
        With one, the answer is reproducible unless a deadline interrupts it.

    options
        Which optional constraints the model contains.
    """

    name = "assignment_cpsat"

    def __init__(
        self,
        instance: Instance,
        *,
        seed: int = 0,
        threads: int = 1,
        options: Options = Options(),
    ) -> None:
        self.instance = instance
        self.options = options
        self.parameters: dict[str, str | int | float | bool] = {
            "random_seed": seed,
            "num_workers": workers(threads),
            "linearization_level": options.linearization_level,
        }

    def decide(
        self,
        threshold: Threshold,
        limits: LimitsView,
        *,
        budget: float | None = None,
        hint: Placement | None = None,
    ) -> Verdict:
        """Answer one threshold; see :class:`kvpr_opt.search.oracle.Oracle`."""
        if len(self.instance.models) * len(self.instance.gpus) > MAX_VARIABLES:
            return Unknown(f"more than {MAX_VARIABLES} variables", final=True)
        exact = self.instance.scaled.packing(threshold)
        model = _AssignmentModel(self.instance, fit_range(exact), self.options)
        if model.stranded is not None:
            if self.instance.constraints:
                return Infeasible(self._claim(threshold))
            return Infeasible(Counting((model.stranded,)))
        if hint is not None:
            model.add_hint(hint.gpu_of)
        while not limits.stopped:
            status, solver = solve(model.model, limits, self.parameters, budget)
            if status == cp_model.INFEASIBLE:
                return Infeasible(self._claim(threshold))
            if status == cp_model.UNKNOWN:
                break
            gpu_of = model.solution(solver)
            covers = _exceeded(exact, gpu_of)
            if not covers:
                return Feasible(Placement(self.instance, gpu_of))
            model.forbid(covers, exact)
        return Unknown("stopped by its budget or by a limit")

    def _claim(self, threshold: Threshold) -> SolverClaim:
        return SolverClaim(
            solver="OR-Tools CP-SAT, assignment model",
            version=version("ortools"),
            threshold=threshold.value,
            parameters={
                **self.parameters,
                "symmetry": self.options.symmetry,
                "load_bounds": self.options.load_bounds,
            },
        )


class _AssignmentModel:
    """Variables and constraints for one packing problem, one method per family."""

    def __init__(self, instance: Instance, problem: PackingProblem, options: Options) -> None:
        self.instance = instance
        self.problem = problem
        self.options = replace(options, symmetry=False) if instance.constraints else options
        scaled = instance.scaled
        key = list(zip(problem.sizes, scaled.sizes, scaled.pressures, strict=True))
        self.ranked = sorted(range(len(key)), key=lambda i: ((-key[i][0], *key[i][1:]), i))
        self.twins = [
            (i, j) for i, j in zip(self.ranked, self.ranked[1:], strict=False) if key[i] == key[j]
        ]
        self.model = cp_model.CpModel()
        self.x = self._variables()
        empty = [i for i in self.ranked if not self.x[i]]
        self.stranded = empty[0] if empty else None
        if self.stranded is None:
            self._one_gpu_each()
            self._within_threshold()
            if self.options.symmetry:
                self._twins_in_order()
            self._keep_apart()
            self._keep_nodes()

    def _variables(self) -> list[dict[int, cp_model.IntVar]]:
        """x_ig where model i fits GPU g and (3) and (7) allow it: by model, then by GPU."""
        x: list[dict[int, cp_model.IntVar]] = [{} for _ in self.ranked]
        admissible = self.instance.constraints.admissible
        for rank, i in enumerate(self.ranked):
            for gpu_type in self.instance.scaled.types:
                for g in gpu_type.gpus[: rank + 1] if self.options.symmetry else gpu_type.gpus:
                    allowed = i not in admissible or g in admissible[i]
                    if allowed and self.problem.sizes[i] <= self.problem.capacities[g]:
                        x[i][g] = self.model.new_bool_var(f"x_{i}_{g}")
        return x

    def _one_gpu_each(self) -> None:
        """(1)."""
        for choices in self.x:
            self.model.add_exactly_one(choices.values())

    def _within_threshold(self) -> None:
        """(2) and (6)."""
        waste = sum(self.problem.capacities) - sum(self.problem.sizes)
        on_gpu: list[list[int]] = [[] for _ in self.problem.capacities]
        for i, choices in enumerate(self.x):
            for g in choices:
                on_gpu[g].append(i)
        for g, (models, capacity) in enumerate(zip(on_gpu, self.problem.capacities, strict=True)):
            load = cp_model.LinearExpr.weighted_sum(
                [self.x[i][g] for i in models], [self.problem.sizes[i] for i in models]
            )
            least = capacity - waste if self.options.load_bounds else 0
            self.model.add_linear_constraint(load, min(max(0, least), capacity), capacity)

    def _twins_in_order(self) -> None:
        """(4)."""
        for i, j in self.twins:
            first, second = (
                cp_model.LinearExpr.weighted_sum(list(self.x[k].values()), list(self.x[k]))
                for k in (i, j)
            )
            self.model.add(first <= second)

    def _keep_apart(self) -> None:
        """(8)."""
        for group in self.instance.constraints.apart:
            for g in range(len(self.instance.gpus)):
                self.model.add_at_most_one(self.x[i][g] for i in group.models if g in self.x[i])

    def _keep_nodes(self) -> None:
        """(9) and (10)."""
        constraints = self.instance.constraints
        for number, shards in enumerate(constraints.together):
            in_node = [
                self.model.new_bool_var(f"y_{number}_{v}") for v in range(len(constraints.nodes))
            ]
            for i in shards.models:
                for v, gpus in enumerate(constraints.nodes):
                    self.model.add(self._in(i, gpus) == in_node[v])
        for spread in constraints.spread:
            for gpus in constraints.nodes:
                self.model.add(sum(self._in(parts[0], gpus) for parts in spread.replicas) <= 1)

    def _in(self, i: int, gpus: Iterable[int]) -> cp_model.LinearExprT:
        """Whether model i is on one of the GPUs."""
        return cp_model.LinearExpr.sum([self.x[i][g] for g in gpus if g in self.x[i]])

    def add_hint(self, gpu_of: Sequence[int]) -> None:
        """Suggest a placement, as the symmetric copy that (3) and (4) allow."""
        kept = self._in_kept_order(gpu_of) if self.options.symmetry else gpu_of
        for i, g in enumerate(kept):
            for h, variable in self.x[i].items():
                self.model.add_hint(variable, h == g)

    def _in_kept_order(self, gpu_of: Sequence[int]) -> list[int]:
        """Relabel equal GPUs by first use, identical models by GPU.

        One step can undo the other; each pass makes the vector of GPUs in rank
        order lexicographically smaller, so a few passes settle all but odd cases.
        """
        chosen = list(gpu_of)
        for _ in range(4):
            before = list(chosen)
            unused = {each.capacity: list(each.gpus) for each in self.instance.scaled.types}
            capacities = self.instance.scaled.capacities
            label: dict[int, int] = {}
            for i in self.ranked:
                g = chosen[i]
                if g not in label:
                    label[g] = unused[capacities[g]].pop(0)
                chosen[i] = label[g]
            for twins in self.instance.scaled.classes:
                # The members of a class are in the same order here as in the ranking.
                in_order = sorted(chosen[i] for i in twins.models)
                for i, g in zip(twins.models, in_order, strict=True):
                    chosen[i] = g
            if chosen == before:
                break
        return chosen

    def solution(self, solver: cp_model.CpSolver) -> list[int]:
        """The GPU of each model that the solver found."""
        return [
            next(g for g, variable in choices.items() if solver.boolean_value(variable))
            for choices in self.x
        ]

    def forbid(self, covers: Iterable[_Cover], exact: PackingProblem) -> None:
        """(5)."""
        for models, capacity in covers:
            for g, room in enumerate(exact.capacities):
                chosen = [self.x[i][g] for i in models if g in self.x[i]]
                if room <= capacity and len(chosen) == len(models):
                    self.model.add_bool_or([variable.negated() for variable in chosen])


def _exceeded(exact: PackingProblem, gpu_of: Sequence[int]) -> list[_Cover]:
    """Sets of models that share a GPU and are too large for it, each as small as possible."""
    on_gpu: list[list[int]] = [[] for _ in exact.capacities]
    for i, g in enumerate(gpu_of):
        on_gpu[g].append(i)
    covers = []
    for models, capacity in zip(on_gpu, exact.capacities, strict=True):
        load = sum(exact.sizes[i] for i in models)
        if load <= capacity:
            continue
        cover = []
        for i in sorted(models, key=lambda i: exact.sizes[i]):
            if load - exact.sizes[i] > capacity:
                load -= exact.sizes[i]
            else:
                cover.append(i)
        covers.append(_Cover(tuple(cover), capacity))
    return covers
