"""Set-partitioning formulation of a threshold over waste-bounded patterns, in HiGHS.

Data
    Classes c in C of identical models: n_c of them, of item size w_c. Types k in
    K of equal GPUs: G_k of them, of capacity W_k. The integers ``w_c = f a_c + a m_c``
    and ``W_k = a C_k`` are those of the threshold t = a / f (see
    :mod:`kvpr_opt.problem.scaled`). The slack is S = sum_k G_k W_k - sum_c n_c w_c.

Sets
    P_k: the patterns p of type k, that is, numbers a_pc of models by class, with
        0 <= a_pc <= n_c  and  W_k - S <= sum_c w_c a_pc <= W_k,  not all 0.

Variables
    x_p in {0, 1, 2, ...}: how many GPUs of type k hold pattern p in P_k.

Constraints
    (1)  sum_k sum_{p in P_k} a_pc x_p = n_c    for all c in C    every model once
    (2)  sum_{p in P_k} x_p <= G_k              for all k in K    no more GPUs than there are

Objective
    None: any solution answers the question.

Size
    One variable per pattern, |C| + |K| constraints. Close to the optimum S is
    small and the patterns are few; they grow steeply with S, and above
    :data:`MAX_COLUMNS` the answer is "unknown".

Validity
    A placement gives every GPU a set of models that fits it, and max KVPR <= t
    iff all of them fit in the scaled sizes. All GPUs together waste exactly S,
    so that none wastes more: every GPU in use holds a pattern of some P_k, and
    (1) and (2) hold. Conversely, a solution of (1) and (2) is a packing.
    Models of size 0 fit anywhere and are left out.

    The coefficients are small whole numbers however long the sizes are: the
    solver's doubles never see a size. Sizes beyond 60 bits are rounded for the
    enumeration such that no placement is lost (see
    :class:`kvpr_opt.patterns.problem.PackingQuestion`), and the patterns are checked
    in exact numbers. A solution is re-evaluated exactly.

Strength
    Without the bound on the waste the LP relaxation is that of the cutting-stock
    model of Gilmore and Gomory, whose bound is seldom more than one bin below
    the optimum; the bound on the waste only removes columns, so this LP is no
    weaker. It is stronger than the assignment model's LP, which is the volume bound.

Reference
    Gilmore and Gomory (1961), A linear programming approach to the cutting-stock
    problem, Operations Research 9, 849-859, doi:10.1287/opre.9.6.849. Delorme,
    Iori and Martello (2016), Bin packing and cutting stock problems:
    mathematical models and exact algorithms, European Journal of Operational
    Research 255, 1-20, doi:10.1016/j.ejor.2016.04.030.
"""

from __future__ import annotations

from importlib.metadata import version

from formulations.pattern_columns import Columns, placed, waste_bounded
from formulations.pattern_highs import choose
from kvpr_opt.certificates.evidence import SolverClaim
from kvpr_opt.limits import LimitsView
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.oracle import Infeasible, Unknown, Verdict

#: Patterns above which the model is not built. HiGHS reacts to a stop only at intervals,
#: which reach seconds with more patterns.
MAX_COLUMNS = 5_000

#: Nodes of the branch-and-bound tree for one unit of budget.
_NODES_PER_UNIT = 100


class Formulation:
    """The set-partitioning model of one instance, rebuilt for each threshold.

    Parameters
    ----------
    instance
        The fleet.
    seed
        Random seed of the solver.
    threads
        Cores that it may use.
    """

    name = "setpartition_highs"

    def __init__(self, instance: Instance, *, seed: int = 0, threads: int = 1) -> None:
        self.instance = instance
        self.parameters: dict[str, str | int | float | bool] = {
            "random_seed": seed,
            "threads": threads,
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
        options = dict(self.parameters)
        if budget is not None:
            options["mip_max_nodes"] = max(1, int(budget * _NODES_PER_UNIT))
        termination, times = choose(columns, limits, options)
        if termination.infeasible:
            return Infeasible(self._claim(threshold))
        if times is None:
            return Unknown(termination.message, final=termination.final)
        return placed(self.instance, threshold, columns.chosen(times))

    def _claim(self, threshold: Threshold) -> SolverClaim:
        return SolverClaim(
            solver="HiGHS, set partitioning by patterns",
            version=version("highspy"),
            threshold=threshold.value,
            parameters=dict(self.parameters),
        )
