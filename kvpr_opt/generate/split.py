"""The families `fine` and `paper` with popular models split, as operators split them.

With the popularity of a long tail, the first model alone has more pressure than a GPU
should have, and where it goes decides the whole fleet. Nobody serves such a model by one
GPU: here it is served by as many as it takes, each with its part of weights and traffic,
as under tensor parallelism.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from numpy.random import RandomState

from kvpr_opt.generate.long_tail import fine, paper
from kvpr_opt.problem.instance import LLM, Instance


def fine_split(rng: RandomState, gpus: int, models: int, skew: Fraction) -> Instance:
    """The family `fine` with popular models split.

    As there; then every model whose pressure exceeds half of what a GPU has on average is
    split into the least number of parts of which none would, if all were equal. The size
    is divided by that number and rounded up to whole MB; the request rate is divided in
    multiples of 0.01, the first parts having one more where it does not come out even.
    `models` is their number before that; parts of `model7` are called `model7-0`,
    `model7-1`, ...
    """
    return _split(fine(rng, gpus, models, skew), _Steps(size=1, rate=100))


def paper_split(rng: RandomState, gpus: int, models: int, skew: Fraction) -> Instance:
    """The family `paper` with popular models split.

    As there, and split as in `fine@2`; sizes are rounded up to hundredths of a GB, and
    request rates are whole.
    """
    return _split(paper(rng, gpus, models, skew), _Steps(size=100, rate=1))


@dataclass(frozen=True)
class _Steps:
    """How many steps of sizes and of rates there are to a unit."""

    size: int
    rate: int


def _split(fleet: Instance, steps: _Steps) -> Instance:
    demand = sum((model.pressure for model in fleet.models), Fraction(0))
    most = demand / (2 * len(fleet.gpus))
    parts = [part for model in fleet.models for part in _parts(model, most, steps)]
    return Instance(fleet.gpus, parts)


def _parts(model: LLM, most: Fraction, steps: _Steps) -> list[LLM]:
    if model.pressure <= most:
        return [model]
    assert model.req_rate is not None, "drawn with a rate"
    number = -(-model.pressure // most)
    size = Fraction(-(-model.size * steps.size // number), steps.size)
    least, more = divmod(int(model.req_rate * steps.rate), number)
    return [
        LLM(
            f"{model.name}-{part}",
            size,
            req_rate=Fraction(least + (part < more), steps.rate),
            slo=model.slo,
        )
        for part in range(number)
    ]
