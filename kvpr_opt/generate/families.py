"""The families of random fleets by name, and the one function that draws from them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from numpy.random import RandomState

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.generate.constrained import constrained, paper_sharded, pinned, sharded
from kvpr_opt.generate.long_tail import fine, long_tail, paper
from kvpr_opt.generate.real import real
from kvpr_opt.generate.split import fine_split, paper_split
from kvpr_opt.generate.uniform import mixed, precise, tight, uniform, zero_heavy
from kvpr_opt.problem.exact import to_fraction, whole_number
from kvpr_opt.problem.instance import Instance, Number

_EVEN: dict[str, Callable[[RandomState, int, int], Instance]] = {
    "uniform": uniform,
    "zero-heavy": zero_heavy,
    "precise": precise,
    "mixed": mixed,
    "tight": tight,
    "real": real,
    "constrained": constrained,
    "pinned": pinned,
    "sharded": sharded,
}
_SKEWED: dict[str, Callable[[RandomState, int, int, Fraction], Instance]] = {
    "long-tail": long_tail,
    "fine": fine,
    "paper": paper,
    "paper-sharded": paper_sharded,
    "fine@2": fine_split,
    "paper@2": paper_split,
}

#: Every family that :func:`random_instance` draws from, and the function that
#: does, whose docstring says how. What is drawn never changes: a family that is drawn
#: otherwise gets a version, behind ``@``, and the first one keeps the plain name.
FAMILIES: dict[str, Callable[..., Instance]] = {**_EVEN, **_SKEWED}

_DEFAULT_SKEW = Fraction(9, 10)
_MOST = 100_000


def random_instance(
    family: str, *, gpus: int, models: int, seed: int, skew: Number | None = None
) -> Instance:
    """Draw a fleet of a family.

    The same arguments give the same fleet, on every machine and in every version.

    Parameters
    ----------
    family
        A name in :data:`FAMILIES`.
    gpus, models
        How many of them. Some families restrict the two: see the family.
    seed
        0 to 2**32 - 1.
    skew
        How fast request rates fall with the rank of the model, for `long-tail`,
        `fine` and `paper` of any kind only: from 0 to 2 with at most two decimals, 0.9 if
        not given.

    Raises
    ------
    InputError
        For an unknown family, a number out of range, or a fleet that the family
        cannot draw.
    """
    if family not in FAMILIES:
        hint = nearest(family, FAMILIES)
        if family == "prism":
            hint = "; its 50 fleets are fixed, each has the number of its case"
        raise InputError(
            f"no family {family!r} to draw from{hint}; known: {', '.join(FAMILIES)}",
            place="family",
        )
    gpus = whole_number("gpus", gpus, 1, _MOST)
    models = whole_number("models", models, 0, _MOST)
    seed = whole_number("seed", seed, 0, 2**32 - 1)
    rng = RandomState(seed)
    if family in _SKEWED:
        return _SKEWED[family](rng, gpus, models, _exponent(skew))
    if skew is not None:
        raise InputError(
            f"family {family!r} has no skew; {', '.join(_SKEWED)} have one", place="skew"
        )
    return _EVEN[family](rng, gpus, models)


def _exponent(skew: Number | None) -> Fraction:
    if skew is None:
        return _DEFAULT_SKEW
    try:
        exponent = to_fraction(skew, "skew")
    except InputError as error:
        raise error.within(place="skew") from None
    if not 0 <= exponent <= 2 or 100 % exponent.denominator:
        raise InputError(
            f"skew {skew} is not a number from 0 to 2 with at most two decimals", place="skew"
        )
    return exponent
