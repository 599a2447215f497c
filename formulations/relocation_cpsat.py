"""Assignment with a budget of moves, in OR-Tools CP-SAT: which model moves where, at what cost.

Data
    Models i in I with item sizes w_i and GPUs g in G with capacities c_g, the integers of a
    threshold (see :mod:`kvpr_opt.problem.scaled`); the GPU h_i on which i runs now, and what
    moving it away costs, k_i; a budget K.

Variables
    x_ig in {0, 1}: model i runs on GPU g. Only where i may run on g and w_i <= c_g.
    y_sv in {0, 1}: the shards s run in node v.

Constraints
    (1)  sum_g x_ig = 1                            for all i in I      one GPU each
    (2)  c_g - W <= sum_i w_i x_ig <= c_g          for all g in G      threshold
    (3)  sum_i k_i (1 - x_{i h_i}) <= K                                budget
    (4)  sum_{i in A} x_ig <= 1                    for all groups A, g in G
    (5)  sum_{g in v} x_ig = y_sv                  for all i in s, nodes v
    (6)  parts of at most one replica in a node    for all models spread over nodes

    (7)  z_S in {0, 1}, sum_{S for g} z_S = 1, sum_{S for g, i in S} z_S = x_ig
                                                   where sets are listed

    W = sum_g c_g - sum_i w_i is what all GPUs together leave free. (7) is used where the sets S
    that a GPU may hold are known and few; it then replaces (2), and the model minimises the
    largest KVPR among the chosen sets.

Size
    |I| |G| variables.

Validity
    As that of :mod:`formulations.assignment_cpsat`, whose rules against symmetry do not hold
    here: homes tell equal GPUs apart.

Strength
    The LP relaxation is the volume bound together with the budget: weak. The model is good at
    finding placements for a small budget, where almost every model stays where it is.

Reference
    Martello and Toth (1990), *Knapsack Problems: Algorithms and Computer Implementations*,
    ch. 7, Wiley: the generalised assignment problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import version

from ortools.sat.python import cp_model

from formulations.backends.cpsat import solve, workers
from kvpr_opt.certificates.evidence import SolverClaim
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold, fit_range
from kvpr_opt.search.oracle import Feasible, Infeasible, Unknown, Verdict

#: Variables above which the model is not built.
MAX_VARIABLES = 100_000


class RelocationModel:
    """The model of one fleet, its homes and costs, rebuilt for each threshold and budget.

    Parameters
    ----------
    instance
        The fleet.
    home
        By model, the number of the GPU on which it runs now; negative if it runs nowhere
        and can be placed anywhere at no cost.
    costs
        By model, a whole number of at least 0.
    seed, threads
        For the solver.
    """

    def __init__(
        self,
        instance: Instance,
        home: Sequence[int],
        costs: Sequence[int],
        *,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        self._instance = instance
        self._home = home
        self._costs = costs
        self._parameters: dict[str, str | int | float | bool] = {
            "random_seed": seed,
            "num_workers": workers(threads),
            "linearization_level": 0,
        }

    def decide(
        self,
        threshold: Threshold,
        limits: Limits,
        *,
        budget: int,
        work: float | None = None,
        hint: Placement | None = None,
        sets: Sequence[tuple[int, tuple[int, ...]]] | None = None,
    ) -> Verdict:
        """Look for a placement within a threshold and a budget.

        Parameters
        ----------
        threshold
            On the KVPR.
        limits
            When to stop.
        budget
            The most that moving may cost.
        work
            Limit on the solver's deterministic time.
        hint
            A placement to start from.
        sets
            GPU and models of every candidate set; the placement found is then the best one
            that these sets allow.
        """
        if len(self._instance.models) * len(self._instance.gpus) > MAX_VARIABLES:
            return Unknown(f"more than {MAX_VARIABLES} variables", final=True)
        packing = fit_range(self._instance.scaled.packing(threshold))
        built = _Model(self._instance, packing.sizes, packing.capacities, sets)
        if not built.complete:
            return Infeasible(self._claim(threshold, budget))
        built.add_budget(self._home, self._costs, budget)
        if hint is not None:
            built.add_hint(hint.gpu_of)
        status, solver = solve(built.model, limits, self._parameters, work)
        if status == cp_model.INFEASIBLE:
            return Infeasible(self._claim(threshold, budget))
        if status == cp_model.UNKNOWN:
            return Unknown("stopped by its budget or by a limit")
        placement = Placement(self._instance, built.solution(solver))
        if not placement.meets(threshold):
            return Unknown("the placement holds in rounded numbers only", final=True)
        return Feasible(placement)

    def _claim(self, threshold: Threshold, budget: int) -> SolverClaim:
        return SolverClaim(
            solver="OR-Tools CP-SAT, assignment with a budget of moves",
            version=version("ortools"),
            threshold=threshold.value,
            parameters={**self._parameters, "budget": str(budget)},
        )


class _Model:
    """Variables and constraints of one question, one method per family."""

    def __init__(
        self,
        instance: Instance,
        sizes: Sequence[int],
        capacities: Sequence[int],
        sets: Sequence[tuple[int, tuple[int, ...]]] | None,
    ) -> None:
        self._constraints = instance.constraints
        self._scaled = instance.scaled
        self._sizes, self._capacities = sizes, capacities
        self.model = cp_model.CpModel()
        self.x = [self._choices(model) for model in range(len(sizes))]
        self.complete = all(self.x)
        if self.complete:
            self._one_gpu_each()
            if sets is None:
                self._within_threshold()
            else:
                self._listed(sets)
            self._apart()
            self._in_nodes()

    def _choices(self, model: int) -> dict[int, cp_model.IntVar]:
        every = range(len(self._capacities))
        return {
            gpu: self.model.new_bool_var(f"x_{model}_{gpu}")
            for gpu in sorted(self._constraints.admissible.get(model, every))
            if self._sizes[model] <= self._capacities[gpu]
        }

    def _one_gpu_each(self) -> None:
        """(1)."""
        for choices in self.x:
            self.model.add_exactly_one(choices.values())

    def _within_threshold(self) -> None:
        """(2)."""
        free = sum(self._capacities) - sum(self._sizes)
        for gpu, capacity in enumerate(self._capacities):
            here = [model for model, choices in enumerate(self.x) if gpu in choices]
            load = cp_model.LinearExpr.weighted_sum(
                [self.x[model][gpu] for model in here], [self._sizes[model] for model in here]
            )
            self.model.add_linear_constraint(load, min(max(0, capacity - free), capacity), capacity)

    def _listed(self, sets: Sequence[tuple[int, tuple[int, ...]]]) -> None:
        """(7), and the objective."""
        chosen = [self.model.new_bool_var("") for _ in sets]
        on_gpu: list[list[cp_model.IntVar]] = [[] for _ in self._capacities]
        holding: dict[tuple[int, int], list[cp_model.IntVar]] = {}
        for (gpu, models), variable in zip(sets, chosen, strict=True):
            on_gpu[gpu].append(variable)
            for model in models:
                holding.setdefault((model, gpu), []).append(variable)
        for here in on_gpu:
            self.model.add_exactly_one(here)
        for model, choices in enumerate(self.x):
            for gpu, placed in choices.items():
                self.model.add(sum(holding.get((model, gpu), [])) == placed)
        # Only the order of the values matters: their ranks are small integers.
        values = [self._kvpr(gpu, models) for gpu, models in sets]
        rank = {value: number for number, value in enumerate(sorted(set(values)))}
        largest = self.model.new_int_var(0, len(rank), "largest")
        for value, variable in zip(values, chosen, strict=True):
            if rank[value]:
                self.model.add(largest >= rank[value] * variable)
        self.model.minimize(largest)

    def _kvpr(self, gpu: int, models: Sequence[int]) -> Fraction:
        load = sum(self._scaled.pressures[model] for model in models)
        free = self._scaled.capacities[gpu] - sum(self._scaled.sizes[model] for model in models)
        return Fraction(load, free) if load else Fraction(0)

    def add_budget(self, home: Sequence[int], costs: Sequence[int], budget: int) -> None:
        """(3)."""
        stays, weights, total = [], [], 0
        for model, (gpu, cost) in enumerate(zip(home, costs, strict=True)):
            if gpu < 0:
                continue
            total += cost
            if gpu in self.x[model]:
                stays.append(self.x[model][gpu])
                weights.append(cost)
        self.model.add(cp_model.LinearExpr.weighted_sum(stays, weights) >= total - budget)

    def _apart(self) -> None:
        """(4)."""
        for group in self._constraints.apart:
            for gpu in range(len(self._capacities)):
                here = [self.x[model][gpu] for model in group.models if gpu in self.x[model]]
                if len(here) > 1:
                    self.model.add_at_most_one(here)

    def _in_nodes(self) -> None:
        """(5) and (6)."""
        nodes = self._constraints.nodes if self._constraints.uses_nodes else ()
        for together in self._constraints.together:
            chosen = [self.model.new_bool_var("") for _ in nodes]
            self.model.add_exactly_one(chosen)
            for model in together.models:
                for node, variable in zip(nodes, chosen, strict=True):
                    inside = [self.x[model][gpu] for gpu in node if gpu in self.x[model]]
                    self.model.add(sum(inside) == variable)
        for spread in self._constraints.spread:
            for node in nodes:
                present = []
                for parts in spread.replicas:
                    here = self.model.new_bool_var("")
                    for model in parts:
                        for gpu in node:
                            if gpu in self.x[model]:
                                self.model.add_implication(self.x[model][gpu], here)
                    present.append(here)
                self.model.add_at_most_one(present)

    def add_hint(self, gpu_of: Sequence[int]) -> None:
        """Suggest a placement."""
        for choices, chosen in zip(self.x, gpu_of, strict=True):
            for gpu, variable in choices.items():
                self.model.add_hint(variable, gpu == chosen)

    def solution(self, solver: cp_model.CpSolver) -> list[int]:
        """The GPU of each model that the solver found."""
        return [
            next(gpu for gpu, variable in choices.items() if solver.boolean_value(variable))
            for choices in self.x
        ]
