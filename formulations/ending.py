"""How a run of a solver behind PuLP ended, in words that can be relied on."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple


class Ending(NamedTuple):
    """How a run of a solver ended.

    Attributes
    ----------
    status
        ``"solved"``: the variables hold a solution, the best where there is an
        objective. ``"infeasible"``: there is none. ``"stopped"``: by a limit; the
        variables may hold a solution. ``"failed"``: anything else; more time would
        not help.
    message
        The solver's own words, for the log.
    dual_bound
        The bound on the objective that the solver claims; NaN for none.
    """

    status: Literal["solved", "infeasible", "stopped", "failed"]
    message: str
    dual_bound: float = math.nan
