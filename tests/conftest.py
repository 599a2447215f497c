"""Settings of the whole suite, and the fleets and placements that several modules use."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest
from command_runs import handlers_kept
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from small_fleets import fleet

from kvpr_opt.problem.instance import GPU, LLM, Instance
from kvpr_opt.problem.placement import Placement

# The same examples in every run, and no verdict on how fast a shared machine is.
settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

# A shell has what it runs in the background ignore Ctrl-C; a test that sends it would wait.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _signal_handlers_kept() -> Iterator[None]:
    with handlers_kept():
        yield


_PRESSURES = [0, 0, 0, "1/3", 1, 2, "7/5"]


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
    return Placement(fleet(memories, models), gpu_of)


@pytest.fixture(scope="session")
def placements() -> st.SearchStrategy[Placement]:
    """Strategy of placements."""
    return _placements()


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

    def make(
        seed: int, gpus: int, each: int, zero_share: float = 0.0, fill: float = 0.8
    ) -> Instance:
        random = np.random.RandomState(seed)
        sizes = random.randint(2, 16, gpus * each)
        memory = int(np.ceil(sizes.sum() / gpus / fill))
        pressures = random.randint(1, 10, len(sizes))
        pressures[random.rand(len(sizes)) < zero_share] = 0
        return fleet([memory] * gpus, zip(sizes.tolist(), pressures.tolist(), strict=True))

    return make
