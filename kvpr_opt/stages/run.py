"""The stages of one run, in order: bounds, heuristic, search, levelling."""

from __future__ import annotations

import logging
import math
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from kvpr_opt import heuristics
from kvpr_opt.limits import Limits
from kvpr_opt.problem.placement import Placement
from kvpr_opt.search.bounds import counting_bound, pinned_bound, volume_bound
from kvpr_opt.search.infeasibility import cause
from kvpr_opt.search.tracker import Tracker
from kvpr_opt.stages.formulation_stage import FormulationStage
from kvpr_opt.stages.kernel_wait import KernelWait
from kvpr_opt.stages.names import OWN_STAGES, PATTERN_METHODS
from kvpr_opt.stages.pattern_stage import PatternStage

if TYPE_CHECKING:
    from kvpr_opt.kernels import Group

_log = logging.getLogger(__name__)

#: Relative gap up to which a polished warm start makes constructions unnecessary.
NEAR = Fraction(1, 5)


class SolveRun:
    """One run; each stage returns at once when nothing is left to do.

    Parameters
    ----------
    tracker
        Receives every placement and bound, and holds the limits.
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
    remarks
        Warnings given to the user.
    """

    def __init__(
        self, tracker: Tracker, method: str, *, seed: int, threads: int, skip: frozenset[str]
    ) -> None:
        self.tracker = tracker
        self.statistics: dict[str, Any] = {}
        self.remarks: list[str] = []
        self._method = method
        self._skip = skip
        self._skip_in_heuristic = skip.difference(OWN_STAGES)
        self._kernels = KernelWait(tracker, partial(self._remark, "kernels"))
        self._patterns = PatternStage(
            tracker, skip, seed=seed, threads=threads, kernels=self._kernels, remark=self._remark
        )
        self._formulation = FormulationStage(
            tracker,
            method,
            seed=seed,
            threads=threads,
            kernels=self._kernels,
            polish=self._polish,
            statistics=self.statistics,
            remark=self._remark,
        )
        # Whether the run started near the optimum; see `_starts_near`.
        self._near = False

    def run(self, warm_start: Placement | None) -> str:
        """Run all stages; return the cause of infeasibility, or an empty string."""
        scaled = self.tracker.instance.scaled
        self.tracker.raise_bound(volume_bound(scaled), "volume bound")
        pinned = pinned_bound(scaled)
        if pinned is not None:
            self.tracker.raise_bound(pinned, "pinned models")
        if warm_start is not None:
            self.tracker.offer(warm_start, "warm start")
        self._place(warm_start)
        self._counting_bound()
        self._search()
        self._patterns.prove(wait=self._method in PATTERN_METHODS)
        self._lift()
        self._level()
        return self._cause()

    def _place(self, warm_start: Placement | None) -> None:
        # Does not check the time limit: the first construction takes milliseconds,
        # and there must be an answer.
        if "heuristic" in self._skip or self.tracker.settled:
            return
        self.tracker.enter("heuristic")
        if self._starts_near(warm_start):
            return
        skip = self._skip_in_heuristic
        compiled = self._method in PATTERN_METHODS and self._kernels.ready("local search")
        if compiled and self._patterns.is_large:
            # The compiled construction does in a second what the other stages do in ten.
            skip = skip.union(heuristics.STAGES).difference(heuristics.FIRST_STAGES - self._skip)
        outcome = heuristics.run(
            self.tracker.instance,
            skip=skip,
            limits=self.tracker.limits,
            on_candidate=self.tracker.offer,
        )
        if outcome.placement is not None:
            self.tracker.offer(outcome.placement, "heuristic")
        self.statistics["stages_run"] = list(outcome.stages_run)
        self.statistics["stages_left_out"] = dict(outcome.stages_left_out)

    def _starts_near(self, warm_start: Placement | None) -> bool:
        """Whether a warm start, once polished, makes constructions unnecessary.

        Only if the engine follows and improves it further. For a fleet that was solved before
        and has changed a little, the polished placement is all that is needed.
        """
        tracker = self.tracker
        if warm_start is None or self._method not in PATTERN_METHODS or tracker.incumbent is None:
            return False
        if "polish" not in self._skip:
            # Skip the steps that lower GPUs other than the worst: they cost most and gain little.
            skip = self._skip_in_heuristic | {"relief"}
            polished = heuristics.polish(warm_start, skip=skip, limits=tracker.limits)
            tracker.offer(polished, "polish")
        gap = tracker.gap
        self._near = gap is not None and gap <= NEAR
        return self._near

    def _counting_bound(self) -> None:
        if "counting_bound" in self._skip or self.tracker.done:
            return
        found = counting_bound(self.tracker.instance.scaled, self.tracker.limits)
        if found is not None:
            self.tracker.raise_bound(found, "counting bound")

    def _search(self) -> None:
        if self._method == "heuristic" or self.tracker.done:
            return
        if self._method in PATTERN_METHODS:
            if not self._kernels.ready(*self._needed):
                self._without_kernels()
            if self._kernels.ready("patterns") and not self.tracker.done:
                self._patterns.run(near=self._near)
        if self._method != "branch_and_price" and not self.tracker.done:
            self._formulation.run()

    # -- a machine on which the kernels are not compiled yet ---------------------------

    @property
    def _needed(self) -> tuple[Group, ...]:
        """The kernels that the pattern methods need first; others may become ready later."""
        return ("patterns", "local search") if self._patterns.is_large else ("patterns",)

    def _without_kernels(self) -> None:
        """Work without kernels while these are compiled in the background."""
        # Lazy import: compiled code takes longer to load than a small fleet takes to place.
        from kvpr_opt import kernels

        compiler = self._kernels.start_compiler()
        with kernels.interpreted():
            self._patterns.ask_first()
        if self._method == "auto" and not self.tracker.done:
            self._formulation.run(lambda: compiler.over or self._kernels.ready(*self._needed))
        self._kernels.wait_for(*self._needed)

    # -- around the search -------------------------------------------------------------

    def _remark(self, key: str, text: str) -> None:
        """Warn the user at once about a stage that failed, and record it in the result, once."""
        if self.statistics.get(key) == text:
            return
        self.statistics[key] = text
        shown = f"{key.replace('_', ' ')} {text}" if key == "pattern_engine" else text
        if self.tracker.limits.remaining == math.inf:
            shown += "; without a time limit the run may take any time, Ctrl-C ends it"
        self.remarks.append(shown)
        _log.warning("%s", shown)
        self.tracker.enter(shown)

    def _lift(self) -> None:
        """Raise a bound of the rounded fleet to the incumbent's exact value, if that holds."""
        tracker = self.tracker
        incumbent, bound = tracker.incumbent, tracker.certified_bound
        if incumbent is None or bound is None or tracker.gap_reached or not tracker.settled:
            return
        from kvpr_opt.certificates.lifting import lift

        tracker.enter("exact value of the bound")
        lifted = lift(incumbent, bound, tracker.limits)
        if lifted is not None:
            tracker.raise_bound(lifted, "exact value of the bound")

    def shorten(self, limits: Limits) -> None:
        """Look for smaller numbers in the proof of the best bound, if the engine has run."""
        self._patterns.shorten(limits)

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
            found = self.tracker.incumbent is not None
            return "" if found else "no placement found; none is ruled out"
        return cause(
            self.tracker.instance, bound.evidence, self._formulation.oracle, self.tracker.limits
        )
