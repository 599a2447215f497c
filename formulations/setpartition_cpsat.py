"""Set-partitioning formulation of a threshold over waste-bounded patterns, in CP-SAT.

The same model as :mod:`formulations.setpartition_highs`, for a solver that
works in integers throughout: its "infeasible" does not depend on a tolerance.

Data
    Classes c in C of identical models: n_c of them, of item size w_c. Types k in
    K of equal GPUs: G_k of them, of capacity W_k. The integers ``w_c = f a_c + a m_c``
    and ``W_k = a C_k`` are those of the threshold t = a / f (see
    :mod:`kvpr_opt.problem.scaled`). The slack is S = sum_k G_k W_k - sum_c n_c w_c.

Sets
    P_k: the patterns p of type k, that is, numbers a_pc of models by class, with
        0 <= a_pc <= n_c  and  W_k - S <= sum_c w_c a_pc <= W_k,  not all 0.

Variables
    x_p in {0, ..., u_p}: how many GPUs of type k hold pattern p in P_k, where
    u_p is the smallest of G_k and of n_c / a_pc, rounded down, over the classes in p.

Constraints
    (1)  sum_k sum_{p in P_k} a_pc x_p = n_c    for all c in C    every model once
    (2)  sum_{p in P_k} x_p <= G_k              for all k in K    no more GPUs than there are

Size
    One variable per pattern, |C| + |K| constraints; above :data:`MAX_COLUMNS`
    patterns the answer is "unknown".

Validity
    As for :mod:`formulations.setpartition_highs`: all GPUs together waste S, so
    that none wastes more, and each GPU in use holds a pattern of some P_k. The
    bound u_p follows from (1) and (2).

Strength
    The LP relaxation, which CP-SAT solves with linearisation level 2, is no
    weaker than that of Gilmore and Gomory. Where every u_p is 1 the rows (1)
    are exact covers, which propagate as clauses do.

Reference
    Gilmore and Gomory (1961), A linear programming approach to the cutting-stock
    problem, Operations Research 9, 849-859, doi:10.1287/opre.9.6.849. Balas and
    Padberg (1976), Set partitioning: a survey, SIAM Review 18, 710-760,
    doi:10.1137/1018115.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from ortools.sat.python import cp_model

from formulations.backends.cpsat import solve, workers
from formulations.pattern_columns import Columns, placed, waste_bounded
from kvpr_opt.certificates.evidence import SolverClaim
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.oracle import Infeasible, Unknown, Verdict

#: Patterns above which the model is not built.
MAX_COLUMNS = 50_000


class Formulation:
    """The set-partitioning model of one instance, rebuilt for each threshold.

    Parameters
    ----------
    instance
        The fleet.
    seed
        Random seed of the solver.
    threads
        Cores that it may use; below 8 one is used.
    """

    name = "setpartition_cpsat"

    def __init__(self, instance: Instance, *, seed: int = 0, threads: int = 1) -> None:
        self.instance = instance
        self.parameters: dict[str, str | int | float | bool] = {
            "random_seed": seed,
            "num_workers": workers(threads),
            "linearization_level": 2,
        }

    def decide(
        self,
        threshold: Threshold,
        limits: LimitsView,
        *,
        budget: float | None = None,
        hint: Placement | None = None,
    ) -> Verdict:
        """Answer one threshold, as an :class:`~kvpr_opt.search.oracle.Oracle`; no hint is used."""
        columns = waste_bounded(self.instance, threshold, limits, MAX_COLUMNS)
        if not isinstance(columns, Columns):
            return columns
        model = _Model(columns)
        status, solver = solve(model.model, limits, self.parameters, budget)
        if status == cp_model.INFEASIBLE:
            return Infeasible(self._claim(threshold))
        if status == cp_model.UNKNOWN:
            return Unknown("stopped by its budget or by a limit")
        times = np.array([solver.value(x) for x in model.x], dtype=np.int64)
        return placed(self.instance, threshold, columns.chosen(times))

    def _claim(self, threshold: Threshold) -> SolverClaim:
        return SolverClaim(
            solver="OR-Tools CP-SAT, set partitioning by patterns",
            version=version("ortools"),
            threshold=threshold.value,
            parameters=dict(self.parameters),
        )


class _Model:
    """Variables and constraints, one method per family."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.model = cp_model.CpModel()
        self.x = [
            self.model.new_int_var(0, int(most), f"x_{p}") for p, most in enumerate(columns.most)
        ]
        self._every_model_once()
        self._no_more_gpus_than_there_are()

    def _every_model_once(self) -> None:
        """(1)."""
        for c in np.flatnonzero(self.columns.demand):
            held = self.columns.counts[:, c]
            patterns = np.flatnonzero(held)
            placed = cp_model.LinearExpr.weighted_sum(
                [self.x[p] for p in patterns], held[patterns].tolist()
            )
            self.model.add(placed == int(self.columns.demand[c]))

    def _no_more_gpus_than_there_are(self) -> None:
        """(2)."""
        for k in np.unique(self.columns.types):
            patterns = np.flatnonzero(self.columns.types == k)
            used = cp_model.LinearExpr.sum([self.x[p] for p in patterns])
            self.model.add(used <= int(self.columns.multiplicities[k]))
