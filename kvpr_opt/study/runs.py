"""One run of a study: which fleet, which method, and the key that names the pair."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from kvpr_opt.problem.instance import Instance
from kvpr_opt.study.user_heuristics import UserHeuristic
from kvpr_opt.suites.cells import GIVEN, Cell, FixedFleet


@dataclass(frozen=True)
class Method:
    """How a fleet is solved: the arguments of :func:`kvpr_opt.solve` that a study sets.

    Attributes
    ----------
    name
        As ``method`` there, or a heuristic of :mod:`kvpr_opt.study.heuristics`.
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
    program: UserHeuristic | None = None

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

    cell: Cell | FixedFleet
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
        which = self.cell.name if isinstance(self.cell, FixedFleet) else f"seed {self.seed}"
        return f"{self.cell}, {which}, {self.method}"


def run_of(identity: Mapping[str, Any]) -> Run:
    """The run of an :attr:`Run.identity`, as a record has it under ``run``.

    Its names and its key are those of the run itself; a fleet that was not drawn
    is not in it.
    """
    asked = dict(identity["method"])
    program = UserHeuristic(asked.pop("program")) if "program" in asked else None
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


def _cell_identity(cell: Cell | FixedFleet) -> dict[str, Any]:
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


def _cell_of(identity: Mapping[str, Any]) -> Cell | FixedFleet:
    gpus, models = identity["gpus"], identity["models"]
    if identity["family"] == GIVEN:
        return FixedFleet(
            identity["cell"], identity["fleet"], identity["fleet_sha256"], gpus, models
        )
    return Cell(identity["family"], gpus, models, tuple(identity["options"].items()))
