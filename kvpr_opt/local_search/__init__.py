"""Local search and large-scale construction in compiled code.

:func:`search` improves a placement or finds one; :func:`construct` builds one for
hundreds of GPUs or more; :func:`warm_up` compiles the kernels ahead of time.
"""

from kvpr_opt.local_search.construction import construct
from kvpr_opt.local_search.search import search
from kvpr_opt.local_search.warm_up import warm_up

__all__ = ["construct", "search", "warm_up"]
