"""Fleets for the tests of the heuristics: by hand, at random, and the public benchmark's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import strategies as st

from kvpr_opt.instance import GPU, LLM, Instance
from kvpr_opt.placement import Placement

FleetMaker = Callable[[Iterable[object], Iterable[tuple[object, object]]], Instance]

_PRESSURES = [0, 0, 0, "1/3", 1, 2, "7/5"]


def _fleet(memories: Iterable[object], models: Iterable[tuple[object, object]]) -> Instance:
    return Instance(
        [GPU(f"g{index}", memory) for index, memory in enumerate(memories)],
        [LLM(f"m{index}", size, pressure=n) for index, (size, n) in enumerate(models)],
    )


@pytest.fixture(scope="session")
def fleet() -> FleetMaker:
    """Make a fleet from memories and (size, pressure) pairs."""
    return _fleet


@st.composite
def _fleets(draw: st.DrawFn, smallest: int = 0, largest: int = 9) -> Instance:
    memories = draw(st.lists(st.sampled_from([10, 10, 10, 16, "20.5"]), min_size=1, max_size=4))
    models = st.tuples(st.sampled_from([1, 2, 3, 4, "4.5", 6, 10]), st.sampled_from(_PRESSURES))
    return _fleet(memories, draw(st.lists(models, min_size=smallest, max_size=largest)))


@st.composite
def _placements(draw: st.DrawFn) -> Placement:
    """Any legal placement, one of infinite KVPR included, on a fleet it defines."""
    memories = draw(st.lists(st.sampled_from([10, 10, 16, "20.5"]), min_size=1, max_size=5))
    free = [Fraction(str(memory)) for memory in memories]
    models, gpu_of = [], []
    for _ in range(draw(st.integers(0, 12))):
        size = draw(st.sampled_from([1, 1, 2, 3, 4, "4.5"]))
        room = [gpu for gpu, left in enumerate(free) if left >= Fraction(str(size))]
        if not room:
            break
        gpu_of.append(draw(st.sampled_from(room)))
        free[gpu_of[-1]] -= Fraction(str(size))
        models.append((size, draw(st.sampled_from(_PRESSURES))))
    return Placement(_fleet(memories, models), gpu_of)


@pytest.fixture(scope="session")
def fleets() -> Callable[..., st.SearchStrategy[Instance]]:
    """Strategy of small fleets, some of them without a placement."""
    return _fleets


@pytest.fixture(scope="session")
def placements() -> st.SearchStrategy[Placement]:
    """Strategy of placements."""
    return _placements()


@pytest.fixture(scope="session")
def every_placement() -> Callable[[Instance], Iterator[Placement]]:
    """All legal placements of a fleet, by enumeration."""

    def enumerate_all(instance: Instance) -> Iterator[Placement]:
        gpus = range(len(instance.gpus))
        for gpu_of in product(gpus, repeat=len(instance.models)):
            used = [Fraction(0)] * len(instance.gpus)
            for model, gpu in zip(instance.models, gpu_of, strict=True):
                used[gpu] += model.size
            if all(u <= gpu.usable for u, gpu in zip(used, instance.gpus, strict=True)):
                yield Placement(instance, gpu_of)

    return enumerate_all


@pytest.fixture(scope="session")
def prism() -> list[Instance]:
    """The 50 fleets of the public ADRS benchmark 'Prism', as its generator draws them."""
    random = np.random.RandomState(42)
    made = []
    for _ in range(50):
        gpus = int(random.randint(5, 10))
        models = []
        for index in range(2 * gpus):
            size, rate, slo = (int(random.randint(*ends)) for ends in ((10, 30), (1, 10), (5, 10)))
            models.append(LLM(f"m{index}", size, req_rate=rate, slo=slo))
        made.append(Instance([GPU(f"g{index}", 80) for index in range(gpus)], models))
    return made


@pytest.fixture(scope="session")
def random_fleet() -> Callable[..., Instance]:
    """A fleet of `gpus` x `each` models by seed; a share of them without pressure."""

    def make(seed: int, gpus: int, each: int, zero_share: float = 0.0, fill: float = 0.8):
        random = np.random.RandomState(seed)
        sizes = random.randint(2, 16, gpus * each)
        memory = int(np.ceil(sizes.sum() / gpus / fill))
        pressures = np.where(random.rand(len(sizes)) < zero_share, 0, random.randint(1, 10))
        return _fleet([memory] * gpus, zip(sizes.tolist(), pressures.tolist(), strict=True))

    return make
