"""One run of a study: which fleet, which method, and the key that names the pair."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from kvpr_opt.canonical import digest
from kvpr_opt.generate import prism_instance, random_instance
from kvpr_opt.instance import Instance
from kvpr_opt.study.programs import Program

#: The family whose fleets are fixed: its seeds are the numbers of its cases.
PRISM = "prism"

#: What stands in the place of a family for fleets that are not drawn.
GIVEN = "given"


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

    def fleet_name(self, seed: int) -> str:
        """A name for the fleet of one seed, usable as that of a file."""
        if self.family == PRISM:
            return f"{PRISM}-{seed:02}"
        options = "".join(f"-{name}{text.replace('/', '_')}" for name, text in self.options)
        return f"{self.family}{options}-{self.gpus}x{self.models}-s{seed}"

    def __str__(self) -> str:
        size = "" if self.gpus is None else f" {self.gpus} x {self.models}"
        return f"{self.family}{size}" + "".join(f", {name} {text}" for name, text in self.options)


@dataclass(frozen=True)
class Given:
    """A fleet that comes with the study and is not drawn.

    Attributes
    ----------
    cell
        What it came by: the path or pattern as the study has it.
    name
        Unique within the cell.
    sha256
        Digest of the fleet. A file that changes is another fleet.
    gpus, models
        How many.
    instance
        The fleet; ``None`` in what was read from a record.
    """

    cell: str
    name: str
    sha256: str
    gpus: int
    models: int
    instance: Instance | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, cell: str, name: str, instance: Instance) -> Given:
        """The fleet under its name."""
        sizes = len(instance.gpus), len(instance.models)
        return cls(cell, name, digest(instance), *sizes, instance)

    def fleet(self, _seed: int) -> Instance:
        """The fleet itself."""
        assert self.instance is not None, "a record does not hold the fleets"
        return self.instance

    def fleet_name(self, _seed: int) -> str:
        """Its name."""
        return self.name

    def __str__(self) -> str:
        return self.cell


@dataclass(frozen=True)
class Method:
    """How a fleet is solved: the arguments of :func:`kvpr_opt.solve` that a study sets.

    Attributes
    ----------
    name
        As ``method`` there, or a heuristic of :mod:`kvpr_opt.study.arena`.
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
    program
        A heuristic of one's own; `name` is then what the study calls it.
    """

    name: str
    time_limit: float | None = None
    threads: int | None = None
    gap: str = "0"
    seed: int = 0
    skip: tuple[str, ...] = ()
    program: Program | None = None

    @property
    def label(self) -> str:
        """What sets it apart in a table, but for limit and threads."""
        name = f"{self}, to a gap of {self.gap}" if self.gap != "0" else str(self)
        return name + (f", seed {self.seed}" if self.seed else "")

    def __str__(self) -> str:
        return self.name + (f" without {', '.join(self.skip)}" if self.skip else "")


@dataclass(frozen=True)
class Run:
    """One fleet solved once by one method."""

    cell: Cell | Given
    seed: int
    method: Method

    @property
    def fleet(self) -> Instance:
        """The fleet that is solved."""
        return self.cell.fleet(self.seed)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that sets this run apart from others, as plain data."""
        return {
            **_cell_identity(self.cell),
            "seed": self.seed,
            "method": _method_identity(self.method),
        }

    @cached_property
    def key(self) -> str:
        """A short name for :attr:`identity`: equal for equal runs, in every version."""
        text = json.dumps(self.identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

    def __str__(self) -> str:
        which = self.cell.name if isinstance(self.cell, Given) else f"seed {self.seed}"
        return f"{self.cell}, {which}, {self.method}"


def run_of(identity: Mapping[str, Any]) -> Run:
    """The run of an :attr:`Run.identity`, as a record has it under ``run``.

    Its names and its key are those of the run itself; a fleet that was not drawn
    is not in it.
    """
    asked = dict(identity["method"])
    program = Program(asked.pop("program")) if "program" in asked else None
    method = Method(**{**asked, "skip": tuple(asked["skip"]), "program": program})
    return Run(_cell_of(identity), identity["seed"], method)


def _method_identity(method: Method) -> dict[str, Any]:
    limit = method.time_limit
    return {
        "name": method.name,
        "time_limit": None if limit is None else float(limit),
        "threads": method.threads,
        "gap": method.gap,
        "seed": method.seed,
        "skip": list(method.skip),
        **({} if method.program is None else {"program": method.program.reference}),
    }


def _cell_identity(cell: Cell | Given) -> dict[str, Any]:
    if isinstance(cell, Cell):
        return {**asdict(cell), "options": dict(cell.options)}
    return {
        "family": GIVEN,
        "gpus": cell.gpus,
        "models": cell.models,
        "options": {},
        "cell": cell.cell,
        "fleet": cell.name,
        "fleet_sha256": cell.sha256,
    }


def _cell_of(identity: Mapping[str, Any]) -> Cell | Given:
    gpus, models = identity["gpus"], identity["models"]
    if identity["family"] == GIVEN:
        return Given(identity["cell"], identity["fleet"], identity["fleet_sha256"], gpus, models)
    return Cell(identity["family"], gpus, models, tuple(identity["options"].items()))
