"""The maximum KVPR minimised in one go: a mixed-integer program in PuLP, solved by HiGHS.

The model that a user would write first, kept as an honest baseline: not a
threshold to decide but a variable t to minimise, its products with the
assignment linearised exactly.

Data
    Models i in I with sizes m_i and pressures a_i, GPUs g in G with memory C_g;
    0 < L <= t* a proven lower bound and U >= t* the KVPR of a placement known.

Variables
    t in [L, U]: the maximum KVPR.
    x_ig in {0, 1}: model i runs on GPU g. Only where m_i <= C_g.
    y_ig in [0, U]: at least t x_ig.

Objective
    minimise t

Constraints
    (1)  sum_g x_ig = 1                              for all i in I    one GPU each
    (2)  sum_i a_i x_ig + sum_i m_i y_ig <= C_g t    for all g in G    KVPR at most t
    (3)  y_ig >= L x_ig                              for all i, g
    (4)  y_ig >= t - U (1 - x_ig)                    for all i, g
    (5)  sum_i m_i x_ig <= C_g                       for all g in G    memory

Size
    2 |I| |G| + 1 variables, half of them binary; 2 |I| |G| + |I| + 2 |G| constraints.

Validity
    (2) is N_g <= t (C_g - M_g) with y_ig for t x_ig. (3) and (4) are the lower
    half of the McCormick envelope: with y_ig >= 0 they give y_ig >= t x_ig for
    each 0-1 value of x_ig, and y_ig = t x_ig is allowed. The upper half would
    only forbid larger values, which help nothing in (2). (5) follows from (2)
    for t > 0 and tightens the relaxation.

    HiGHS works with doubles. The model is scaled to L = 1 and memory of 1, its
    tolerances are the smallest that serve, and its dual bound is lowered by a
    relative 1e-6 (more where U is far above L, since (4) multiplies a tolerance
    by U) before it becomes a lower bound, on a solver's word. The placement is
    re-evaluated exactly. So most runs end with a gap of about 1e-6, not of 0.

Strength
    With GPUs of one memory the LP relaxation has the value L, whatever L is:
    spread every model evenly, y_ig = L x_ig and t = L satisfy (2) to (5). So the
    root adds nothing to the bound given, and the tree does all the work. On
    fleets of 4 to 8 GPUs with 12 to 16 models, the upper half of the envelope
    and the equality sum_g y_ig = t made the solver slower in most cases, and
    are left out.

Reference
    McCormick (1976), Computability of global solutions to factorable nonconvex
    programs, part I, Mathematical Programming 10, 147-175.
"""

from __future__ import annotations

import math
from fractions import Fraction

import pulp

from formulations.assignment_pulp import Formulation as AssignmentFormulation
from formulations.pulp_solvers import DEFAULT_SOLVER, Options, PulpSolver, placement_of
from kvpr_opt.bounds import volume_bound
from kvpr_opt.evidence import LowerBound
from kvpr_opt.instance import Instance
from kvpr_opt.limits import Limits
from kvpr_opt.oracle import Feasible, Improvement, Infeasible
from kvpr_opt.placement import Placement

#: Products of models and GPUs above which the model is not built.
MOST_PRODUCTS = 100_000

#: By how much the solver's dual bound is lowered, relatively, before it is believed.
MARGIN = Fraction(1, 10**6)

# The gap, on t scaled to at least 1, at which the solver may call its answer optimal: well
# within the margin, so that nothing is gained by a smaller one.
_GAP = 1e-7

# Of constraints and of integrality; far below the margin.
_TOLERANCE = 1e-9

_TIGHT = {
    "mip_abs_gap": _GAP,
    "mip_feasibility_tolerance": _TOLERANCE,
    "primal_feasibility_tolerance": _TOLERANCE,
}


class Formulation:
    """The direct model of one instance.

    Parameters
    ----------
    instance
        The fleet.
    seed
        Random seed of the solver.
    threads
        Cores that it may use.
    solver
        Its name; see :mod:`formulations.pulp_solvers`.
    """

    name = "direct_pulp"

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
        self._any = AssignmentFormulation(instance, seed=seed, threads=threads, solver=solver)

    def improve(
        self,
        limits: Limits,
        *,
        incumbent: Placement | None,
        bound: Fraction | float | None,
        gap: Fraction,
    ) -> Improvement:
        """Solve the model; see :class:`kvpr_opt.oracle.Optimiser`.

        Without an incumbent there is no U, and the answer is any placement of
        finite KVPR, or the proof that there is none.
        """
        instance = self.instance
        if len(instance.models) * len(instance.gpus) > MOST_PRODUCTS:
            return Improvement(reason=f"more than {MOST_PRODUCTS} products")
        if incumbent is None:
            return self._any_placement(limits)
        low, high = bound or volume_bound(instance.scaled).value, incumbent.max_kvpr
        if not isinstance(low, Fraction) or not isinstance(high, Fraction) or not 0 < low < high:
            return Improvement(reason="nothing is left between bound and incumbent")
        # Half of the gap for the solver, the other half for the lowering of its bound.
        options = {**_TIGHT, "mip_rel_gap": float(gap / 2)}
        model = _DirectModel(instance, low, high)
        model.start_from(incumbent)
        ending = self.solver.solve(model.model, limits, options=options)
        best = _better(incumbent, placement_of(instance, model.x))
        if ending.status == "infeasible":  # with a placement at hand: lost in the tolerances
            return Improvement(reason=f"{ending.message}, which the incumbent refutes")
        proved = self._proved(ending.dual_bound, low, high, best, options)
        return Improvement(best, proved, reason=ending.message)

    def _any_placement(self, limits: Limits) -> Improvement:
        match self._any.decide(self.instance.scaled.finite(), limits):
            case Feasible(placement):
                return Improvement(placement, reason="a first placement")
            case Infeasible(evidence):
                return Improvement(bound=LowerBound(math.inf, evidence), reason="infeasible")
        return Improvement(reason="no first placement")

    def _proved(
        self,
        dual: float,
        low: Fraction,
        high: Fraction,
        best: Placement,
        options: Options,
    ) -> LowerBound | None:
        """What follows from the solver's dual bound, with care; ``None`` if nothing new."""
        if not math.isfinite(dual):
            return None
        safe = Fraction(dual) * low * (1 - MARGIN * (high / low))
        # A claim that a placement refutes is not repeated, however it came about.
        if not low < safe <= best.max_kvpr:
            return None
        value = self.instance.scaled.round_up(safe)
        word = self.solver.word("direct model", self.instance.scaled.below(value), options)
        return LowerBound(value, word)


class _DirectModel:
    """Variables and constraints, scaled to a lower bound of 1 and a largest memory of 1."""

    def __init__(self, instance: Instance, low: Fraction, high: Fraction) -> None:
        scaled = instance.scaled
        largest = scaled.largest_capacity
        self.low = low
        # A little air, or the rounding of U might cut off the placement that it comes from.
        self.high = float(high / low) * (1 + 1e-7)
        self.capacities = [capacity / largest for capacity in scaled.capacities]
        self.sizes = [size / largest for size in scaled.sizes]
        unit = scaled.kvpr_unit / low / largest
        self.pressures = [float(pressure * unit) for pressure in scaled.pressures]
        self.model = pulp.LpProblem("direct", pulp.LpMinimize)
        self.t = self.model.add_variable("t", 1, self.high)
        self.x = [
            {
                g: self.model.add_variable(f"x_{i}_{g}", cat=pulp.LpBinary)
                for g, capacity in enumerate(scaled.capacities)
                if size <= capacity
            }
            for i, size in enumerate(scaled.sizes)
        ]
        self.y = [
            {g: self.model.add_variable(f"y_{i}_{g}", 0, self.high) for g in choices}
            for i, choices in enumerate(self.x)
        ]
        self.model += self.t
        self._one_gpu_each()
        self._products()
        self._within_t_and_memory()

    def _one_gpu_each(self) -> None:
        """(1)."""
        for i, choices in enumerate(self.x):
            self.model += pulp.lpSum(choices.values()) == 1, f"place_{i}"

    def _products(self) -> None:
        """(3) and (4)."""
        for i, choices in enumerate(self.x):
            for g, x in choices.items():
                y = self.y[i][g]
                self.model += y >= x, f"at_least_low_{i}_{g}"
                self.model += y >= self.t - self.high + self.high * x, f"at_least_t_{i}_{g}"

    def _within_t_and_memory(self) -> None:
        """(2) and (5)."""
        for g, capacity in enumerate(self.capacities):
            on = [i for i, choices in enumerate(self.x) if g in choices]
            pressure = pulp.lpSum(self.pressures[i] * self.x[i][g] for i in on)
            weights = pulp.lpSum(self.sizes[i] * self.y[i][g] for i in on)
            self.model += pressure + weights <= capacity * self.t, f"kvpr_{g}"
            memory = pulp.lpSum(self.sizes[i] * self.x[i][g] for i in on)
            self.model += memory <= capacity, f"memory_{g}"

    def start_from(self, placement: Placement) -> None:
        """Give the solver a placement to start from."""
        t = float(placement.max_kvpr / self.low)
        self.t.setInitialValue(t)
        for i, choices in enumerate(self.x):
            for g, x in choices.items():
                here = placement.gpu_of[i] == g
                x.setInitialValue(int(here))
                self.y[i][g].setInitialValue(t if here else 0.0)


def _better(incumbent: Placement, found: Placement | None) -> Placement:
    return incumbent if found is None or found.max_kvpr >= incumbent.max_kvpr else found
