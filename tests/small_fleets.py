"""Small fleets and a brute force that several tests share."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import strategies as st

from kvpr_opt.problem.instance import GPU, LLM, Instance


def fleet(
    memories: Sequence[int | Fraction], models: Sequence[tuple[int | Fraction, int | Fraction]]
) -> Instance:
    """A fleet from GPU memories and (size, pressure) pairs."""
    return Instance(
        [GPU(f"g{index}", memory) for index, memory in enumerate(memories)],
        [LLM(f"m{index}", size, pressure=n) for index, (size, n) in enumerate(models)],
    )


def brute_force(instance: Instance) -> Fraction | float:
    """The smallest maximum KVPR of all assignments, straight from the definition.

    Plain fractions and nothing of the package but the data; ``math.inf`` where no
    assignment has a finite one.
    """
    memories = [gpu.memory - gpu.reserved for gpu in instance.gpus]
    models = [(model.size, model.pressure) for model in instance.models]
    best: Fraction | float = math.inf
    for assignment in itertools.product(range(len(memories)), repeat=len(models)):
        free = list(memories)
        pressure = [Fraction(0)] * len(memories)
        for (size, n), gpu in zip(models, assignment, strict=True):
            free[gpu] -= size
            pressure[gpu] += n
        if any(room < 0 or (room == 0 and n > 0) for room, n in zip(free, pressure, strict=True)):
            continue
        value = max(n / room if n else Fraction(0) for room, n in zip(free, pressure, strict=True))
        best = min(best, value)
    return best


def random_fleet(random_: random.Random, most_models: int = 8, most_gpus: int = 4) -> Instance:
    """A small fleet of any kind: mixed memory, zeros, duplicates, GPUs that can be full."""
    gpus = random_.randint(1, most_gpus)
    memory = random_.choice([(10,), (6, 10), (4, 7, 12), (Fraction(5, 2), 8)])
    sizes = random_.choice([range(0, 4), range(1, 7), range(2, 13), [0, Fraction(1, 3), 2, 5]])
    # The last kind has common denominators beyond 64 bits.
    primes = [Fraction(random_.randint(1, 2 * p), p) for p in (99991, 100003, 100019, 100043)]
    pressures = random_.choice(
        [[0], [0, 0, 1, 2], range(1, 6), [0, Fraction(1, 3), Fraction(9, 7)], [0, *primes]]
    )
    pairs = [
        (random_.choice(list(sizes)), random_.choice(list(pressures)))
        for _ in range(random_.randint(0, most_models))
    ]
    if pairs and random_.random() < 0.4:
        pairs = random_.choices(pairs[:3], k=len(pairs))
    return fleet([random_.choice(memory) for _ in range(gpus)], pairs)


def small_numbers(most: int) -> st.SearchStrategy[Fraction]:
    return st.builds(Fraction, st.integers(0, most), st.sampled_from([1, 1, 1, 2, 3]))


@st.composite
def fleets(draw: st.DrawFn, most_models: int = 6, most_gpus: int = 3) -> Instance:
    """Small fleets, mixed memory, zeros and duplicates included."""
    memories = draw(st.lists(st.integers(1, 12), min_size=1, max_size=most_gpus))
    models = draw(st.lists(st.tuples(small_numbers(7), small_numbers(4)), max_size=most_models))
    return fleet(memories, models)


#: The strict question is not "capacity - 1": 1/4 is easy to find, 1/8 is optimal.
TRAP = fleet([10, 10], [(6, 0), (4, 0), (2, 1)])
