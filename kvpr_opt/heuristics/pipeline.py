"""The whole heuristic: construct many placements, improve the best of them, keep one.

The stages, in order (names as in :data:`~kvpr_opt.heuristics.plan.STAGES`):

1. ``greedy``: one placement within milliseconds, so that there is an answer; if memory is too
   tight for it, ``best_fit``: best fit decreasing.
2. ``parametric``: bin packing at a threshold T in nine recipes (three orders,
   three policies), T searched for each; ``rebuild``: the nine recipes again at
   T times 0.99, 0.995, 1, 1.005 and 1.01, T the smallest that packed;
   ``retune``: the same with T reset to the current maximum along the way.
3. ``regret``: regret insertion; ``memory_packing``: four packings by memory.
4. ``zero_moves:construction``, ``refill:construction``: the zero-pressure
   passes on every candidate, right after construction.
5. ``moves``, ``swaps``: descent out of the worst GPU, on the best candidates.
6. ``zero_moves:between``, ``refill:between``; candidates that these changed
   descend again.
7. ``worst_pair_swaps``: up to twelve swaps between the two worst GPUs.
8. ``repartition``: every split of the models of the worst GPU and one other;
   ``relief``: lower the next-worst GPUs too, which makes room, then descend and
   repartition again, while the maximum falls. Both only on the best few candidates.
9. ``zero_moves:end``, ``refill:end``.

``repartition`` and ``relief`` go beyond the seed heuristic, whose stages are the
others; both contain swaps, so a study of ``swaps`` leaves these two out as well.
The best placement is the one with the lowest maximum KVPR in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from kvpr_opt._types import BoolArray, FloatArray, IntArray
from kvpr_opt.heuristics import constrained
from kvpr_opt.heuristics.arrays import FleetArrays
from kvpr_opt.heuristics.best_fit import best_fit
from kvpr_opt.heuristics.candidates import Candidates
from kvpr_opt.heuristics.construction import Rows, greedy, pack
from kvpr_opt.heuristics.improvement import descend, level_off, swap_worst_pair
from kvpr_opt.heuristics.insertion import memory_packing, regret_insertion
from kvpr_opt.heuristics.plan import FIRST_STAGES, STAGES, StagePlan
from kvpr_opt.heuristics.repartition import repartition
from kvpr_opt.heuristics.thresholds import lower_bound, search
from kvpr_opt.heuristics.zero_pressure import move_zeros, refill
from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement

#: Thresholds of the rebuilt placements, relative to the smallest that packed.
_REBUILD_AT = np.array([0.99, 0.995, 1.0, 1.005, 1.01])

#: Maximum repetitions of the relief stage.
_RELIEF_ROUNDS = 8


@dataclass(frozen=True)
class HeuristicOutcome:
    """What a run of the heuristic found.

    Attributes
    ----------
    placement
        The best placement of finite maximum KVPR, or ``None`` if none was found.
    stages_run
        The stages that ran, in order.
    stages_left_out
        Reason by name of each stage that did not run.
    """

    placement: Placement | None
    stages_run: tuple[str, ...]
    stages_left_out: Mapping[str, str]


def run(
    instance: Instance,
    *,
    skip: Collection[str] = frozenset(),
    limits: Limits | None = None,
    on_candidate: Callable[[Placement, str], object] | None = None,
) -> HeuristicOutcome:
    """Place a fleet by the heuristic, with all of its stages.

    Parameters
    ----------
    instance
        The fleet.
    skip
        Stages to leave out, of :data:`~kvpr_opt.heuristics.plan.STAGES`.
    limits
        When to stop with the best placement so far; checked in every step.
    on_candidate
        Called with each new best placement and the stage that found it.

    Raises
    ------
    InputError
        If `skip` names an unknown stage.

    Notes
    -----
    A fleet with constraints is placed by :mod:`kvpr_opt.heuristics.constrained` alone,
    whatever the stages.
    Deterministic; ties are broken by input order. Finding no placement proves
    nothing.
    """
    fleet = FleetArrays.of(instance)
    if instance.constraints:
        plan = StagePlan.of(fleet, skip)
        placed = constrained.construct(instance, limits=limits, on_candidate=on_candidate)
        left_out = dict.fromkeys(STAGES, "the fleet has constraints") | dict(plan.left_out)
        return HeuristicOutcome(placed, ("constrained",), left_out)
    heuristic = _Pipeline(fleet, StagePlan.of(fleet, skip), limits or Limits(), on_candidate)
    if fleet.may_fit:
        heuristic.improve(heuristic.construct())
    return heuristic.outcome()


class _Pipeline:
    """One run: the incumbent and the record of the stages."""

    def __init__(
        self,
        fleet: FleetArrays,
        plan: StagePlan,
        limits: Limits,
        on_candidate: Callable[[Placement, str], object] | None,
    ) -> None:
        self.fleet, self.plan, self.limits = fleet, plan, limits
        self.on_candidate = on_candidate
        self.stages_run: list[str] = []
        self.best: Placement | None = None
        self.value = np.inf
        self.bound = lower_bound(fleet) if fleet.pressures.any() else 0.0

    @property
    def settled(self) -> bool:
        """Whether the incumbent has reached the lower bound, up to rounding errors."""
        return self.value <= self.bound * (1 + 1e-12)

    def outcome(self) -> HeuristicOutcome:
        left_out = dict(self.plan.left_out)
        for stage in STAGES:
            if stage not in self.stages_run and stage not in left_out:
                left_out[stage] = self._why_not(stage)
        for stage in ("zero_moves", "refill"):
            if any(name.startswith(f"{stage}:") for name in self.stages_run):
                left_out.pop(stage, None)
        return HeuristicOutcome(self.best, tuple(self.stages_run), left_out)

    def _why_not(self, stage: str) -> str:
        if stage in FIRST_STAGES and self.best is not None:
            return "there was a placement already"
        if self.settled:
            return "the lower bound was reached"
        return "stopped by a limit" if self.limits.stopped else "no candidate to work on"

    def starts(self, stage: str) -> bool:
        """Return whether a stage runs now, and record it if it does."""
        if not self.plan.runs(stage) or self.settled:
            return False
        # The first answer takes milliseconds and is given even if stopped at once.
        if self.limits.stopped and stage not in FIRST_STAGES:
            return False
        if stage not in self.stages_run:
            self.stages_run.append(stage)
        return True

    def offer(self, candidates: Candidates, stage: str) -> None:
        """Keep the best candidate if it beats the incumbent, both evaluated exactly."""
        if not len(candidates):
            return
        largest = candidates.maximum()
        row = int(largest.argmin())
        if not largest[row] < self.value:
            return
        placement = Placement(self.fleet.instance, candidates.assign[row].tolist())
        if self.best is None or placement.max_kvpr < self.best.max_kvpr:
            self.best, self.value = placement, float(largest[row])
            if self.on_candidate:
                self.on_candidate(placement, stage)

    # -- construction ----------------------------------------------------------------

    def construct(self) -> Candidates:
        """The candidates of all constructions, in order."""
        fleet, limits = self.fleet, self.limits
        low = max(self.bound, 1 / (fleet.capacities.max() + 1))
        batches: list[Candidates] = []

        def collect(batch: Candidates, stage: str) -> None:
            batches.append(batch)
            self.offer(batch, stage)

        for stage in ("best_fit", "greedy") if self.plan.fills_first else ("greedy", "best_fit"):
            if np.isfinite(self.value) or not self.starts(stage):
                continue
            if stage == "greedy":
                collect(greedy(fleet, low), stage)
            else:
                collect(best_fit(fleet, low, limits=self.limits), stage)
        if self.starts("memory_packing"):
            collect(memory_packing(fleet, limits=limits)[0], "memory_packing")
        threshold = self.value if np.isfinite(self.value) else 2 * low
        if self.starts("parametric"):
            batch, packed_at = search(
                fleet,
                low,
                self.value,
                sections=self.plan.sections,
                rounds=self.plan.rounds,
                limits=limits,
            )
            collect(batch, "parametric")
            threshold = packed_at if np.isfinite(packed_at) else threshold
        for stage, batch in self.rebuilt(threshold * _REBUILD_AT):
            collect(batch, stage)
        if self.starts("regret"):
            collect(regret_insertion(fleet, low, limits=limits), "regret")
        return Candidates.joined(fleet, batches)

    def rebuilt(self, thresholds: FloatArray) -> list[tuple[str, Candidates]]:
        """The rebuilt and the retuned placements, made in one batch."""
        both = {"rebuild": False, "retune": True}
        stages = {stage: retune for stage, retune in both.items() if self.starts(stage)}
        if not stages:
            return []
        parts = [Rows.of(thresholds, retune=retune) for retune in stages.values()]
        rows = Rows.joined(parts)
        packing = pack(self.fleet, rows, limits=self.limits)
        made_by = rows.retune[packing.row]
        return [
            (stage, packing.candidates.take(np.flatnonzero(made_by == retune)))
            for stage, retune in stages.items()
        ]

    # -- improvement -----------------------------------------------------------------

    def improve(self, candidates: Candidates) -> None:
        """Run all improving stages on the best of the candidates."""
        candidates = candidates.best(2 * self.plan.width)
        self.pass_over_zeros(candidates, "construction")
        candidates = candidates.best(self.plan.width)
        self.descend(candidates, np.arange(len(candidates)))
        changed = self.pass_over_zeros(candidates, "between")
        self.descend(candidates, np.flatnonzero(changed))
        if self.starts("worst_pair_swaps"):
            swap_worst_pair(candidates, limits=self.limits)
            self.offer(candidates, "worst_pair_swaps")
        candidates = candidates.best(self.plan.width)
        self.deepen(candidates)
        self.pass_over_zeros(candidates, "end")

    def pass_over_zeros(self, candidates: Candidates, position: str) -> BoolArray:
        """Run both zero-pressure passes; return which candidates they changed."""
        changed = np.zeros(len(candidates), dtype=bool)
        if self.starts(f"zero_moves:{position}"):
            changed |= move_zeros(candidates, limits=self.limits)
            self.offer(candidates, f"zero_moves:{position}")
        if self.starts(f"refill:{position}"):
            rows = np.argsort(candidates.maximum(), kind="stable")[: self.plan.refill_width]
            changed |= refill(candidates, rows, limits=self.limits)
            self.offer(candidates, f"refill:{position}")
        return changed

    def descend(self, candidates: Candidates, rows: IntArray) -> None:
        """Run moves and swaps, unless left out."""
        moves, swaps = self.starts("moves"), self.starts("swaps")
        if moves or swaps:
            descend(candidates, rows, moves=moves, swaps=swaps, limits=self.limits)
            self.offer(candidates, "swaps" if swaps else "moves")

    def deepen(self, candidates: Candidates) -> None:
        """Repartition the first candidates; then relief, while that lowers their maximum."""
        rows = np.arange(min(len(candidates), self.plan.relief_width))
        self.repartition(candidates, rows)
        moves, swaps = self.plan.runs("moves"), self.plan.runs("swaps")
        if not (moves or swaps) or not self.starts("relief"):
            return
        for _ in range(_RELIEF_ROUNDS):
            before = candidates.maximum()[rows]
            level_off(candidates, rows, moves=moves, swaps=swaps, limits=self.limits)
            descend(candidates, rows, moves=moves, swaps=swaps, limits=self.limits)
            self.offer(candidates, "relief")
            self.repartition(candidates, rows)
            rows = rows[candidates.maximum()[rows] < before]
            if not len(rows) or self.limits.stopped:
                return

    def repartition(self, candidates: Candidates, rows: IntArray) -> None:
        """Run exact repartition, unless left out."""
        if self.starts("repartition"):
            repartition(candidates, rows, limits=self.limits)
            self.offer(candidates, "repartition")
