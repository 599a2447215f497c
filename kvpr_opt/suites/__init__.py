"""Named sets of fleets with their certified optima.

>>> from kvpr_opt import suites
>>> name, fleet = suites.load("prism50")[0]
>>> name, suites.optimum(fleet, time_limit=10).proved
('prism-00', True)
"""

from kvpr_opt.suites.catalogue import SUITES, Suite, load, named
from kvpr_opt.suites.optima import Optimum, optimum

__all__ = ["SUITES", "Optimum", "Suite", "load", "named", "optimum"]
