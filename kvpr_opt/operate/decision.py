"""Whether a fleet can be placed within a target: a run of the solver that ends once it is known."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.limits import Limits
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Result
from kvpr_opt.search.tracker import Progress
from kvpr_opt.solve import solve


@dataclass(frozen=True)
class Decision:
    """The answer for one fleet and one target.

    Attributes
    ----------
    possible
        Whether a placement within the target exists; ``None`` if undecided.
    result
        The run's result: the placement, or the bound and certificate that exclude one.
    """

    possible: bool | None
    result: Result


def decide(
    instance: Instance,
    target: Fraction,
    limits: Limits,
    *,
    warm_start: Placement | None = None,
) -> Decision:
    """Find a placement whose maximum KVPR is at most `target`, or prove that there is none."""

    def known(progress: Progress) -> bool:
        """Whether the run should go on."""
        reached = progress.incumbent is not None and progress.incumbent <= target
        excluded = progress.lower_bound is not None and progress.lower_bound > target
        return not (reached or excluded)

    seconds = None if limits.remaining == float("inf") else max(limits.remaining, 0.001)
    result = solve(instance, time_limit=seconds, warm_start=warm_start, on_progress=known)
    if result.max_kvpr is not None and result.max_kvpr <= target:
        return Decision(True, result)
    if result.lower_bound is not None and result.lower_bound > target:
        return Decision(False, result)
    return Decision(None, result)
