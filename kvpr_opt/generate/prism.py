"""The 50 fleets of the public 'Prism' benchmark, from their published stream."""

from __future__ import annotations

from functools import cache

from numpy.random import RandomState

from kvpr_opt.problem.exact import whole_number
from kvpr_opt.problem.instance import GPU, LLM, Instance

#: The number of cases; they are numbered from 0.
PRISM_CASES = 50

_SEED = 42
_MEMORY = 80


def prism_instance(case: int) -> Instance:
    """One fleet of the benchmark.

    Parameters
    ----------
    case
        0 to 49, in the order of the stream.

    Raises
    ------
    InputError
        If there is no such case.
    """
    return _stream()[whole_number("case", case, 0, PRISM_CASES - 1)]


def prism_instances() -> tuple[Instance, ...]:
    """All 50 fleets of the benchmark.

    Notes
    -----
    The stream is ``numpy.random.seed(42)``, then for each case
    ``gpu_num = randint(5, 10)``, then for each of ``2 * gpu_num`` models
    ``size = randint(10, 30)``, ``req_rate = randint(1, 10)``,
    ``slo = randint(5, 10)`` (upper ends excluded). Every GPU has a memory of 80.
    The models are called ``model_0``, ``model_1``, ... as in the benchmark.
    """
    return _stream()


@cache
def _stream() -> tuple[Instance, ...]:
    # One call of randint after another, as the benchmark does it; the legacy
    # generator promises the same numbers in every version of numpy.
    randint = RandomState(_SEED).randint
    instances = []
    for _ in range(PRISM_CASES):
        gpus = int(randint(5, 10))
        models = [
            LLM(
                f"model_{index}",
                size=int(randint(10, 30)),
                req_rate=int(randint(1, 10)),
                slo=int(randint(5, 10)),
            )
            for index in range(2 * gpus)
        ]
        instances.append(Instance([GPU(f"gpu{gpu}", _MEMORY) for gpu in range(gpus)], models))
    return tuple(instances)
