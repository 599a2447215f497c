"""Mathematical models of one threshold question, one file each, behind one protocol.

See :mod:`formulations.registry` for the names, and ``README.md`` beside this
file for the table of models.
"""

from formulations.registry import NAMES, create

__all__ = ["NAMES", "create"]
