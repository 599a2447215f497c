"""Local search and large-scale construction in compiled code.

:func:`search` improves a placement or finds one; :func:`construct` constructs one for
hundreds of GPUs and more; :func:`warm_up` compiles ahead.
"""

from kvpr_opt.local_search.construction import construct
from kvpr_opt.local_search.search import search
from kvpr_opt.local_search.warm_up import warm_up

__all__ = ["construct", "search", "warm_up"]
