"""The cases of an audit: the fleets of a suite, each with its certified optimum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import Instance
from kvpr_opt.suites import catalogue


@dataclass(frozen=True)
class Case:
    """One fleet of a suite, and its certified bound.

    Attributes
    ----------
    name
        Its name in the suite.
    instance
        The fleet.
    lower_bound
        No placement has a smaller maximum KVPR; the checker has verified the proof.
    optimal
        Whether a placement of that value is known.
    """

    name: str
    instance: Instance
    lower_bound: Fraction
    optimal: bool


def prove_cases(
    fleets: Sequence[tuple[str, Instance]],
    time_limit: float | None,
    *,
    on_progress: Callable[[int, int], object] | None = None,
    on_note: Callable[[str], object] | None = None,
) -> list[Case]:
    """The cases of named fleets, in order; optima not known yet are proved first.

    Parameters
    ----------
    fleets
        Name and fleet of each, as :func:`kvpr_opt.suites.catalogue.load` returns them.
    time_limit
        Seconds to prove an optimum that is neither shipped nor remembered; ``None`` for
        no limit. A fleet not solved by then is judged against its certified bound.
    on_progress
        Called with the number of finished cases and the total.
    on_note
        Called with one line for each optimum that could not be read from the cache or
        written to it.

    Raises
    ------
    InputError
        If a fleet has no placement of finite KVPR.
    """
    cases = []
    for name, instance in fleets:
        optimum = catalogue.optimum(instance, time_limit)
        if not isinstance(optimum.lower_bound, Fraction):
            raise InputError("no placement of finite KVPR exists", source=name)
        if optimum.note and on_note is not None:
            on_note(f"{name}: {optimum.note}")
        cases.append(Case(name, instance, optimum.lower_bound, optimum.proved))
        if on_progress is not None:
            on_progress(len(cases), len(fleets))
    return cases
