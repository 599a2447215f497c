"""Placing a fleet with constraints: construction at a threshold, then moves and swaps.

This is simple compared with the stages for fleets without constraints, but every
placement it makes keeps all constraints, nodes included.
"""

from kvpr_opt.heuristics.constrained.construction import construct
from kvpr_opt.heuristics.constrained.moves import improve, level

__all__ = ["construct", "improve", "level"]
