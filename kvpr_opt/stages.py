"""The stages of one run, in their order: bounds, heuristic, search, levelling."""

from __future__ import annotations

import math
from typing import Any

from kvpr_opt import heuristics
from kvpr_opt.bounds import counting_bound, volume_bound
from kvpr_opt.infeasibility import cause
from kvpr_opt.oracle import Oracle
from kvpr_opt.placement import Placement
from kvpr_opt.progress import Tracker
from kvpr_opt.search import threshold_search

#: Stages of this module that can be left out, beside those of the heuristic.
OWN_STAGES = ("counting_bound", "heuristic", "polish", "level")

#: Every stage that can be left out, by name.
STAGES: tuple[str, ...] = (*OWN_STAGES, *heuristics.STAGES)

#: The formulation behind ``method="auto"``.
DEFAULT_FORMULATION = "assignment_cpsat"


class Run:
    """One run; each stage leaves at once when nothing is left to do.

    Parameters
    ----------
    tracker
        Takes every placement and bound, and knows the limits.
    method
        As in :func:`kvpr_opt.solve`.
    seed, threads
        For the solver.
    skip
        Stages to leave out.

    Attributes
    ----------
    statistics
        What the stages report, as plain data.
    """

    def __init__(
        self, tracker: Tracker, method: str, *, seed: int, threads: int, skip: frozenset[str]
    ) -> None:
        self.tracker = tracker
        self.statistics: dict[str, Any] = {}
        self._method = method
        self._seed = seed
        self._threads = threads
        self._skip = skip
        self._skip_in_heuristic = skip.difference(OWN_STAGES)
        self._oracle: Oracle | None = None

    def everything(self, warm_start: Placement | None) -> str:
        """Run all stages; the cause of infeasibility, or an empty text, is returned."""
        self._bound()
        if warm_start is not None:
            self.tracker.offer(warm_start, "warm start")
        self._place()
        self._search()
        self._level()
        return self._cause()

    def _bound(self) -> None:
        scaled = self.tracker.instance.scaled
        self.tracker.raise_bound(volume_bound(scaled), "volume bound")
        if "counting_bound" in self._skip or self.tracker.done:
            return
        found = counting_bound(scaled)
        if found is not None:
            self.tracker.raise_bound(found, "counting bound")

    def _place(self) -> None:
        if "heuristic" in self._skip or self.tracker.done:
            return
        self.tracker.enter("heuristic")
        outcome = heuristics.run(
            self.tracker.instance,
            skip=self._skip_in_heuristic,
            limits=self.tracker.limits,
            on_candidate=self.tracker.offer,
        )
        if outcome.placement is not None:
            self.tracker.offer(outcome.placement, "heuristic")
        self.statistics["stages_run"] = list(outcome.stages_run)
        self.statistics["stages_left_out"] = dict(outcome.stages_left_out)

    def _search(self) -> None:
        if self._method == "heuristic" or self.tracker.done:
            return
        self.tracker.enter("starting the solver")
        # Imported here: a solver takes longer to load than a small fleet to place.
        from formulations.registry import create

        name = DEFAULT_FORMULATION if self._method == "auto" else self._method
        self._oracle = create(name, self.tracker.instance, seed=self._seed, threads=self._threads)
        answers = threshold_search(self.tracker, self._oracle, polish=self._polish)
        self.statistics["answers"] = answers

    def _polish(self, placement: Placement) -> Placement:
        if "polish" in self._skip:
            return placement
        return heuristics.polish(
            placement, skip=self._skip_in_heuristic, limits=self.tracker.limits
        )

    def _level(self) -> None:
        incumbent = self.tracker.incumbent
        if incumbent is None or "level" in self._skip or self.tracker.limits.stopped:
            return
        self.tracker.enter("lowering the next-worst GPUs")
        self.tracker.refine(heuristics.level(incumbent, limits=self.tracker.limits))

    def _cause(self) -> str:
        bound = self.tracker.bound
        if bound is None or bound.value != math.inf:
            return ""
        return cause(self.tracker.instance, bound.evidence, self._oracle, self.tracker.limits)
