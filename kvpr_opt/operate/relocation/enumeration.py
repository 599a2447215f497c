"""All sets of models that a packing within a budget can use, limited by the points they lose.

A proof by points (see :mod:`kvpr_opt.operate.relocation.lp`) that falls short by `spare` points
still says that a packing within the budget uses, on each GPU g, a set worth at least
V_g - `spare`: all GPUs together may lose no more. Where few sets do, they are listed here, and
choosing among them is a small exact cover problem.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kvpr_opt._types import Ints
from kvpr_opt.limits import Limits
from kvpr_opt.operate.relocation.knapsack import TOO_LARGE, worth_of
from kvpr_opt.operate.relocation.lp import MovePoints
from kvpr_opt.operate.relocation.problem import RelocationQuestion


class ListedSet(NamedTuple):
    """A set of models for a GPU, and how many points less than V_g it is worth."""

    gpu: int
    models: tuple[int, ...]
    loss: int


def sets_within(
    question: RelocationQuestion, points: MovePoints, spare: int, most: int, limits: Limits
) -> list[ListedSet] | None:
    """Every set of models for a GPU that loses at most `spare` points.

    Parameters
    ----------
    question
        The threshold.
    points
        As :class:`~kvpr_opt.operate.relocation.lp.RelocationLP` gives them.
    spare
        Maximum number of points a set may lose.
    most
        Maximum number of search steps.
    limits
        When to stop.

    Returns
    -------
    list or None
        ``None`` if the search ended early.
    """
    values = np.array(points.models, dtype=np.int64)
    penalties = points.penalties(question.problem.costs)
    worth = worth_of(question, values, penalties)
    found: list[ListedSet] = []
    steps = 0
    for gpu, most_worth in enumerate(points.gpus):
        need = most_worth - spare
        # A model that is worth less than nothing here may be taken: the rest must make up for it,
        # and no set is worth more than `most_worth`.
        stages, tables = _prefix_tables(question, worth[:, gpu], gpu, most_worth)
        stack: list[tuple[int, int, int, tuple[int, ...]]] = [
            (len(stages), int(question.capacities[gpu]), need, ())
        ]
        while stack:
            stage, room, need, held = stack.pop()
            steps += 1
            if steps > most or (not steps & 4095 and limits.stopped):
                return None
            if stage == 0:
                found.append(ListedSet(gpu, held, spare + need))
                continue
            stage -= 1
            if tables[stage][max(need, 0)] <= room:
                stack.append((stage, room, need, held))
            for model in stages[stage]:
                left, more = room - int(question.sizes[model]), need - int(worth[model, gpu])
                if left >= 0 and more < len(tables[stage]) and tables[stage][max(more, 0)] <= left:
                    stack.append((stage, left, more, (*held, model)))
    return found


def _prefix_tables(
    question: RelocationQuestion, worth: Ints, gpu: int, top: int
) -> tuple[list[list[int]], list[Ints]]:
    """Stages of what may run on a GPU, and after each the least size of a set worth x or more."""
    stages = []
    least = np.full(top + 1, TOO_LARGE, dtype=np.int64)
    least[0] = 0
    tables = []
    for members in question.stages:
        here = [model for model in members if question.allowed[model, gpu]]
        if not here:
            continue
        tables.append(least)
        stages.append(here)
        before = least
        least = least.copy()
        for model in here:
            value = min(int(worth[model]), top)
            if value > 0:
                new = np.full_like(before, question.sizes[model])
                new[value + 1 :] += before[1 : len(before) - value]
                np.minimum(least, new, out=least)
        least[0] = 0
    return stages, tables
