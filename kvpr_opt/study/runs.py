"""One run of a study: which fleet, which method, and the key that names the pair."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from kvpr_opt.generate import prism_instance, random_instance
from kvpr_opt.instance import Instance

#: The family whose fleets are fixed: its seeds are the numbers of its cases.
PRISM = "prism"


@dataclass(frozen=True)
class Cell:
    """Fleets that differ in their seed only.

    Attributes
    ----------
    family
        A name in :data:`kvpr_opt.generate.FAMILIES`, or ``prism``.
    gpus, models
        How many; ``None`` for ``prism``.
    options
        Name and value, as text, of what the family takes beside them.
    """

    family: str
    gpus: int | None = None
    models: int | None = None
    options: tuple[tuple[str, str], ...] = ()

    def fleet(self, seed: int) -> Instance:
        """The fleet of one seed.

        Raises
        ------
        InputError
            If the family has no such fleet.
        """
        if self.family == PRISM:
            return prism_instance(seed)
        assert self.gpus is not None
        assert self.models is not None
        return random_instance(
            self.family, gpus=self.gpus, models=self.models, seed=seed, **dict(self.options)
        )

    def __str__(self) -> str:
        size = "" if self.gpus is None else f" {self.gpus} x {self.models}"
        return f"{self.family}{size}" + "".join(f", {name} {text}" for name, text in self.options)


@dataclass(frozen=True)
class Method:
    """How a fleet is solved; the arguments of :func:`kvpr_opt.solve` that a study sets.

    Attributes
    ----------
    name
        As ``method`` there.
    time_limit
        Seconds, ``None`` for no limit.
    threads
        Cores, ``None`` for all.
    gap
        Relative gap at which to stop, as exact text.
    seed
        For the solver.
    skip
        Stages left out, sorted.
    """

    name: str
    time_limit: float | None = None
    threads: int | None = None
    gap: str = "0"
    seed: int = 0
    skip: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name + (f" without {', '.join(self.skip)}" if self.skip else "")


@dataclass(frozen=True)
class Run:
    """One fleet solved once by one method."""

    cell: Cell
    seed: int
    method: Method

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that sets this run apart from others, as plain data."""
        limit = self.method.time_limit
        return {
            **asdict(self.cell),
            "options": dict(self.cell.options),
            "seed": self.seed,
            "method": {
                **asdict(self.method),
                "time_limit": None if limit is None else float(limit),
                "skip": list(self.method.skip),
            },
        }

    @cached_property
    def key(self) -> str:
        """A short name for :attr:`identity`: equal for equal runs, in every version."""
        text = json.dumps(self.identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.cell}, seed {self.seed}, {self.method}"
