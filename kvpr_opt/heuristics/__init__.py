"""A good placement fast, by construction, local search and the zero-pressure passes.

:func:`run` places a fleet; :func:`polish` and :func:`level` improve an existing
placement. :data:`STAGES` are the names that `skip` accepts.
"""

from kvpr_opt.heuristics.pipeline import HeuristicOutcome, run
from kvpr_opt.heuristics.plan import FIRST_STAGES, STAGES
from kvpr_opt.heuristics.polish import level, polish

__all__ = ["FIRST_STAGES", "STAGES", "HeuristicOutcome", "level", "polish", "run"]
