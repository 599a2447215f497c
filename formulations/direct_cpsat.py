"""Minimise the maximum KVPR directly, in OR-Tools CP-SAT, on an integer grid.

The model a constraint programmer would try first, kept as a second baseline beside
:mod:`formulations.direct_pulp`: multiplying out the quotient leaves a product of two
integer variables, threshold and free memory, which the solver handles natively.

Data
    Models i in I with sizes m_i and pressures a_i, GPUs g in G with memory C_g, all
    whole numbers (see :mod:`kvpr_opt.problem.scaled`); L <= t* a proven lower bound and U >= t*
    the KVPR of a known placement; D the number of grid points in one unit of KVPR.

Variables
    T in {ceil(D L), ..., ceil(D U)}: the maximum KVPR in steps of 1 / D, rounded up.
    x_ig in {0, 1}: model i runs on GPU g. Only where a_i + U m_i <= U C_g.
    f_g in {0, ..., C_g}: memory left free on GPU g.
    p_g >= 0: the product T f_g.

Objective
    minimise T

Constraints
    (1)  sum_g x_ig = 1                   for all i in I    one GPU each
    (2)  f_g = C_g - sum_i m_i x_ig       for all g in G    free memory
    (3)  p_g = T f_g                      for all g in G
    (4)  D sum_i a_i x_ig <= p_g          for all g in G    KVPR at most T / D

Size
    |I| |G| + 2 |G| + 1 variables, |I| + 3 |G| constraints, one product per GPU.

Validity
    (2) to (4) are D N_g <= T (C_g - M_g), that is T >= D KVPR_g; f_g >= 0 is the
    memory limit. So the smallest T is ceil(D t*), and "T >= B" proves
    t* > (B - 1) / D: a bound on the grid is a bound on the KVPR, however coarse the
    grid is. It is raised to the next value that a placement can have.

    Such values are fractions with denominators of at most C = max_g C_g, and two of
    them differ by more than 1 / C**2. With D = C**2 no two of them share a step of
    the grid, so the smallest T belongs to one value only, and placement and
    bound meet exactly. Where the numbers are too large for that, D is as large as
    they allow, and the run may end with a gap of about 1 / (D t*).

    The solver's integers have 64 bits and its bounds are doubles: D is chosen so
    that D sum_i a_i and T f_g stay below 2**61 and T below 2**52. Where this leaves
    less than C**2, and fewer than 1000 steps up to U, the model is refused.

Strength
    The relaxation of the products is that of McCormick: with GPUs of one memory
    the root gives no more than L. The only symmetry breaking is what the solver
    detects by itself.

Reference
    McCormick (1976), Computability of global solutions to factorable nonconvex
    programs, part I, Mathematical Programming 10, 147-175, doi:10.1007/BF01580665;
    Perron, Didier and Gay (2023), The CP-SAT-LP solver, CP 2023, LIPIcs 280, 3:1-3:2,
    doi:10.4230/LIPIcs.CP.2023.3.
"""

from __future__ import annotations

import math
from fractions import Fraction
from importlib.metadata import version

from ortools.sat.python import cp_model

from formulations.assignment_cpsat import Formulation as AssignmentFormulation
from formulations.backends.cpsat import STATUS_NAMES, solve
from kvpr_opt.certificates.evidence import LowerBound, SolverClaim
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import ScaledInstance
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.oracle import Feasible, Improvement, Infeasible

#: Variables above which the model is not built.
MAX_VARIABLES = 100_000

#: Steps of the grid up to U below which the model is refused.
FEWEST_STEPS = 1000

# Every term and sum of the model stays below this, so the solver's 64 bits suffice.
_LARGEST_TERM = 2**61

# The solver reports its bound as a double, exact for whole numbers up to 2**53.
_LARGEST_OBJECTIVE = 2**52


class Formulation:
    """The direct model of one instance.

    Parameters
    ----------
    instance
        The fleet.
    seed
        Random seed of the solver.
    threads
        Cores that it may use, one worker each, with different strategies.
    """

    name = "direct_cpsat"

    def __init__(self, instance: Instance, *, seed: int = 0, threads: int = 1) -> None:
        self.instance = instance
        self.parameters: dict[str, str | int | float | bool] = {
            "random_seed": seed,
            "num_workers": threads,
        }
        self._any = AssignmentFormulation(instance, seed=seed, threads=threads)

    def improve(
        self,
        limits: LimitsView,
        *,
        incumbent: Placement | None,
        bound: Fraction | float | None,
        gap: Fraction,
    ) -> Improvement:
        """Solve the model; see :class:`kvpr_opt.search.oracle.Optimiser`.

        Without an incumbent there is no U, and the answer is any placement of
        finite KVPR, or the proof that there is none.
        """
        scaled = self.instance.scaled
        if len(self.instance.models) * len(self.instance.gpus) > MAX_VARIABLES:
            return Improvement(reason=f"more than {MAX_VARIABLES} variables")
        if incumbent is None:
            return self._any_placement(limits)
        low, high = bound or volume_bound(scaled).value, incumbent.max_kvpr
        if not isinstance(low, Fraction) or not isinstance(high, Fraction) or not 0 < low < high:
            return Improvement(reason="nothing is left between bound and incumbent")
        if limits.stopped:
            return Improvement(reason="stopped before it was started")
        low, high = low / scaled.kvpr_unit, high / scaled.kvpr_unit
        steps = steps_per_unit(scaled, high)
        if steps < scaled.largest_capacity**2 and steps * high < FEWEST_STEPS:
            return Improvement(reason=f"64 bits hold only {int(steps * high)} steps up to U")
        model = _DirectModel(scaled, low, high, steps)
        model.start_from(incumbent)
        parameters = {**self.parameters, "relative_gap_limit": float(gap)}
        status, solver = solve(model.model, limits, parameters)
        reason = f"CP-SAT: {STATUS_NAMES[status]}"
        if status == cp_model.INFEASIBLE:  # the incumbent is a solution
            return Improvement(reason=f"{reason}, which the incumbent refutes")
        proved = self._proved(solver.best_objective_bound, steps, low, parameters)
        if status == cp_model.UNKNOWN:
            return Improvement(incumbent, proved, reason)
        found = Placement(self.instance, model.solution(solver))
        best = found if found.max_kvpr < incumbent.max_kvpr else incumbent
        return Improvement(best, proved, reason)

    def _any_placement(self, limits: LimitsView) -> Improvement:
        match self._any.decide(self.instance.scaled.finite(), limits):
            case Feasible(placement):
                return Improvement(placement, reason="a first placement")
            case Infeasible(evidence):
                return Improvement(bound=LowerBound(math.inf, evidence), reason="infeasible")
        return Improvement(reason="no first placement")

    def _proved(
        self,
        bound: float,
        steps: int,
        low: Fraction,
        parameters: dict[str, str | int | float | bool],
    ) -> LowerBound | None:
        """The KVPR bound implied by "T >= bound"; ``None`` if it is nothing new."""
        if not 0 < bound < _LARGEST_OBJECTIVE:
            return None
        refuted = Fraction(math.floor(bound) - 1, steps)
        if refuted < low:
            return None
        scaled = self.instance.scaled
        threshold = scaled.at_most(refuted * scaled.kvpr_unit)
        word = SolverClaim(
            solver="OR-Tools CP-SAT, direct model",
            version=version("ortools"),
            threshold=threshold.value,
            parameters=parameters,
        )
        return LowerBound(scaled.next_value(threshold), word)


def steps_per_unit(scaled: ScaledInstance, high: Fraction) -> int:
    """The grid points in one unit of KVPR on the integer scale: the D of the model.

    Parameters
    ----------
    scaled
        The fleet.
    high
        The KVPR that T goes up to, on the integer scale.
    """
    largest = scaled.largest_capacity
    return min(
        largest**2,
        _LARGEST_TERM // max(1, scaled.total_pressure),
        math.floor(_LARGEST_TERM / (high * largest)),
        math.floor(_LARGEST_OBJECTIVE / high),
    )


class _DirectModel:
    """Variables and constraints, one method per family."""

    def __init__(self, scaled: ScaledInstance, low: Fraction, high: Fraction, steps: int) -> None:
        self.scaled = scaled
        self.steps = steps
        self.most = math.ceil(high * steps)
        self.model = cp_model.CpModel()
        self.t = self.model.new_int_var(math.ceil(low * steps), self.most, "t")
        self.x = [
            {
                g: self.model.new_bool_var(f"x_{i}_{g}")
                for g, capacity in enumerate(scaled.capacities)
                if pressure + high * size <= high * capacity
            }
            for i, (size, pressure) in enumerate(zip(scaled.sizes, scaled.pressures, strict=True))
        ]
        self.free = [
            self.model.new_int_var(0, capacity, f"free_{g}")
            for g, capacity in enumerate(scaled.capacities)
        ]
        self._one_gpu_each()
        self._free_memory()
        self._within_t()
        self.model.minimize(self.t)

    def _one_gpu_each(self) -> None:
        """(1)."""
        for choices in self.x:
            self.model.add_exactly_one(choices.values())

    def _free_memory(self) -> None:
        """(2)."""
        for g, capacity in enumerate(self.scaled.capacities):
            self.model.add(self.free[g] == capacity - self._sum_on(g, self.scaled.sizes))

    def _within_t(self) -> None:
        """(3) and (4)."""
        demand = [self.steps * pressure for pressure in self.scaled.pressures]
        for g, capacity in enumerate(self.scaled.capacities):
            product = self.model.new_int_var(0, self.most * capacity, f"product_{g}")
            self.model.add_multiplication_equality(product, [self.t, self.free[g]])
            self.model.add(self._sum_on(g, demand) <= product)

    def _sum_on(self, g: int, values: list[int] | tuple[int, ...]) -> cp_model.LinearExpr:
        """The sum of a quantity over the models on a GPU."""
        on = [i for i, choices in enumerate(self.x) if g in choices]
        return cp_model.LinearExpr.weighted_sum([self.x[i][g] for i in on], [values[i] for i in on])

    def start_from(self, placement: Placement) -> None:
        """Give the solver the placement of U to start from."""
        self.model.add_hint(self.t, self.most)
        for i, choices in enumerate(self.x):
            for g, variable in choices.items():
                self.model.add_hint(variable, placement.gpu_of[i] == g)

    def solution(self, solver: cp_model.CpSolver) -> list[int]:
        """The GPU of each model that the solver found."""
        return [
            next(g for g, variable in choices.items() if solver.boolean_value(variable))
            for choices in self.x
        ]
