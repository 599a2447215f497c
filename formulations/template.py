"""Template of a formulation: copy this file and replace the model with yours.

It is a working example, the formulation by representatives: each GPU in use is
represented by its largest model. It is not in the registry, since
:mod:`formulations.arcflow_pulp` has no symmetry either and a stronger relaxation, but
the conformance suite runs it. A formulation of your own needs

* this file: the model written out as below, then the class ``Formulation``, with one
  method or function per family of constraints;
* one line in :data:`formulations.registry.ENTRIES`, with what it can do
  (:class:`kvpr_opt.search.oracle.Capabilities`);
* a line in ``formulations/README.md``.

Data
    Models i in I with item sizes w_i > 0, ranked so that w_1 >= w_2 >= ..., and |G| GPUs
    of one capacity c: the integers ``w_i = f a_i + a m_i``, ``c = a C`` of the threshold
    t = a / f (see :mod:`kvpr_opt.problem.scaled`). Models of size 0 fit anywhere and are left out.

Variables
    x_ij in {0, 1} for i <= j: model j runs on the GPU whose first model in the ranking
    is i; so x_ii = 1 if i represents a GPU.

Constraints
    (1)  sum_{i <= j} x_ij = 1                    for all j in I    one GPU each
    (2)  sum_{j > i} w_j x_ij <= (c - w_i) x_ii   for all i in I    threshold (and memory)
    (3)  sum_i x_ii <= |G|                                          no more GPUs than there are

Objective
    None: any solution answers the question.

Size
    |I| (|I| + 1) / 2 variables, 2 |I| + 1 constraints.

Validity
    A solution of (1) to (3) puts each model with one representative, which runs with
    itself: by (2) and w_j > 0, j can be with i only if x_ii = 1, and the load of that GPU
    is within c. Conversely, a packing gives a solution: name each GPU after its first model.
    GPUs have no labels that could be exchanged, so two solutions can be symmetric copies
    of each other only through identical models.

Strength
    The LP relaxation is the volume bound: (1) times w_j, summed up, and (2) give
    sum_j w_j <= c sum_i x_ii, and that is at most |G| c.

Reference
    Campelo, Campos and Correa (2008), On the asymmetric representatives formulation
    for the vertex coloring problem, Discrete Applied Mathematics 156, 1097-1111,
    doi:10.1016/j.dam.2007.05.058; here with knapsacks for the colour classes.
"""

from __future__ import annotations

import json

import pulp

from formulations.backends.pulp_catalogue import DEFAULT_SOLVER
from formulations.backends.pulp_solvers import PulpSolver
from formulations.model_file import Exported, check_exact
from kvpr_opt.certificates.evidence import Counting
from kvpr_opt.errors import InputError, InvalidPlacementError
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import PackingProblem, Threshold, fit_range
from kvpr_opt.search.oracle import Capabilities, Feasible, Infeasible, Unknown, Verdict

#: The capabilities for its line in the registry.
CAPABILITIES = Capabilities(mixed_memory=False, export=True)

#: Variables above which the model is not built.
MAX_VARIABLES = 200_000

#: Sums of the integers stay below this power of two, far within the solver's tolerance.
_BITS = 22

#: Nodes of the branch-and-bound tree for one unit of budget.
_NODES_PER_UNIT = 500


class Formulation:
    """The representatives model of one instance, rebuilt for each threshold.

    Parameters
    ----------
    instance
        The fleet.
    seed
        Random seed of the solver.
    threads
        Cores that it may use.
    solver
        Its name; see :mod:`formulations.backends.pulp_catalogue`.
    """

    name = "template"

    def __init__(
        self,
        instance: Instance,
        *,
        seed: int = 0,
        threads: int = 1,
        solver: str = DEFAULT_SOLVER,
    ) -> None:
        self.instance = instance
        self.solver = PulpSolver(solver, seed=seed, threads=threads)

    def decide(
        self,
        threshold: Threshold,
        limits: LimitsView,
        *,
        budget: float | None = None,
        hint: Placement | None = None,
    ) -> Verdict:
        """Answer one threshold, as an :class:`~kvpr_opt.search.oracle.Oracle`; no hint is used."""
        if len(self.instance.scaled.types) > 1:
            return Unknown("GPUs of different memory", final=True)
        if len(self.instance.models) ** 2 > 2 * MAX_VARIABLES:
            return Unknown(f"more than {MAX_VARIABLES} variables", final=True)
        # Rounded, if need be, so that "infeasible" still holds.
        problem = fit_range(self.instance.scaled.packing(threshold), _BITS)
        for i, size in enumerate(problem.sizes):
            if size > problem.capacities[0]:
                return Infeasible(Counting((i,)))
        model = _RepresentativesModel(problem)
        nodes = None if budget is None else int(budget * _NODES_PER_UNIT)
        termination = self.solver.solve(model.model, limits, nodes=nodes)
        if termination.infeasible:
            return Infeasible(self.solver.claim("representatives model", threshold))
        # Whatever the solver claims about its solution, it is evaluated exactly.
        placement = self._placement(model.solution())
        if placement is not None and placement.meets(threshold):
            return Feasible(placement)
        if termination.solved:
            return Unknown("the solution exceeds the threshold", final=True)
        return Unknown(termination.message, final=termination.final)

    def exported(self, threshold: Threshold) -> Exported:
        """The model of a threshold for other solvers, its integers unrounded.

        Raises
        ------
        InputError
            If the GPUs differ, or the integers are too large for the readers of model files.
        """
        if len(self.instance.scaled.types) > 1:
            raise InputError("the model takes GPUs of one memory only", place="gpus")
        problem = self.instance.scaled.packing(threshold)
        check_exact(problem)
        model = _RepresentativesModel(problem)
        names = [json.dumps(each.name) for each in self.instance.models]
        meaning = {
            variable.name: f"model {names[j]} runs with model {names[i]}"
            for i, followers in model.x.items()
            for j, variable in followers.items()
        }
        return Exported(model.model, meaning)

    def _placement(self, gpu_of: list[int]) -> Placement | None:
        try:
            return Placement(self.instance, gpu_of)
        except InvalidPlacementError:
            return None


class _RepresentativesModel:
    """Variables and constraints for one packing problem, one method per family."""

    def __init__(self, problem: PackingProblem) -> None:
        self.problem = problem
        self.model = pulp.LpProblem("representatives", pulp.LpMinimize)
        sizes = problem.sizes
        ranked = sorted((i for i, size in enumerate(sizes) if size), key=lambda i: (-sizes[i], i))
        # By representative, then by model.
        self.x: dict[int, dict[int, pulp.LpVariable]] = {
            i: {j: self.model.add_variable(f"x_{i}_{j}", cat=pulp.LpBinary) for j in ranked[rank:]}
            for rank, i in enumerate(ranked)
        }
        self.model += pulp.lpSum([])
        self._one_gpu_each()
        self._within_threshold()
        self._gpus_there_are()

    def _one_gpu_each(self) -> None:
        """(1)."""
        for j in self.x:
            choices = [followers[j] for followers in self.x.values() if j in followers]
            self.model += pulp.lpSum(choices) == 1, f"place_{j}"

    def _within_threshold(self) -> None:
        """(2)."""
        sizes, capacity = self.problem.sizes, self.problem.capacities[0]
        for i, followers in self.x.items():
            terms = [sizes[j] * variable for j, variable in followers.items() if j != i]
            room = (sizes[i] - capacity) * followers[i]
            self.model += pulp.lpSum([*terms, room]) <= 0, f"within_{i}"

    def _gpus_there_are(self) -> None:
        """(3)."""
        represented = [followers[i] for i, followers in self.x.items()]
        self.model += pulp.lpSum(represented) <= len(self.problem.capacities), "gpus"

    def solution(self) -> list[int]:
        """The GPU of each model, GPUs numbered by their representatives; 0 for size 0."""
        leader = {j: j for j in self.x}
        for i, followers in self.x.items():
            for j, variable in followers.items():
                if (variable.varValue or 0.0) > 0.5:
                    leader[j] = i
        number = {i: g for g, i in enumerate(sorted(set(leader.values())))}
        return [number[leader[j]] if j in leader else 0 for j in range(len(self.problem.sizes))]
