"""How long the questions about a running fleet take, and how far their answers are proved.

    python -m kvpr_opt.study.experiments.operate --seeds 5

Each row is one question over several seeded fleets. A fleet to be re-placed starts on the best
placement found for it in ten seconds; then each rate is multiplied by its own log-normal factor
with a deviation of 20 %. The stand-alone checker checks the certificates of each row, outside
the time measured. Processor time covers all threads; wall time also reflects other programs
running on the machine.
"""

from __future__ import annotations

import argparse
import math
import platform
import random
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from statistics import median
from typing import NamedTuple

from kvpr_opt.certificates.canonical import canonical_fleet
from kvpr_opt.environment import versions
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.generate import prism_instance, random_instance
from kvpr_opt.operate import evaluate, headroom, replan, size
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.llm import LLM
from kvpr_opt.problem.placement import Placement
from kvpr_opt.solve import heuristic, solve
from kvpr_opt.verify import check_relocation

HEAD = (
    "question",
    "fleets",
    "processor time, median",
    "most",
    "wall time, most",
    "proved",
    "widest gap",
)

#: Standard deviation of the logarithm of the factor on each rate.
DRIFT = 0.2

#: Seconds for finding the initial placement of a fleet, and for the question.
_BEFORE, _LIMIT = 10.0, 60.0

# A target's relative margin above the optimum; re-solves of a fleet with one rate changed.
_ABOVE, _CHANGES = Fraction(11, 10), 5


class Clock:
    """Processor and wall seconds since it was made."""

    def __init__(self) -> None:
        self._processor, self._wall = time.process_time(), time.perf_counter()

    def seconds(self, times: int = 1) -> tuple[float, float]:
        """Processor and wall seconds, divided by the number of repetitions."""
        now = time.process_time(), time.perf_counter()
        return (now[0] - self._processor) / times, (now[1] - self._wall) / times


class Measured(NamedTuple):
    """Seconds, number of claims made, number proved, and the widest gap of a claim in percent."""

    seconds: tuple[float, float]
    claims: int
    proved: int
    gap: float


def running_fleet(gpus: int, models: int, seed: int) -> tuple[Instance, Placement]:
    """A fleet whose rates have drifted, and its current placement."""
    before = random_instance("uniform", gpus=gpus, models=models, seed=seed)
    placed = solve(before, time_limit=_BEFORE).placement
    assert placed is not None, "uniform fleets have room"
    draw = random.Random(seed)
    drifted = [_with_factor(model, math.exp(draw.gauss(0, DRIFT))) for model in before.models]
    after = before.replace(models=drifted)
    return after, Placement(after, placed.gpu_of)


def _with_factor(model: LLM, factor: float) -> LLM:
    """The model with its demand scaled by a factor, to three decimals."""
    return LLM(model.name, model.size, pressure=f"{float(model.pressure) * factor:.3f}")


def _with_rate(model: LLM, rate: Fraction) -> LLM:
    return LLM(model.name, model.size, req_rate=rate, slo=model.slo)


def _replanned(gpus: int, models: int, moves: int, seed: int) -> Measured:
    fleet, current = running_fleet(gpus, models, seed)
    clock = Clock()
    made = replan(fleet, current, max_moves=moves, time_limit=_LIMIT)
    seconds = clock.seconds()
    canonical = canonical_fleet(fleet)
    for row in made.rows:
        assert row.certificate is not None
        report = check_relocation(canonical, row.certificate.to_json())
        allowed = ExitCode.DONE if row.certified else ExitCode.UNFINISHED
        if report.exit_code != allowed:
            raise AssertionError(f"the checker refuses a row: {report}")
    gaps = [100 * float(math.inf if row.gap is None else row.gap) for row in made.rows]
    return Measured(seconds, len(made.rows), sum(row.proved for row in made.rows), max(gaps))


def _evaluated(case: int) -> Measured:
    fleet = prism_instance(case)
    placement = heuristic(fleet)
    clock = Clock()
    made = evaluate(fleet, placement)
    seconds = clock.seconds()
    gap = 100 * float(math.inf if made.result.gap is None else made.result.gap)
    return Measured(seconds, 1, int(made.result.certified and gap == 0), gap)


def _resolved(case: int) -> Measured:
    """Double one rate at a time; solve each fleet starting from the original placement."""
    fleet = prism_instance(case)
    first = solve(fleet)
    draw = random.Random(case)
    proved, clock = 0, Clock()
    for _ in range(_CHANGES):
        models = list(fleet.declared)
        changed = draw.randrange(len(models))
        rate = models[changed].req_rate
        assert rate is not None, "the benchmark gives rates"
        models[changed] = _with_rate(models[changed], 2 * rate)
        again = solve(fleet.replace(models=models), warm_start=first.placement)
        proved += again.certified and again.gap == 0
    return Measured(clock.seconds(_CHANGES), _CHANGES, proved, 0.0)


def _sized(seed: int) -> Measured:
    """Find the fewest GPUs for a target that the fleet meets with a tenth to spare."""
    fleet = random_instance("uniform", gpus=64, models=256, seed=seed)
    found = solve(fleet, time_limit=_BEFORE).max_kvpr
    assert found is not None, "uniform fleets have room"
    clock = Clock()
    made = size(fleet, found * _ABOVE, time_limit=_LIMIT)
    seconds = clock.seconds()
    assert made.gpus is not None, "as many as there are do"
    return Measured(seconds, 1, int(made.proved), 100 * (1 - made.lower_bound / made.gpus))


def _grown(seed: int) -> Measured:
    """Find the headroom of the first model, up to a target a tenth above the optimum."""
    fleet = random_instance("uniform", gpus=16, models=64, seed=seed)
    found = solve(fleet, time_limit=_BEFORE).max_kvpr
    assert found is not None, "uniform fleets have room"
    name = next(model.name for model in fleet.models if model.pressure)
    clock = Clock()
    made = headroom(fleet, found * _ABOVE, model=name, time_limit=_LIMIT)
    seconds = clock.seconds()
    return Measured(seconds, 1, int(made.proved), 100 * float(1 - made.factor / made.bound))


def _questions(seeds: int) -> Iterator[tuple[str, Callable[[int], Measured], range]]:
    yield "`evaluate`, prism", _evaluated, range(50)
    yield "`solve` again, one rate of prism changed", _resolved, range(50)
    for gpus, models, moves in ((8, 32, 10), (16, 64, 10), (64, 256, 20)):

        def ask(seed: int, shape: tuple[int, int, int] = (gpus, models, moves)) -> Measured:
            return _replanned(*shape, seed)

        yield f"`replan`, {gpus} x {models}, rows 0 to {moves}", ask, range(seeds)
    yield "`size`, 64 x 256", _sized, range(seeds)
    yield "`headroom` of one model, 16 x 64", _grown, range(seeds)


def measure(ask: Callable[[int], Measured], seeds: range) -> str:
    """The cells of a row, except its name."""
    answers = [ask(seed) for seed in seeds]
    processor, wall = zip(*(answer.seconds for answer in answers), strict=True)
    proved = f"{sum(a.proved for a in answers)} of {sum(a.claims for a in answers)}"
    gap = max(answer.gap for answer in answers)
    times = f"{median(processor):.3f} s | {max(processor):.3f} s | {max(wall):.3f} s"
    return f"{len(answers)} | {times} | {proved} | {gap:.4f} %"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=5, help="fleets of each question")
    parser.add_argument("--only", default="", help="questions whose name contains this text")
    options = parser.parse_args()
    print(f"{platform.machine()}; ", end="")
    print(", ".join(f"{name} {number}" for name, number in versions().items()), end="\n\n")
    print(f"| {' | '.join(HEAD)} |\n" + "| --- " * len(HEAD) + "|")
    for name, ask, seeds in _questions(options.seeds):
        if options.only in name:
            print(f"| {name} | {measure(ask, seeds)} |", flush=True)


if __name__ == "__main__":
    main()
