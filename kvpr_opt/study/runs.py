"""One run of a study: which fleet, which method, and the key that names the pair."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import msgspec

from kvpr_opt.errors import InputError
from kvpr_opt.problem.instance import Instance
from kvpr_opt.study.user_heuristics import UserHeuristic
from kvpr_opt.suites.cells import GIVEN, PRISM, Cell, FixedFleet
from kvpr_opt.text import one_line


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
        The user's own heuristic; `name` is then what the study calls it.
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
        """Its name in a table, with everything but the time limit and the threads."""
        name = f"{self}, to a gap of {self.gap}" if self.gap != "0" else str(self)
        return name + (f", seed {self.seed}" if self.seed else "")

    def __str__(self) -> str:
        return one_line(self.name + (f" without {', '.join(self.skip)}" if self.skip else ""))


@dataclass(frozen=True)
class Run:
    """One fleet solved once by one method.

    Attributes
    ----------
    cell, seed
        Where the fleet comes from.
    method
        What solves it.
    keep_certificate
        Whether to store the certificate beside the record; not part of the key.
    """

    cell: Cell | FixedFleet
    seed: int
    method: Method
    keep_certificate: bool = field(default=False, compare=False)

    @property
    def fleet(self) -> Instance:
        """The fleet to solve."""
        return self.cell.fleet(self.seed)

    @cached_property
    def fleet_label(self) -> str:
        """The fleet as reports name it."""
        which = self.cell.name if isinstance(self.cell, FixedFleet) else f"seed {self.seed}"
        return one_line(f"{self.cell}, {which}")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that distinguishes this run from others, as plain data."""
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
        return f"{self.fleet_label}, {self.method}"


_Count = Annotated[int, msgspec.Meta(ge=1)]
_Natural = Annotated[int, msgspec.Meta(ge=0)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]


class _MethodIdentity(msgspec.Struct, frozen=True):
    """The key ``method`` of an :attr:`Run.identity`."""

    name: str
    time_limit: _Seconds | None
    threads: _Count | None
    gap: str
    seed: _Natural
    skip: tuple[str, ...]
    program: str | None = None


class _Identity(msgspec.Struct, frozen=True):
    """An :attr:`Run.identity`; the last three keys are those of a fleet that was not drawn."""

    family: str
    gpus: _Count | None
    models: _Natural | None
    options: dict[str, str]
    seed: _Natural
    method: _MethodIdentity
    cell: str = ""
    fleet: str = ""
    fleet_sha256: str = ""


def run_of(identity: Mapping[str, Any]) -> Run:
    """The run of an :attr:`Run.identity`, as a record stores it under ``run``.

    Its names and its key are those of the original run. A fleet that was not drawn is
    not stored, so it cannot be solved again.

    Raises
    ------
    InputError
        If it is not such an identity.
    """
    try:
        found = msgspec.convert(identity, _Identity)
    except msgspec.ValidationError as error:
        raise InputError(str(error)) from None
    return Run(_cell_of(found), found.seed, _method_of(found.method))


def _method_of(stored: _MethodIdentity) -> Method:
    return Method(
        name=stored.name,
        time_limit=stored.time_limit,
        threads=stored.threads,
        gap=stored.gap,
        seed=stored.seed,
        skip=stored.skip,
        program=None if stored.program is None else UserHeuristic(stored.program),
    )


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
        sizes = {"gpus": cell.gpus, "models": cell.models}
        return {"family": cell.family, **sizes, "options": dict(cell.options)}
    return {
        "family": GIVEN,
        "gpus": cell.gpus,
        "models": cell.models,
        "options": {},
        "cell": cell.cell,
        "fleet": cell.name,
        "fleet_sha256": cell.sha256,
    }


def _cell_of(stored: _Identity) -> Cell | FixedFleet:
    gpus, models = stored.gpus, stored.models
    if stored.family == PRISM:
        return Cell(PRISM)
    if gpus is None or models is None:
        raise InputError(f"a fleet of the family {stored.family!r} needs 'gpus' and 'models'")
    if stored.family == GIVEN:
        return FixedFleet(stored.cell, stored.fleet, stored.fleet_sha256, gpus, models)
    return Cell(stored.family, gpus, models, tuple(stored.options.items()))
