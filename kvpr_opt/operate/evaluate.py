"""How good a placement is, against the certified optimum of its fleet."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.errors import InvalidPlacementError
from kvpr_opt.operate.current import PlacementLike, assignment_of
from kvpr_opt.problem.exact import relative_gap
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Kvpr, Placement
from kvpr_opt.result import Result
from kvpr_opt.solve import solve


@dataclass(frozen=True)
class Evaluation:
    """A placement compared with what is known about its fleet.

    Attributes
    ----------
    placement
        The placement; ``None`` if it is not legal.
    broken
        Why it is not legal: the memory limit or constraint it breaks, in one line; else empty.
    result
        The result of the run that looked for the optimum, starting from the placement.
    """

    placement: Placement | None
    broken: str
    result: Result

    @property
    def valid(self) -> bool:
        """Whether the placement is legal."""
        return self.placement is not None

    @property
    def max_kvpr(self) -> Kvpr | None:
        """Maximum KVPR of the placement, ``math.inf`` for a full GPU under pressure."""
        return None if self.placement is None else self.placement.max_kvpr

    @property
    def lower_bound(self) -> Fraction | float | None:
        """No placement of the fleet has a smaller maximum KVPR."""
        return self.result.lower_bound

    @property
    def gap(self) -> Fraction | None:
        """``(max_kvpr - lower_bound) / max_kvpr``; ``None`` if either is not a number."""
        value = self.max_kvpr
        return relative_gap(value if isinstance(value, Fraction) else None, self.lower_bound)

    @property
    def binding(self) -> tuple[str, ...]:
        """The GPUs that have the maximum KVPR, in the order of the fleet."""
        if self.placement is None:
            return ()
        worst = self.placement.max_kvpr
        return tuple(name for name, value in self.placement.kvpr.items() if value == worst)


def evaluate(
    instance: Instance, placement: PlacementLike | None = None, *, time_limit: float | None = 60
) -> Evaluation:
    """Score an existing placement against the optimum of its fleet.

    Parameters
    ----------
    instance
        The fleet.
    placement
        GPU name by model name, a placement or a result; by default the ``current`` keys of the
        fleet.
    time_limit
        Seconds to look for the optimum, ``None`` for no limit.

    Raises
    ------
    InputError
        If there is no placement to score.
    InvalidPlacementError
        If a model is not placed, or a name is not one of the fleet. A placement that breaks
        a memory limit or a constraint is not an error: see :attr:`Evaluation.broken`.
    """
    assignment = assignment_of(instance, placement)
    for model in instance.models:
        if model.name not in assignment:
            raise InvalidPlacementError(f"model {model.name!r} is placed nowhere")
    scored, broken = None, ""
    try:
        scored = Placement.of(instance, assignment)
    except InvalidPlacementError as error:
        broken = str(error)
    return Evaluation(scored, broken, solve(instance, time_limit=time_limit, warm_start=scored))
