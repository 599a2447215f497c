"""Constructions at thresholds that are narrowed by bisection, and descents from the best ones."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from kvpr_opt._types import IntArray
from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.heuristics.constrained.board import Board
from kvpr_opt.heuristics.constrained.moves import descend
from kvpr_opt.heuristics.constrained.partial_placement import build
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement

#: Bisection steps on T for each policy, and restarts with random orders after it.
_STEPS, _RESTARTS = 12, 6


def construct(
    instance: Instance,
    *,
    limits: Limits | None = None,
    on_candidate: Callable[[Placement, str], object] | None = None,
) -> Placement | None:
    """The best placement found that keeps all constraints.

    Parameters
    ----------
    instance
        A fleet with constraints.
    limits
        When to stop; the first construction always runs.
    on_candidate
        Called with each new best placement, and the name of the stage.
    """
    board = Board(instance)
    limits = limits or Limits()
    found = _Best(instance, board, on_candidate)
    for fullest_first in (True, False):
        _bisect(board, found, fullest_first, limits)
    random = np.random.default_rng(0)
    for restart in range(_RESTARTS):
        if limits.stopped:
            return found.placement
        target = found.value if np.isfinite(found.value) else board.least_threshold * 2.0**restart
        found.offer(build(board, target, restart % 2 == 0, random), "constrained construction")
    for start in sorted(found.starts, key=lambda start: board.worst(start)[1])[:_RESTARTS]:
        found.offer(descend(board, start, limits), "constrained moves")
    return found.placement


def _bisect(board: Board, found: _Best, fullest_first: bool, limits: Limits) -> None:
    """Look for the smallest threshold at which construction succeeds."""
    bottom = board.least_threshold
    top = found.value if np.isfinite(found.value) else 64 * bottom
    for _ in range(_STEPS):
        if limits.stopped and found.placement is not None:
            return
        threshold = (bottom * top) ** 0.5 if top > 2 * bottom else (bottom + top) / 2
        value = found.offer(build(board, threshold, fullest_first), "constrained construction")
        if value <= threshold * (1 + 1e-12):
            top = max(value, bottom)
        else:
            bottom = threshold


class _Best:
    """The best placement so far, and candidates worth improving."""

    def __init__(
        self,
        instance: Instance,
        board: Board,
        on_candidate: Callable[[Placement, str], object] | None,
    ) -> None:
        self._instance, self._board, self._tell = instance, board, on_candidate
        self.placement: Placement | None = None
        self.value = np.inf
        self.starts: list[IntArray] = []

    def offer(self, gpu_of: IntArray | None, stage: str) -> float:
        """Accept a placement if it is better; return its value."""
        if gpu_of is None:
            return np.inf
        self.starts.append(gpu_of)
        value = self._board.worst(gpu_of)[1]
        if not value < self.value:
            return value
        try:
            placement = Placement(self._instance, gpu_of.tolist())
        except InvalidPlacementError:  # it fitted in rounded numbers only
            return np.inf
        if isinstance(placement.max_kvpr, Fraction):
            self.placement, self.value = placement, value
            if self._tell is not None:
                self._tell(placement, stage)
        return value
