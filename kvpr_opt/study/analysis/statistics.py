"""Summaries of measured times and gaps: means, profiles, distributions, paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Seconds added to each time in a shifted geometric mean.
SHIFT = 1.0

#: Seconds; ratios of shorter times say more about the clock than about a method.
SHORTEST = 0.001

#: Resamples of a bootstrap, and the seed that they are drawn with.
RESAMPLES = 2000
_SEED = 0

_LEVEL = 0.95


def shifted_geometric_mean(values: Sequence[float] | Floats, shift: float = SHIFT) -> float | None:
    """``(product of (value + shift)) ** (1 / n) - shift``; ``None`` without values.

    The shift keeps very short times from dominating the mean (T. Achterberg, Constraint
    Integer Programming, 2007, appendix A.3, doi:10.14279/depositonce-1634).
    """
    if len(values) == 0:
        return None
    logarithms = np.log1p(np.asarray(values, dtype=np.float64) / shift)
    return shift * float(np.expm1(np.mean(logarithms)))


def performance_ratios(times: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """The ratios whose distributions are the performance profiles of methods.

    For each fleet, the time of a method is divided by the smallest time of any method
    (Dolan and Moré 2002, doi:10.1007/s101070100263).

    Parameters
    ----------
    times
        Seconds by method, for the same fleets in the same order; ``math.inf``
        where the method did not solve the fleet. Times below :data:`SHORTEST`
        count as that.

    Returns
    -------
    dict
        By method, in the order of the fleets; ``math.inf`` where it has no time.
    """
    floored = {name: [max(time, SHORTEST) for time in row] for name, row in times.items()}
    least = [min(column) for column in zip(*floored.values(), strict=True)]
    return {
        name: [
            time / best if time < math.inf else math.inf
            for time, best in zip(row, least, strict=True)
        ]
        for name, row in floored.items()
    }


def distribution(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Finite values in ascending order, and the share of all values up to each.

    Equal values appear once, with the highest share.
    """
    finite = sorted(value for value in values if value < math.inf)
    shares = {value: rank / len(values) for rank, value in enumerate(finite, start=1)}
    return list(shares), list(shares.values())


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval.

    Attributes
    ----------
    low, high
        ``None`` if there is only one observation.
    """

    estimate: float
    low: float | None
    high: float | None


def bootstrap(
    columns: Sequence[Sequence[float]], statistic: Callable[..., float]
) -> Interval | None:
    """A statistic of observations, with its 95 % percentile interval.

    Whole observations are resampled, so values measured on one fleet stay together
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, 13.3).

    Parameters
    ----------
    columns
        One or more series of the same length; an observation is one position in all of
        them.
    statistic
        Takes one array for each of them.

    Returns
    -------
    Interval or None
        ``None`` without observations.
    """
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    count = len(arrays[0])
    if count == 0:
        return None
    estimate = float(statistic(*arrays))
    if count == 1:
        return Interval(estimate, None, None)
    generator = np.random.default_rng(_SEED)
    draws = []
    for _ in range(RESAMPLES):
        places = generator.integers(count, size=count)
        draws.append(statistic(*(array[places] for array in arrays)))
    low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(estimate, float(low), float(high))


def mean(values: Floats) -> float:
    """The arithmetic mean."""
    return float(np.mean(values))


def mean_difference(one: Floats, other: Floats) -> float:
    """The mean of `one` minus `other`."""
    return float(np.mean(one - other))


def time_ratio(one: Floats, other: Floats) -> float:
    """The ratio of two shifted geometric means of times, none below :data:`SHORTEST`."""
    means = [shifted_geometric_mean(np.maximum(times, SHORTEST)) for times in (one, other)]
    return means[0] / means[1] if means[0] is not None and means[1] else math.nan
