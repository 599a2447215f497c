"""By what factor demand can grow before a target is missed.

Scaling all rates together scales every KVPR alike, so the factor is exactly target / optimum. The
optimum grows with one model's rate, so that model's factor is bracketed by bisection, with a run
for each end: a placement at the lower one, a proof at the upper one.

If no factor above 0 is possible, bisection would never end. But free memory times the target, less
the pressure of the other models, is a multiple of some 1/L: a GPU has no room at all for demand of
the model, or at least 1/L. So one run at a factor that needs 1/L in total settles it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.limits import Limits
from kvpr_opt.operate.decision import Decision, decide
from kvpr_opt.operate.target import read_target
from kvpr_opt.problem.exact import exact_sum
from kvpr_opt.problem.gpu import Number
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.llm import LLM
from kvpr_opt.problem.placement import Placement
from kvpr_opt.result import Result
from kvpr_opt.solve import solve

#: Relative width to which the bracket of one model's factor is narrowed.
PRECISION = Fraction(1, 1000)

# Below this factor, test whether any factor above 0 is possible; denominators L of more bits are
# not tried.
_SMALL, _MAX_BITS = Fraction(1, 1000), 4000


@dataclass(frozen=True)
class Headroom:
    """How far demand can grow.

    Attributes
    ----------
    factor
        With demand times this, a placement within the target is known; 0 also if there is no
        `placement` even without the demand. ``math.inf`` if demand does not matter.
    bound
        No placement within the target exists beyond this factor: proved.
    placement
        The placement at `factor`; ``None`` if none within the target is known.
    target
        The target.
    model
        The model whose demand grows; ``None`` for all.
    evidence
        The run that excluded factors beyond `bound`, with its certificate.
    """

    factor: Fraction | float
    bound: Fraction | float
    placement: Placement | None
    target: Fraction
    model: str | None
    evidence: Result | None

    @property
    def proved(self) -> bool:
        """Whether factor and bound are equal or, for one model, within :data:`PRECISION`."""
        if self.factor == self.bound:
            return True
        if isinstance(self.bound, float) or isinstance(self.factor, float) or self.model is None:
            return False
        return self.bound - self.factor <= PRECISION * self.bound


def headroom(
    instance: Instance,
    target: Number,
    *,
    model: str | None = None,
    time_limit: float | None = 60,
) -> Headroom:
    """By what factor all rates, or those of one model, can grow within a target.

    Parameters
    ----------
    instance
        The fleet.
    target
        The largest acceptable KVPR, above 0.
    model
        A model of the fleet, all its copies, replicas and shards together; by default all models.
    time_limit
        Seconds, ``None`` for no limit.

    Raises
    ------
    InputError
        If the target is not above 0, or the fleet has no such model.
    """
    wanted = read_target(target)
    if model is None:
        return _of_all(instance, wanted, solve(instance, time_limit=time_limit))
    names = [declared.name for declared in instance.declared]
    if model not in names:
        raise InputError(f"the fleet has no model {model!r}{nearest(model, names)}", place="model")
    limits = Limits(time_limit)
    with limits.heeding_signals():
        return _Bisection(instance, wanted, model, limits).run()


def _of_all(instance: Instance, target: Fraction, result: Result) -> Headroom:
    value, bound = result.max_kvpr, result.lower_bound
    factor: Fraction | float = Fraction(0)
    if value is not None:
        factor = target / value if value else math.inf
    most: Fraction | float = math.inf
    if isinstance(bound, Fraction) and bound > 0:
        most = target / bound
    elif bound == math.inf:
        most = Fraction(0)
    return Headroom(factor, most, result.placement, target, None, result)


class _Bisection:
    """The factor of one model."""

    def __init__(self, instance: Instance, target: Fraction, model: str, limits: Limits) -> None:
        self._instance, self._target, self._model = instance, target, model
        self._limits = limits
        self._within: Placement | None = None
        self._beyond: Result | None = None

    def run(self) -> Headroom:
        """Bracket the factor, first by doubling and then by halving."""
        if not self._does(Fraction(0)):
            return self._headroom(Fraction(0), math.inf if self._beyond is None else Fraction(0))
        if all(m.pressure == 0 for m in self._instance.declared if m.name == self._model):
            return self._headroom(math.inf, math.inf)
        low, high = Fraction(0), self._by_room()
        guess = min(Fraction(1), high)
        least, last = self._least(), False
        while high - low > PRECISION * high and not self._limits.stopped:
            if low == 0 and high < _SMALL and least is not None:
                guess, least, last = min(least, guess), None, True
            verdict = self._does(guess)
            if verdict is None:
                break
            if last and not verdict:
                return self._headroom(Fraction(0), Fraction(0))
            last = False
            if verdict:
                low = guess
            else:
                high = guess
            guess = _between(low, high)
        return self._headroom(low, high)

    def _does(self, factor: Fraction) -> bool | None:
        """Whether the fleet is within the target at a factor; the finding is recorded."""
        made: Decision = decide(
            self._at(factor), self._target, self._limits, warm_start=self._moved(factor)
        )
        if made.possible:
            self._within = made.result.placement
        elif made.possible is False:
            self._beyond = made.result
        return made.possible

    def _at(self, factor: Fraction) -> Instance:
        models = [
            _with_demand(model, factor) if model.name == self._model else model
            for model in self._instance.declared
        ]
        return self._instance.replace(models=models)

    def _moved(self, factor: Fraction) -> Placement | None:
        """The last placement, for the fleet at another factor."""
        if self._within is None:
            return None
        return Placement(self._at(factor), self._within.gpu_of)

    def _least(self) -> Fraction | None:
        """A factor that works if any above 0 does; ``None`` if it needs too many digits."""
        mine = {part.name for part in self._parts()}
        exact = [part.pressure for part in self._instance.models if part.name not in mine]
        exact += [self._target * part.footprint for part in self._instance.models]
        exact += [self._target * gpu.usable for gpu in self._instance.gpus]
        denominator = 1
        for value in exact:
            denominator = math.lcm(denominator, value.denominator)
            if denominator.bit_length() > _MAX_BITS:
                return None
        return 1 / (denominator * exact_sum(part.pressure for part in self._parts()))

    def _parts(self) -> list[LLM]:
        """All copies, replicas and shards of the model that have demand."""
        declared = [model for model in self._instance.declared if model.name == self._model]
        return [part for part in self._instance.replace(models=declared).models if part.pressure]

    def _by_room(self) -> Fraction:
        """An upper bound on the factor: the model alone on the largest GPU."""
        parts = self._parts()
        room = max(gpu.usable for gpu in self._instance.gpus)
        return (
            min(
                max(Fraction(0), self._target * (room - part.footprint)) / part.pressure
                for part in parts
            )
            + 1
        )

    def _headroom(self, factor: Fraction | float, bound: Fraction | float) -> Headroom:
        return Headroom(factor, bound, self._within, self._target, self._model, self._beyond)


def _with_demand(model: LLM, factor: Fraction) -> LLM:
    """The same model with its demand times a factor."""
    scaled = {
        key: getattr(model, key) * factor
        for key in ("req_rate", "kv_demand", "token_rate")
        if getattr(model, key) is not None
    }
    demand = {"pressure": model.pressure * factor} if not scaled else {"pressure": None, **scaled}
    return replace(model, **demand)


def _between(low: Fraction, high: Fraction) -> Fraction:
    """The next factor to test: the midpoint, geometric if the two are far apart."""
    guess = (low + high) / 2
    if high > 4 * low > 0:
        ratio = high / low
        guess = low * Fraction(2 ** ((ratio.numerator // ratio.denominator).bit_length() // 2))
    return _short(guess, low, high)


def _short(guess: Fraction, low: Fraction, high: Fraction) -> Fraction:
    """A number of few digits near a guess, strictly between two others."""
    for digits in range(1, 12):
        near = guess.limit_denominator(10**digits)
        if low < near < high and abs(near - guess) * 4 < high - low:
            return near
    return guess
