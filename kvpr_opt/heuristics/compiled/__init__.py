"""Local search and large-scale construction in compiled code.

:func:`search` improves a placement or finds one; :func:`fill` constructs one for
hundreds of GPUs and more; :func:`warm_up` compiles ahead.
"""

from kvpr_opt.heuristics.compiled.fill import fill
from kvpr_opt.heuristics.compiled.search import search
from kvpr_opt.heuristics.compiled.warm_up import warm_up

__all__ = ["fill", "search", "warm_up"]
