"""Assignment formulation of a threshold as a 0-1 program in PuLP, solved by HiGHS.

The same model as :mod:`formulations.assignment_cpsat`, for mathematical programming
solvers: a second opinion from a different kind of solver. Name another solver that
PuLP can call to use it instead of HiGHS: ``assignment_pulp:cbc``.

Data
    Models i in I with item sizes w_i and GPUs g in G with capacities c_g: the
    integers ``w_i = f a_i + a m_i``, ``c_g = a C_g`` of the threshold t = a / f
    (see :mod:`kvpr_opt.problem.scaled`).

Variables
    x_ig in {0, 1}: model i runs on GPU g. Only where w_i <= c_g.

Constraints
    (1)  sum_g x_ig = 1            for all i in I    one GPU each
    (2)  sum_i w_i x_ig <= c_g     for all g in G    threshold (and memory)

Objective
    None: any solution answers the question.

Size
    |I| |G| variables, |I| + |G| constraints.

Validity
    (1) and (2) are exactly "max KVPR <= t". The solver works with doubles and
    accepts values within 1e-6 of an integer, so the integers are rounded until their
    sum is below 2**22, in a way that keeps proofs of infeasibility valid (see
    :func:`kvpr_opt.problem.scaled.fit_range`). A solution is re-evaluated exactly, and
    if it exceeds the threshold the answer is "unknown".

Strength
    The LP relaxation is the volume bound: x_ig = c_g / sum_h c_h solves it wherever
    all w_i together fit all c_g together, and every w_i fits every GPU.

Reference
    Martello and Toth (1990), *Knapsack Problems: Algorithms and Computer
    Implementations*, ch. 8, Wiley; Delorme, Iori and Martello (2016), Bin packing
    and cutting stock problems: mathematical models and exact algorithms, European
    Journal of Operational Research 255, 1-20, doi:10.1016/j.ejor.2016.04.030.
"""

from __future__ import annotations

import pulp

from formulations.backends.pulp_catalogue import DEFAULT_SOLVER
from formulations.backends.pulp_solvers import PulpSolver, placement_of
from formulations.model_file import Exported, check_exact, meaning_of
from kvpr_opt.certificates.evidence import Counting
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import PackingProblem, Threshold, fit_range
from kvpr_opt.search.oracle import Feasible, Infeasible, Unknown, Verdict

#: Variables above which the model is not built.
MAX_VARIABLES = 200_000

#: Sums of the integers stay below this power of two, far within the solver's tolerance.
_BITS = 22

#: Nodes of the branch-and-bound tree for one unit of budget.
_NODES_PER_UNIT = 500


class Formulation:
    """The assignment model of one instance, rebuilt for each threshold.

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

    name = "assignment_pulp"

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
        instance = self.instance
        if len(instance.models) * len(instance.gpus) > MAX_VARIABLES:
            return Unknown(f"more than {MAX_VARIABLES} variables", final=True)
        problem = fit_range(instance.scaled.packing(threshold), _BITS)
        largest = max(problem.capacities)
        for i, size in enumerate(problem.sizes):
            if size > largest:
                return Infeasible(Counting((i,)))
        if not problem.sizes:
            return Feasible(Placement(instance, ()))
        model, x = _assignment_model(problem)
        nodes = None if budget is None else int(budget * _NODES_PER_UNIT)
        termination = self.solver.solve(model, limits, nodes=nodes)
        if termination.infeasible:
            return Infeasible(self.solver.claim("assignment model", threshold))
        placement = placement_of(instance, x)
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
            If they are too large for the readers of model files.
        """
        problem = self.instance.scaled.packing(threshold)
        check_exact(problem)
        model, x = _assignment_model(problem)
        return Exported(model, meaning_of(self.instance, x))


def _assignment_model(
    problem: PackingProblem,
) -> tuple[pulp.LpProblem, list[dict[int, pulp.LpVariable]]]:
    """The model and its variables: by model, then by GPU."""
    model = pulp.LpProblem("assignment", pulp.LpMinimize)
    x = [
        {
            g: model.add_variable(f"x_{i}_{g}", cat=pulp.LpBinary)
            for g, capacity in enumerate(problem.capacities)
            if size <= capacity
        }
        for i, size in enumerate(problem.sizes)
    ]
    model += pulp.lpSum([])
    for i, choices in enumerate(x):  # (1)
        model += pulp.lpSum(choices.values()) == 1, f"place_{i}"
    for g, capacity in enumerate(problem.capacities):  # (2)
        load = [problem.sizes[i] * choices[g] for i, choices in enumerate(x) if g in choices]
        model += pulp.lpSum(load) <= capacity, f"within_{g}"
    return model, x
