"""The stages of the heuristic by name, and which of them run for a fleet of a given size.

All limits count work, never seconds, so the plan for a fleet is the same on every
machine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kvpr_opt.errors import check_known
from kvpr_opt.heuristics.arrays import FleetArrays

#: Where the two zero-pressure passes run: after construction, between the two
#: kinds of local search, and at the end.
POSITIONS = ("construction", "between", "end")

#: Every stage, in the order in which they run. ``zero_moves`` and ``refill``
#: stand for all three of their positions.
STAGES: tuple[str, ...] = (
    "greedy",
    "best_fit",
    "parametric",
    "rebuild",
    "retune",
    "regret",
    "memory_packing",
    "moves",
    "swaps",
    "worst_pair_swaps",
    "zero_moves",
    *(f"zero_moves:{position}" for position in POSITIONS),
    "refill",
    *(f"refill:{position}" for position in POSITIONS),
    "repartition",
    "relief",
)

#: Stages that give a first answer in less time than it takes to read the fleet. The second runs
#: if the first finds no placement.
FIRST_STAGES = frozenset({"greedy", "best_fit"})

#: Table entries (row, model, GPU) that one batch of constructions may touch.
_CONSTRUCTION_WORK = 100_000_000

#: Maximum comparisons of regret insertion, models^2 GPUs.
_REGRET_WORK = 50_000_000

#: Maximum model-GPU pairs times candidates in local search.
_SEARCH_WORK = 20_000_000

#: Maximum zero-pressure model-GPU pairs times candidates in the refill.
_REFILL_WORK = 6_000_000

#: Number of models and share of memory filled from which best fit comes first.
_MANY, _TIGHT = 5_000, 0.95

#: Maximum number of candidates for local search.
_WIDTH = 50

#: Maximum model-GPU pairs times candidates, and candidates, in repartition and relief.
_RELIEF_WORK, _RELIEF_WIDTH = 4_000_000, 8

#: Maximum thresholds per recipe and round, and maximum rounds.
_SECTIONS, _ROUNDS = 8, 6

_RECIPES = 9
_REBUILT_ROWS = 45
_MEMORY_ROWS = 4


@dataclass(frozen=True)
class StagePlan:
    """What a run of the heuristic does.

    Attributes
    ----------
    left_out
        Reason by name of each stage that does not run.
    sections, rounds
        Thresholds per recipe and round of parametric packing, and rounds.
    width, relief_width, refill_width
        Number of candidates for local search, repartition with relief, and the refill.
    fills_first
        Whether ``best_fit`` comes before ``greedy``, which usually fails on nearly full fleets.
    """

    left_out: Mapping[str, str]
    sections: int
    rounds: int
    width: int
    relief_width: int
    refill_width: int
    fills_first: bool

    def runs(self, stage: str) -> bool:
        """Whether a stage runs."""
        return stage not in self.left_out

    @classmethod
    def of(cls, fleet: FleetArrays, skip: Collection[str] = ()) -> StagePlan:
        """The plan for a fleet.

        Parameters
        ----------
        fleet
            The fleet.
        skip
            Stages to leave out, of :data:`STAGES`.

        Raises
        ------
        InputError
            If `skip` names an unknown stage.
        """
        check_skip(skip)
        cells = max(fleet.models * fleet.gpus, 1)
        zeros = int(fleet.zero.sum())
        work = {
            "parametric": (_RECIPES * cells, _CONSTRUCTION_WORK),
            "rebuild": (_REBUILT_ROWS * cells, _CONSTRUCTION_WORK),
            "retune": (_REBUILT_ROWS * cells, _CONSTRUCTION_WORK),
            "regret": (fleet.models * cells, _REGRET_WORK),
            "memory_packing": (_MEMORY_ROWS * cells, _CONSTRUCTION_WORK),
            "refill": (zeros * fleet.gpus, _REFILL_WORK),
        }
        size = f"{fleet.models} models on {fleet.gpus} GPUs"
        left_out = {
            stage: f"{size}: {amount} steps of work, more than {allowed}"
            for stage, (amount, allowed) in work.items()
            if amount > allowed
        }
        if not zeros:
            left_out |= dict.fromkeys(("zero_moves", "refill"), "no model of zero pressure")
        left_out |= dict.fromkeys(skip, "skipped on request")
        for stage in ("zero_moves", "refill"):
            if stage in left_out:
                names = [f"{stage}:{position}" for position in POSITIONS]
                left_out |= dict.fromkeys(names, left_out[stage])
        sections = _within(_CONSTRUCTION_WORK // (_RECIPES * cells), _SECTIONS)
        return cls(
            left_out={stage: left_out[stage] for stage in STAGES if stage in left_out},
            sections=sections,
            rounds=_within(_CONSTRUCTION_WORK // (_RECIPES * sections * cells), _ROUNDS),
            width=_within(_SEARCH_WORK // cells, _WIDTH),
            relief_width=_within(_RELIEF_WORK // cells, _RELIEF_WIDTH),
            refill_width=_within(_REFILL_WORK // max(zeros * fleet.gpus, 1), _WIDTH),
            fills_first=fleet.models > _MANY
            and bool(fleet.sizes.sum() > _TIGHT * fleet.capacities.sum()),
        )


def check_skip(skip: Collection[str]) -> None:
    """Reject unknown stage names.

    Raises
    ------
    InputError
        For a name that is not in :data:`STAGES`.
    """
    for name in skip:
        check_known("stage", name, STAGES, place="skip")


def _within(number: int, most: int) -> int:
    return max(1, min(number, most))
