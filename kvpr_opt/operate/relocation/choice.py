"""Placements from the sets that the LP has generated: the cheapest choice of one set per GPU.

The LP of :mod:`kvpr_opt.operate.relocation.master` with whole x_p. Where little moves, its
optimum mostly costs what the LP rounded up does, and branch and bound (HiGHS) ends at the root. A
model that is in several of the sets chosen runs at home, if one of them is there. What comes out
is a placement to be checked; nothing is concluded from finding none.
"""

from __future__ import annotations

import highspy
import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.highs import OwnThread, QuietHighs
from kvpr_opt.limits import LimitsView
from kvpr_opt.operate.relocation.lp import MovePoints
from kvpr_opt.operate.relocation.master import SetPool, add_rows, add_sets
from kvpr_opt.operate.relocation.problem import RelocationQuestion

#: Nodes of the branch-and-bound tree.
MAX_NODES = 200


def choose_sets(
    question: RelocationQuestion,
    pool: SetPool,
    points: MovePoints,
    budget: int,
    limits: LimitsView,
) -> list[int] | None:
    """The GPU of each model in the cheapest choice of sets found; ``None`` if none was found.

    Parameters
    ----------
    question
        The threshold.
    pool
        The sets known.
    points
        As the LP gives them at this threshold. A set whose points fall short of the limit of its
        GPU by more than all may together, within the budget, is left out.
    budget
        The most that moving may cost.
    limits
        When to stop.
    """
    chosen = _within_reach(question, pool, points, budget)
    models, gpus = len(question.sizes), len(question.capacities)
    highs, thread = QuietHighs(), OwnThread()
    for option, value in (
        ("threads", 1),
        ("mip_max_nodes", MAX_NODES),
        ("mip_rel_gap", 0.0),
        # Costs are whole numbers.
        ("mip_abs_gap", 0.99),
        ("time_limit", min(limits.allowance(), highspy.kHighsInf)),
    ):
        highs.setOptionValue(option, value)
    add_rows(highs, models, gpus)
    add_sets(highs, pool, chosen, 1.0)
    number = len(chosen)
    whole = np.full(number, highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(number, np.arange(number, dtype=np.int32), whole)
    thread.run(highs.run)
    if highs.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return None
    used = chosen[np.array(highs.getSolution().col_value) > 0.5]
    return _placed(question, pool, used)


def _within_reach(
    question: RelocationQuestion, pool: SetPool, points: MovePoints, budget: int
) -> Ints:
    """The sets that fit, and that a choice within the budget may use."""
    values = np.array(points.models, dtype=np.int64)
    penalties = points.penalties(question.problem.costs)
    away = ~question.at_home.T[pool.gpus]
    worth = (pool.sets * (values - penalties * away)).sum(axis=1)
    short = np.array(points.gpus, dtype=np.int64)[pool.gpus] - worth
    return np.flatnonzero(pool.fitting(question) & (short <= float(-points.excess(budget))))


def _placed(question: RelocationQuestion, pool: SetPool, used: Ints) -> list[int] | None:
    gpu_of = np.full(len(question.sizes), -1, dtype=np.int64)
    for number in used:
        gpu = pool.gpus[number]
        here = pool.sets[number] & ((gpu_of < 0) | (question.problem.homes == gpu))
        gpu_of[here] = gpu
    return None if (gpu_of < 0).any() else [int(gpu) for gpu in gpu_of]
