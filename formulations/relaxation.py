"""Whether the LP relaxation of a formulation meets a threshold: how strong the model is.

For comparing formulations. It works with doubles, and nothing is claimed from it.
"""

from __future__ import annotations

from formulations import pulp_highs
from formulations.model_file import Exported
from kvpr_opt.limits import Limits


def relaxation_is_feasible(exported: Exported, limits: Limits) -> bool | None:
    """Whether the model without its integrality has a solution.

    Parameters
    ----------
    exported
        The model of a threshold.
    limits
        When to give up.

    Returns
    -------
    bool or None
        ``None`` where HiGHS has not found out.
    """
    ending = pulp_highs.solve(exported.model, limits, {"mip": False, "threads": 1})
    return {"solved": True, "infeasible": False}.get(ending.status)
