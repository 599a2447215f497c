"""The pattern LP of a threshold: the master and pricing problems of the pattern engine.

This exposes the model (and the code) behind ``method="auto"`` and ``"branch_and_price"``
as a formulation of its own: a relaxation that refutes thresholds with a proof, and a
rounding that sometimes meets one.

Data
    Classes c in C of identical models: n_c of them, of item size w_c. Types k in
    K of equal GPUs: G_k of them, of capacity W_k. The integers ``w_c = f a_c + a m_c``
    and ``W_k = a C_k`` are those of the threshold t = a / f (see
    :mod:`kvpr_opt.problem.scaled`).

Sets
    P_k: the patterns p of type k, that is, numbers a_pc of models by class, with
        0 <= a_pc <= n_c  and  sum_c w_c a_pc <= W_k.

Master problem
    Variables: s >= 0, and x_p >= 0 for every pattern, fractional.

    minimise    s
    subject to
    (1)  sum_k sum_{p in P_k} a_pc x_p >= n_c    for all c in C    every model
    (2)  sum_{p in P_k} x_p <= s G_k             for all k in K    s times the GPUs there are

Dual of the master
    Variables: v_c >= 0 by class and V_k >= 0 by type.

    maximise    sum_c n_c v_c
    subject to
    (3)  sum_k G_k V_k = 1
    (4)  sum_c a_pc v_c <= V_k                   for all k in K, p in P_k

Pricing problem
    For each type k, given v: the integer knapsack

    maximise    sum_c v_c a_c
    subject to
    (5)  sum_c w_c a_c <= W_k,    0 <= a_c <= n_c and whole

    A pattern worth more than V_k violates (4): its column enters the master.

Restricted master
    If the LP passes: (1) and (2) with s = 1 and integer x_p, over the columns
    that the LP has generated at this threshold and at earlier ones, and over
    the GPUs of the hint. A solution is a placement, once models that are in
    several patterns are removed from all but one. If there is none, patterns
    that were not generated might still work: the answer is "unknown".

Size
    |C| + |K| rows; a few hundred to a few thousand columns are generated. The
    knapsack problems are solved by dynamic programming over the value, in
    :mod:`kvpr_opt.patterns.lp.knapsack_by_value`; for which duals, and how often, is in
    :mod:`kvpr_opt.patterns.lp.column_generation`.

Validity
    A placement within t gives each GPU a pattern, so that s = 1 is feasible: if
    the optimal s is above 1, there is none. The duals are rounded to whole
    numbers v_c, the knapsack problems are solved in whole numbers for the V_k,
    and "infeasible" is answered only where sum_c n_c v_c > sum_k G_k V_k holds in
    them. Then the sum of (4) over the GPUs contradicts any placement, whatever
    the LP solver's floats were; the checker repeats the proof. Covering rows
    suffice in (1), because a part of a pattern is a pattern.

    Numbers beyond 60 bits are rounded such that no placement is lost (see
    :class:`kvpr_opt.patterns.problem.PackingQuestion`); placements are re-evaluated.

Strength
    The bound of Gilmore and Gomory: no weaker than the volume and seldom more
    than one bin from the optimum, so that it refutes most thresholds that can
    be refuted. The arc-flow model has the same LP bound, if the waste of its paths is
    not bounded.

Reference
    Gilmore and Gomory (1961), A linear programming approach to the cutting-stock
    problem, Operations Research 9, 849-859, doi:10.1287/opre.9.6.849, and part II
    (1963), Operations Research 11, 863-888, doi:10.1287/opre.11.6.863. Sadykov,
    Vanderbeck, Pessoa, Tahiri and Uchoa (2019), Primal heuristics for branch and
    price, INFORMS Journal on Computing 31, 251-267, doi:10.1287/ijoc.2018.0822,
    for the restricted master.
"""

from __future__ import annotations

import numpy as np

from formulations.pattern_columns import Columns, placed
from formulations.pattern_highs import choose
from kvpr_opt.errors import NumericalError
from kvpr_opt.limits import LimitsView
from kvpr_opt.patterns.lp.column_generation import PatternLP
from kvpr_opt.patterns.lp.item_lists import ItemLists
from kvpr_opt.patterns.problem import (
    DualValues,
    Packing,
    PackingQuestion,
    Undecided,
    beyond_patterns,
)
from kvpr_opt.patterns.proofs.evidence import dual_proof
from kvpr_opt.patterns.proofs.shortening import shorten_dual
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.problem.scaled import Threshold
from kvpr_opt.search.oracle import Infeasible, Unknown, Verdict

#: Maximum number of columns in the restricted master: the most recent ones are kept.
MAX_COLUMNS = 5_000

#: Nodes of the branch-and-bound tree for one unit of budget.
_NODES_PER_UNIT = 100


class Formulation:
    """The pattern LP of one instance; its columns serve all thresholds.

    Parameters
    ----------
    instance
        The fleet.
    seed
        Random seed of the solver of the restricted master.
    threads
        Cores that it may use.
    """

    name = "pattern_lp"

    def __init__(self, instance: Instance, *, seed: int = 0, threads: int = 1) -> None:
        self.instance = instance
        self.parameters: dict[str, str | int | float | bool] = {
            "random_seed": seed,
            "threads": threads,
        }
        self._lp = PatternLP(instance.scaled)

    def decide(
        self,
        threshold: Threshold,
        limits: LimitsView,
        *,
        budget: float | None = None,
        hint: Placement | None = None,
    ) -> Verdict:
        """Answer one threshold; see :class:`kvpr_opt.search.oracle.Oracle`."""
        if limits.stopped:
            return Unknown("stopped before the start")
        scaled = self.instance.scaled
        question = PackingQuestion.of(scaled, threshold)
        if not question.counts.any():
            return placed(self.instance, threshold, Packing.empty(len(question.counts)))
        beyond = beyond_patterns(question.counts.tolist(), len(question.capacities))
        if beyond:
            return Unknown(beyond, final=True)
        try:
            relaxed = self._lp.decide(question, limits)
        except NumericalError as error:
            self._lp = PatternLP(scaled)
            return Unknown(str(error), final=True)
        if isinstance(relaxed, DualValues):
            shorter = shorten_dual(question, relaxed, self._lp.pool, limits)
            return Infeasible(dual_proof(scaled, threshold, shorter))
        if isinstance(relaxed, Undecided):
            return Unknown("the LP was stopped, or is too close to call", final=not limits.stopped)
        if hint is not None:
            self._add_gpus_of(hint)
        return self._restricted_master(question, limits, budget)

    def _add_gpus_of(self, hint: Placement) -> None:
        """Add the models on each GPU of a placement as a pattern."""
        scaled = self.instance.scaled
        counts = np.zeros((len(scaled.capacities), len(scaled.classes)), dtype=np.int16)
        for c, group in enumerate(scaled.classes):
            for model in group.models:
                counts[hint.gpu_of[model], c] += 1
        types = np.zeros(len(scaled.capacities), dtype=np.int64)
        for k, gpu_type in enumerate(scaled.types):
            types[list(gpu_type.gpus)] = k
        self._lp.pool.add(ItemLists.of(counts, types))

    def _restricted_master(
        self, question: PackingQuestion, limits: LimitsView, budget: float | None
    ) -> Verdict:
        """(1) and (2) in whole numbers, over the columns at hand."""
        pool = self._lp.pool
        usable = np.flatnonzero(pool.patterns.usable(question))[-MAX_COLUMNS:]
        counts = np.where(question.counts > 0, pool.counts(usable), np.int16(0))
        types = pool.patterns.types[usable]
        columns = Columns(counts, types, question.counts, question.multiplicities)
        options = dict(self.parameters)
        if budget is not None:
            options["mip_max_nodes"] = max(1, int(budget * _NODES_PER_UNIT))
        termination, times = choose(columns, limits, options, covering=True)
        if times is None:
            reason = f"the LP passes; restricted master: {termination.message}"
            return Unknown(reason, final=termination.final)
        packing = _without_surplus(columns.chosen(times), question)
        return placed(self.instance, question.threshold, packing)


def _without_surplus(packing: Packing, question: PackingQuestion) -> Packing:
    """The same bins, with each model only in the first bin that holds it."""
    counts, left = packing.counts.copy(), question.counts.copy()
    for held in counts:
        np.minimum(held, left, out=held, casting="unsafe")
        left -= held
    return Packing(counts, packing.types)
