"""What the two zero-pressure passes are worth: a table of mean maximum KVPR.

    python -m kvpr_opt.study.experiments.zero_pressure --seeds 100

For each family the same seeded fleets are placed with and without each pass: right
after greedy construction, after each step of the local search, and at the end of
the whole heuristic. The table is Markdown.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from kvpr_opt import heuristics
from kvpr_opt.generate import random_instance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import Kvpr
from kvpr_opt.study.experiments.zero_pass_effects import zero_pass_effects
from kvpr_opt.study.heuristics import BEYOND_THE_SEED

#: Label, family and options of the fleets. With the default skew of `long-tail` the
#: single-model bound is reached by any construction, so there a flatter one is used too.
FLEETS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("zero-heavy", "zero-heavy", {}),
    ("long-tail, s = 0.9", "long-tail", {"skew": "0.9"}),
    ("long-tail, s = 0.5", "long-tail", {"skew": "0.5"}),
    ("tight", "tight", {}),
)

_PASSES = ("zero_moves", "refill")

#: The rows of a family, in their order.
_ROWS = [
    *(
        f"{start} construction{after}"
        for start in ("greedy", "every")
        for after in ("", ", then moves", ", then moves and swaps")
    ),
    "whole heuristic, the seed's stages",
    "whole heuristic, all stages",
]


@dataclass
class PassTally:
    """One row of the table: what ran before, and the maxima without and with a pass."""

    without: list[Fraction] = field(default_factory=list)
    with_pass: dict[str, list[Fraction]] = field(
        default_factory=lambda: {name: [] for name in _PASSES}
    )

    def row(self) -> str:
        """The mean without a pass and, for each pass, its mean, number improved and mean change."""
        base = _mean(self.without)
        cells = [f"{base:.5f}"]
        for values in self.with_pass.values():
            better = sum(new < old for new, old in zip(values, self.without, strict=True))
            change = 100 * (_mean(values) / base - 1) if base else 0.0
            cells.append(f"{_mean(values):.5f} | {better}/{len(values)} | {change:+.2f} %")
        return " | ".join([*cells, str(len(self.without))])


def _mean(values: list[Fraction]) -> float:
    return float(sum(values, Fraction(0)) / len(values)) if values else math.nan


def measure(
    family: str, options: dict[str, str], gpus: int, models: int, seeds: int
) -> dict[str, PassTally]:
    """Fill the rows of one family.

    A placement counts in a row only if its maximum is finite before and after
    each pass, so that means exist.
    """
    cells: dict[str, PassTally] = {}
    for seed in range(seeds):
        instance = random_instance(family, gpus=gpus, models=models, seed=seed, **options)
        for name, without, values in [*_after_construction(instance), *_whole(instance)]:
            maxima = [without, *values.values()]
            if any(value == math.inf for value in maxima):
                continue
            cell = cells.setdefault(name, PassTally())
            cell.without.append(Fraction(without))
            for key, value in values.items():
                cell.with_pass[key].append(Fraction(value))
    return dict(sorted(cells.items(), key=lambda item: _ROWS.index(item[0])))


def _after_construction(instance: Instance) -> Iterator[tuple[str, Kvpr, dict[str, Kvpr]]]:
    effects = zero_pass_effects(instance)
    starts = dict.fromkeys((e.construction, e.measured_after) for e in effects)
    for construction, position in starts:
        here = [
            e for e in effects if (e.construction, e.measured_after) == (construction, position)
        ]
        values = {effect.zero_pass: effect.after for effect in here}
        after = "" if position == "construction" else f", then {position.replace('_', ' ')}"
        yield f"every construction{after}", here[0].before, values
        if construction == "greedy":
            yield f"greedy construction{after}", here[0].before, values


def _whole(instance: Instance) -> Iterator[tuple[str, Kvpr, dict[str, Kvpr]]]:
    for label, always in (("the seed's stages", BEYOND_THE_SEED), ("all stages", ())):
        values = {
            name: _maximum(instance, {*always, *(other for other in _PASSES if other != name)})
            for name in (*_PASSES, "")
        }
        yield f"whole heuristic, {label}", values.pop(""), values


def _maximum(instance: Instance, skip: set[str]) -> Kvpr:
    placement = heuristics.run(instance, skip=frozenset(skip)).placement
    return math.inf if placement is None else placement.max_kvpr


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--gpus", type=int, default=16)
    parser.add_argument("--models", type=int, default=64)
    options = parser.parse_args()
    print(f"{options.gpus} GPUs, {options.models} models, seeds 0 to {options.seeds - 1}\n")
    passes = " | ".join(f"with {name} | better | change" for name in _PASSES)
    print(f"| family | measured after | without | {passes} | placements |")
    print("| --- " * (3 + 3 * len(_PASSES) + 1) + "|")
    for label, family, drawn in FLEETS:
        cells = measure(family, drawn, options.gpus, options.models, options.seeds)
        for name, cell in cells.items():
            print(f"| {label} | {name} | {cell.row()} |", flush=True)


if __name__ == "__main__":
    main()
