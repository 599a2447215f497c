"""The names of stages and methods."""

from __future__ import annotations

from kvpr_opt import heuristics

#: Stages of a run that can be left out, in addition to those of the heuristic.
OWN_STAGES = (
    "counting_bound",
    "heuristic",
    "compiled_search",
    "lp_bound",
    "dives",
    "neighbourhoods",
    "exhaustive_search",
    "polish",
    "level",
)

#: Every stage that can be left out, by name.
STAGES: tuple[str, ...] = (*OWN_STAGES, *heuristics.STAGES)

#: Methods that use the pattern engine, and methods that are not formulations.
PATTERN_METHODS = ("auto", "branch_and_price")
OWN_METHODS = ("auto", "heuristic", "branch_and_price")

#: The formulation that ``method="auto"`` falls back to when the pattern engine gives up.
DEFAULT_FORMULATION = "assignment_cpsat"
