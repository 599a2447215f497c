"""Single stages as plain functions, for who wants a number and no run."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction

from kvpr_opt import heuristics
from kvpr_opt.bounds import lower_bounds
from kvpr_opt.instance import Instance
from kvpr_opt.placement import Placement


def heuristic(instance: Instance, *, skip: Collection[str] = ()) -> Placement | None:
    """The placement of the heuristic alone, without bound or proof.

    Parameters
    ----------
    instance
        The fleet.
    skip
        Names of stages to leave out; see :data:`kvpr_opt.heuristics.STAGES`.

    Returns
    -------
    Placement or None
        ``None`` where it found none of finite KVPR; there may still be one.
    """
    return heuristics.run(instance, skip=frozenset(skip)).placement


def lower_bound(instance: Instance) -> Fraction | float:
    """The best bound that needs no search: no placement has a smaller maximum KVPR.

    ``math.inf`` if that proves that there is no placement of finite KVPR.
    """
    return max(bound.value for bound in lower_bounds(instance))
