"""A target on the KVPR, as people write it."""

from __future__ import annotations

from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.problem.exact import to_fraction
from kvpr_opt.problem.gpu import Number


def read_target(target: Number) -> Fraction:
    """The target as an exact number.

    Raises
    ------
    InputError
        If it is not a number above 0.
    """
    try:
        wanted = to_fraction(target, "target")
    except InputError as error:
        raise error.within(place="target") from None
    if wanted <= 0:
        raise InputError(f"target {target} is not above 0", place="target")
    return wanted
