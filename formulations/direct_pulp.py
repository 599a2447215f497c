"""Minimise the maximum KVPR directly: a mixed-integer program in PuLP, solved by HiGHS.

The model that a user would write first, kept as a baseline: instead of deciding a
threshold it minimises a variable t, whose products with the assignment are linearised
exactly, with the smallest big-M that the bounds allow.

Data
    Models i in I with sizes m_i and pressures a_i, GPUs g in G with memory C_g;
    0 <= L <= t* a proven lower bound and U >= t* the KVPR of a known placement.

Variables
    t in [L, U]: the maximum KVPR.
    x_ig in {0, 1}: model i runs on GPU g. Only where a_i + U m_i <= U C_g.
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
    only forbid larger values, which never help in (2). (5) follows from (2)
    for t > 0 and tightens the relaxation. A model alone on a GPU where
    a_i + U m_i > U C_g exceeds U, so that x_ig is left out.

    The solver receives the model divided by U, with t / U and y_ig / U as variables.
    With U = a / f on the integer scale of the fleet, (2) then reads

        sum_i f a_i x_ig + sum_i a m_i y_ig <= a C_g t,

    the numbers of the threshold U as bin packing (see :mod:`kvpr_opt.problem.scaled`), and
    the big-M of (4) is 1. A file for other solvers has these integers as they are;
    there, U is the threshold asked for, L is rounded down to six decimals, and the
    model has a solution if and only if the threshold can be met.

    HiGHS works with doubles. For it, (2) and (5) are each divided by the capacity of
    their GPU, so that a tolerance means the same on every GPU; its tolerances are the
    smallest that work, and its dual bound is lowered by a relative 1e-6 (more where U
    is far above L, since an error in t / U counts U / L fold) before it becomes a lower
    bound, on a solver's word; another solver's optimal value by 1e-3. The placement is
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
    programs, part I, Mathematical Programming 10, 147-175, doi:10.1007/BF01580665.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import pulp

from formulations.assignment_pulp import Formulation as AssignmentFormulation
from formulations.backends.pulp_catalogue import DEFAULT_SOLVER
from formulations.backends.pulp_solvers import PulpSolver, placement_of
from formulations.model_file import Exported, check_exact, meaning_of
from kvpr_opt.certificates.evidence import LowerBound
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import PackingProblem, ScaledInstance, Threshold
from kvpr_opt.search.bounds import volume_bound
from kvpr_opt.search.oracle import Feasible, Improvement, Infeasible

#: Products of models and GPUs above which the model is not built.
MAX_PRODUCTS = 100_000

#: Decimals of L / U in a file, rounded down.
_DECIMALS = 6

# A small margin above U: otherwise rounding to doubles might cut off the very placement
# that gave U.
_AIR = 1e-7


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
        Its name; see :mod:`formulations.backends.pulp_catalogue`.
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
        instance = self.instance
        if len(instance.models) * len(instance.gpus) > MAX_PRODUCTS:
            return Improvement(reason=f"more than {MAX_PRODUCTS} products")
        if incumbent is None:
            return self._any_placement(limits)
        low, high = bound or volume_bound(instance.scaled).value, incumbent.max_kvpr
        if not isinstance(low, Fraction) or not isinstance(high, Fraction) or not 0 < low < high:
            return Improvement(reason="nothing is left between bound and incumbent")
        model = _DirectModel(_divided(instance.scaled, high, low / high))
        model.start_from(incumbent)
        # Half of the gap is for the solver, the other half for lowering its bound.
        allowed = float(gap / 2)
        termination = self.solver.solve(model.model, limits, gap=allowed)
        best = _better(incumbent, placement_of(instance, model.x))
        if termination.infeasible:  # yet a placement is known: an effect of the tolerances
            return Improvement(reason=f"{termination.message}, which the incumbent refutes")
        proved = self._proved(termination.dual_bound, low, high, best, allowed)
        return Improvement(best, proved, reason=termination.message)

    def exported(self, threshold: Threshold) -> Exported:
        """The model with U at a threshold for other solvers, its integers unrounded.

        Raises
        ------
        InputError
            If they are too large for the readers of model files.
        """
        scaled = self.instance.scaled
        check_exact(scaled.packing(threshold))
        check_exact(PackingProblem(scaled.sizes, scaled.capacities))
        model = _DirectModel(_undivided(scaled, threshold))
        meaning = {
            "t": f"highest KVPR / ({threshold.value})",
            **meaning_of(self.instance, model.x),
            **meaning_of(self.instance, model.y, "times t on"),
        }
        return Exported(model.model, meaning)

    def _any_placement(self, limits: LimitsView) -> Improvement:
        match self._any.decide(self.instance.scaled.finite(), limits):
            case Feasible(placement):
                return Improvement(placement, reason="a first placement")
            case Infeasible(evidence):
                return Improvement(bound=LowerBound(math.inf, evidence), reason="infeasible")
        return Improvement(reason="no first placement")

    def _proved(
        self, dual: float, low: Fraction, high: Fraction, best: Placement, gap: float
    ) -> LowerBound | None:
        """A safe bound from the solver's dual bound; ``None`` if it is nothing new."""
        if not math.isfinite(dual):
            return None
        safe = Fraction(dual) * high * (1 - self.solver.doubt * (high / low))
        # Never pass on a claim that a known placement refutes.
        if not low < safe <= best.max_kvpr:
            return None
        value = self.instance.scaled.round_up(safe)
        below = self.instance.scaled.below(value)
        return LowerBound(value, self.solver.claim("direct model", below, gap=gap))


class _Numbers(NamedTuple):
    """The coefficients of the model divided by U.

    Attributes
    ----------
    pressures, weights, capacities
        Of (2): of x, of y, and of t.
    sizes, memories
        Of (5).
    units
        By GPU, the divisor of (5); (2) is divided by `scale` times as much.
    scale
        See `units`.
    least
        L / U.
    most
        1, or slightly more.
    fits
        Whether a model may run on a GPU: by model, then by GPU.
    """

    pressures: Sequence[int]
    weights: Sequence[int]
    capacities: Sequence[int]
    sizes: Sequence[int]
    memories: Sequence[int]
    units: Sequence[int]
    scale: int
    least: float
    most: float
    fits: Sequence[Sequence[bool]]


def _undivided(scaled: ScaledInstance, threshold: Threshold) -> _Numbers:
    """The integers, with U at a threshold and the volume bound for L."""
    a, f = threshold.numerator, threshold.denominator
    low, high = volume_bound(scaled).value, threshold.value
    least = Fraction(0)
    if high > 0:
        least = min(Fraction(1), Fraction(low) / Fraction(high)) if low < math.inf else Fraction(1)
    return _Numbers(
        pressures=[f * pressure for pressure in scaled.pressures],
        weights=[a * size for size in scaled.sizes],
        capacities=[a * capacity for capacity in scaled.capacities],
        sizes=scaled.sizes,
        memories=scaled.capacities,
        units=[1] * len(scaled.capacities),
        scale=1,
        least=math.floor(least * 10**_DECIMALS) / 10**_DECIMALS,
        most=1,
        fits=[
            [
                f * pressure + a * size <= a * capacity and size <= capacity
                for capacity in scaled.capacities
            ]
            for size, pressure in zip(scaled.sizes, scaled.pressures, strict=True)
        ],
    )


def _divided(scaled: ScaledInstance, high: Fraction, least: Fraction) -> _Numbers:
    """The same scaled to the order of 1, with U at the KVPR of a placement."""
    threshold = scaled.at_most(high)
    return _undivided(scaled, threshold)._replace(
        units=[max(1, capacity) for capacity in scaled.capacities],
        scale=threshold.numerator,
        least=float(least),
        most=1 + _AIR,
    )


class _DirectModel:
    """Variables and constraints, one method per family."""

    def __init__(self, numbers: _Numbers) -> None:
        self.numbers = numbers
        self.model = pulp.LpProblem("direct", pulp.LpMinimize)
        self.t = self.model.add_variable("t", numbers.least, numbers.most)
        self.x = [
            {
                g: self.model.add_variable(f"x_{i}_{g}", cat=pulp.LpBinary)
                for g, fits in enumerate(row)
                if fits
            }
            for i, row in enumerate(numbers.fits)
        ]
        self.y = [
            {g: self.model.add_variable(f"y_{i}_{g}", 0, numbers.most) for g in choices}
            for i, choices in enumerate(self.x)
        ]
        self.model += self.t
        self._one_gpu_each()
        self._products()
        self._within_t()
        self._within_memory()

    def _one_gpu_each(self) -> None:
        """(1)."""
        for i, choices in enumerate(self.x):
            self.model += pulp.lpSum(choices.values()) == 1, f"place_{i}"

    def _products(self) -> None:
        """(3) and (4)."""
        least, most = self.numbers.least, self.numbers.most
        for i, choices in enumerate(self.x):
            for g, x in choices.items():
                y = self.y[i][g]
                self.model += y - least * x >= 0, f"at_least_low_{i}_{g}"
                self.model += y - self.t - most * x >= -most, f"at_least_t_{i}_{g}"

    def _within_t(self) -> None:
        """(2)."""
        numbers = self.numbers
        for g, capacity in enumerate(numbers.capacities):
            unit = numbers.units[g] * numbers.scale
            terms = [-_quotient(capacity, unit) * self.t]
            for i, choices in enumerate(self.x):
                if g in choices:
                    terms.append(_quotient(numbers.pressures[i], unit) * choices[g])
                    terms.append(_quotient(numbers.weights[i], unit) * self.y[i][g])
            self.model += pulp.lpSum(terms) <= 0, f"kvpr_{g}"

    def _within_memory(self) -> None:
        """(5)."""
        for g, memory in enumerate(self.numbers.memories):
            unit = self.numbers.units[g]
            terms = [
                _quotient(self.numbers.sizes[i], unit) * choices[g]
                for i, choices in enumerate(self.x)
                if g in choices
            ]
            self.model += pulp.lpSum(terms) <= _quotient(memory, unit), f"memory_{g}"

    def start_from(self, placement: Placement) -> None:
        """Give the solver the placement of U to start from."""
        self.t.setInitialValue(1)
        for i, choices in enumerate(self.x):
            for g, x in choices.items():
                here = placement.gpu_of[i] == g
                x.setInitialValue(int(here))
                self.y[i][g].setInitialValue(int(here))


def _quotient(number: int, unit: int) -> float:
    """A quotient of integers of any length, rounded once, or the integer as it is."""
    return number if unit == 1 else number / unit


def _better(incumbent: Placement, found: Placement | None) -> Placement:
    return incumbent if found is None or found.max_kvpr >= incumbent.max_kvpr else found
