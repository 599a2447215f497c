"""Local search on all candidates at once: moves and swaps out of the worst GPU.

A step is *improving* when it leaves both GPUs that it touches below the KVPR
of the worst one. If a single GPU is worst, this is the same as lowering the
maximum; if several are equally bad, it still makes progress, because the KVPRs
in decreasing order become lexicographically smaller with every step. That is
also why the search terminates: no step can return to an earlier state.
"""

from __future__ import annotations

import numpy as np

from kvpr_opt._types import BoolArray, IntArray
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.heuristics.neighbourhood import make_best_move, make_best_swap
from kvpr_opt.limits import Limits

#: Swaps between the two worst GPUs that are tried on each candidate.
WORST_PAIR_SWAPS = 12


def descend(
    candidates: Candidates,
    rows: IntArray | None = None,
    *,
    moves: bool = True,
    swaps: bool = True,
    limits: Limits | None = None,
    max_steps: int | None = None,
) -> int:
    """Move and swap models out of each candidate's worst GPU until neither helps, in place.

    In every step, each candidate that still improves makes its best single move
    out of its worst GPU; if there is none, its best swap between the worst GPU
    and any other. Ties are broken by input order.

    Parameters
    ----------
    candidates
        The batch that is improved.
    rows
        Which of its candidates; all of them by default.
    moves, swaps
        Which of the two neighbourhoods to use.
    limits
        Checked once per step, and between blocks of a long one.
    max_steps
        Maximum steps; by default until no candidate improves.

    Returns
    -------
    int
        Steps made.

    Notes
    -----
    A step costs O(k (GPUs + models)) per candidate, k the number of models on
    its worst GPU.
    """
    live = np.arange(len(candidates)) if rows is None else rows
    steps = 0
    while len(live) and not (limits and limits.stopped) and steps != max_steps:
        source = candidates.kvpr[live].argmax(axis=1)
        live = live[_step(candidates, live, source, limits, moves=moves, swaps=swaps)]
        steps += 1
    return steps


def swap_worst_pair(
    candidates: Candidates,
    rows: IntArray | None = None,
    *,
    limits: Limits | None = None,
    rounds: int = WORST_PAIR_SWAPS,
) -> None:
    """Make up to `rounds` best swaps between the two worst GPUs of each candidate, in place.

    With one GPU nothing happens. After :func:`descend` with swaps there is
    nothing left to do; this is the cheap alternative when swaps are left out.
    """
    live = np.arange(len(candidates)) if rows is None else rows
    if candidates.fleet.gpus < 2:
        return
    for _ in range(rounds):
        if not len(live) or (limits and limits.stopped):
            return
        order = np.argsort(-candidates.kvpr[live], axis=1, kind="stable")
        live = live[make_best_swap(candidates, live, order[:, 0], order[:, 1], limits)]


def level_off(
    candidates: Candidates,
    rows: IntArray | None = None,
    *,
    moves: bool = True,
    swaps: bool = True,
    limits: Limits | None = None,
    max_steps: int | None = None,
) -> int:
    """Lower the worst GPU of each candidate, then the next-worst, and so on, in place.

    A GPU without an improving step is set aside and the worst of the others comes
    next, until all are set aside. The maximum never rises: every step leaves both
    of its GPUs below the one that it started from.

    Parameters
    ----------
    candidates, rows, moves, swaps, limits
        As in :func:`descend`.
    max_steps
        Maximum steps; by default four for each GPU.

    Returns
    -------
    int
        Steps made.

    Notes
    -----
    GPUs that were set aside still take part as partners, which may lower them.
    """
    live = np.arange(len(candidates)) if rows is None else rows
    aside = np.zeros_like(candidates.kvpr, dtype=bool)
    most = 4 * candidates.fleet.gpus if max_steps is None else max_steps
    for step in range(most):
        source = np.where(aside[live], -1.0, candidates.kvpr[live]).argmax(axis=1)
        busy = ~aside[live, source] & (candidates.kvpr[live, source] > 0)
        live, source = live[busy], source[busy]
        if not len(live) or (limits and limits.stopped):
            return step
        stuck = ~_step(candidates, live, source, limits, moves=moves, swaps=swaps)
        aside[live[stuck], source[stuck]] = True
    return most


def _step(
    candidates: Candidates,
    rows: IntArray,
    source: IntArray,
    limits: Limits | None,
    *,
    moves: bool,
    swaps: bool,
) -> BoolArray:
    """Make the best move out of `source` in each row, else the best swap; return where."""
    improved: BoolArray = np.zeros(len(rows), dtype=bool)
    if candidates.fleet.gpus < 2:
        return improved
    if moves:
        improved = make_best_move(candidates, rows, source, limits)
    if swaps and not improved.all():
        stuck = np.flatnonzero(~improved)
        improved[stuck] = make_best_swap(candidates, rows[stuck], source[stuck], limits=limits)
    return improved
