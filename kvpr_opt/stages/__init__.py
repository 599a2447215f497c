"""The stages of a run: what is tried in which order, and what can be left out."""

from kvpr_opt.stages.names import (
    DEFAULT_FORMULATION,
    OWN_METHODS,
    OWN_STAGES,
    PATTERN_METHODS,
    STAGES,
)
from kvpr_opt.stages.run import SolveRun

__all__ = [
    "DEFAULT_FORMULATION",
    "OWN_METHODS",
    "OWN_STAGES",
    "PATTERN_METHODS",
    "STAGES",
    "SolveRun",
]
