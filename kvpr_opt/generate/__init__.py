"""Seeded random fleets, in documented families."""

from kvpr_opt.generate.families import FAMILIES, random_instance
from kvpr_opt.generate.prism import PRISM_CASES, prism_instance, prism_instances

__all__ = ["FAMILIES", "PRISM_CASES", "prism_instance", "prism_instances", "random_instance"]
