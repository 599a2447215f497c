"""What a run answers: a placement, what is proved about it, and why the run ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import msgspec

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.certificates.certificate import Certificate
from kvpr_opt.drawing.rows import (
    MAX_GPUS,
    counted,
    exact_text,
    gap_text,
    kvpr_text,
)
from kvpr_opt.errors import InputError
from kvpr_opt.problem.exact import fraction_text, relative_gap
from kvpr_opt.problem.instance import Instance
from kvpr_opt.problem.placement import GPULoad, Placement
from kvpr_opt.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.text import Text

#: Version of the data that :meth:`Result.to_dict` gives, which is that of the result file.
SCHEMA = "kvpr-opt/result/1"

#: Cells in a line of ``str(result)``.
_WIDTH = 100


class Status(str, Enum):
    """How much is known. It follows from incumbent and bound, and is never set by hand."""

    OPTIMAL = "optimal"
    """A placement, and a proof that none is better."""
    FEASIBLE = "feasible"
    """A placement and a bound below it."""
    INFEASIBLE = "infeasible"
    """A proof that no placement has a finite KVPR."""
    UNKNOWN = "unknown"
    """No placement was found and none was excluded."""

    @classmethod
    def of(cls, placement: Placement | None, lower_bound: Fraction | float | None) -> Status:
        """The status that an incumbent and a bound amount to."""
        if lower_bound == math.inf:
            return cls.INFEASIBLE
        if placement is None:
            return cls.UNKNOWN
        return cls.OPTIMAL if placement.max_kvpr == lower_bound else cls.FEASIBLE


class StopReason(str, Enum):
    """Why the run ended."""

    PROVED = "proved"
    """Optimal, or infeasible: nothing is left to do."""
    GAP = "gap reached"
    """The relative gap asked for was reached."""
    TIME_LIMIT = "time limit"
    """The deadline passed."""
    INTERRUPTED = "interrupted"
    """Ctrl-C, or `on_progress` returned ``False``."""
    FINISHED = "finished"
    """The method did all that it can: a heuristic, or a fleet too large for the solver."""


class Grade(str, Enum):
    """What the lower bound rests on."""

    CERTIFIED = "certified"
    """A proof that the checker has repeated."""
    SOLVER = "solver"
    """The word of a solver, which the certificate names."""
    NOT_CHECKED = "not checked"
    """A proof that the checker has not gone over yet; the message of the result says why."""


_GRADES = {
    Grade.CERTIFIED: "certified: anyone can check the proof",
    Grade.SOLVER: "rests on a solver's word; there is no proof to check",
    Grade.NOT_CHECKED: "by a proof that was not checked",
}

_STYLES = {
    Status.OPTIMAL: "bold green",
    Status.FEASIBLE: "bold yellow",
    Status.INFEASIBLE: "bold red",
    Status.UNKNOWN: "bold red",
}


@dataclass(frozen=True, repr=False)
class Result:
    """The answer of :func:`kvpr_opt.solve`.

    It prints as a short table, shows a picture in a notebook, and can be drawn
    (:meth:`plot`, :meth:`plot_progress`), pickled, and turned into plain data.

    Attributes
    ----------
    instance
        The fleet.
    status
        See :class:`Status`.
    placement
        The best placement found, or ``None``.
    lower_bound
        No placement has a smaller maximum KVPR. ``math.inf`` if infeasible,
        ``None`` if nothing was proved before the run was stopped.
    grade
        What `lower_bound` rests on, see :class:`Grade`; ``None`` without a bound.
    stop_reason
        See :class:`StopReason`.
    message
        For an infeasible fleet the cause, in one line; the reason where the
        certificate was not checked; else empty.
    certificate
        What is claimed, with its evidence.
    seconds
        Wall time of the run.
    parameters, versions
        What it was run with.
    statistics
        Counts and the trajectory of incumbent and bound, as plain data.
    """

    instance: Instance
    status: Status
    placement: Placement | None
    lower_bound: Fraction | float | None
    grade: Grade | None
    stop_reason: StopReason
    message: str
    certificate: Certificate | None
    seconds: float
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    statistics: Mapping[str, Any]

    @property
    def certified(self) -> bool:
        """Whether the checker has repeated the proof of `lower_bound`."""
        return self.grade is Grade.CERTIFIED

    @property
    def max_kvpr(self) -> Fraction | None:
        """Maximum KVPR of the placement, exact; ``None`` without one."""
        if self.placement is None:
            return None
        value = self.placement.max_kvpr
        return value if isinstance(value, Fraction) else None

    @property
    def gap(self) -> Fraction | None:
        """``(max_kvpr - lower_bound) / max_kvpr``, exact; ``None`` if either is missing."""
        return relative_gap(self.max_kvpr, self.lower_bound)

    # -- as text ---------------------------------------------------------------------

    def __repr__(self) -> str:
        value = "" if self.max_kvpr is None else f", max KVPR {kvpr_text(self.max_kvpr)}"
        gap = "" if self.gap is None else f", gap {gap_text(self.gap)}"
        return f"<Result: {self.status.value}{value}{gap}, {self._size}>"

    def __str__(self) -> str:
        return self.to_text(width=_WIDTH, max_gpus=MAX_GPUS)

    def to_text(self, *, width: int | None = None, max_gpus: int | None = None) -> str:
        """The answer as a table with a line for each fact, as the command prints it.

        Parameters
        ----------
        width
            Cells in a line; ``None`` for lines of any length, one per GPU.
        max_gpus
            GPUs shown, the most pressed ones; ``None`` for all of them.
        """
        return self.styled_text(width=width, max_gpus=max_gpus).plain

    def styled_text(
        self, *, width: int | None = None, max_gpus: int | None = None, hint: str = ""
    ) -> Text:
        """The text of :meth:`to_text` with its colours, for a :mod:`rich` console.

        Parameters
        ----------
        width, max_gpus
            As there.
        hint
            How to see GPUs that are left out.
        """
        from kvpr_opt.drawing.answer import answer_text

        return answer_text(
            None if self.placement is None else self.placement.gpus,
            (self.status.value.upper(), _STYLES[self.status]),
            self.ending,
            self.facts,
            width=width,
            max_gpus=max_gpus,
            hint=hint,
        )

    @property
    def ending(self) -> str:
        """The size of the fleet, the time taken and why the run ended, in a few words."""
        reason = str(self.stop_reason.value)
        if self.stop_reason is StopReason.FINISHED:
            alone = self.parameters.get("method") == "heuristic"
            reason = "heuristic alone, as asked for" if alone else "the method can do no more"
        return f"{self._size}, {self.seconds:.2f} s, {reason}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is known, as names and values to read: the cause, KVPR, bound and gap."""
        facts = []
        if self.message:
            name = "cause" if self.status is Status.INFEASIBLE else "note"
            facts.append((name, printable(self.message)))
        if self.max_kvpr is not None:
            value = f"{kvpr_text(self.max_kvpr)}{exact_text(self.max_kvpr)}"
            facts.append(("highest KVPR", value))
        grade = "nothing proved yet" if self.grade is None else _GRADES[self.grade]
        if self.status is Status.INFEASIBLE:
            facts.append(("evidence", grade))
        else:
            facts.append(("lower bound", f"{kvpr_text(self.lower_bound)} ({grade})"))
            facts.append(("gap", gap_text(self.gap)))
        return facts

    @property
    def _size(self) -> str:
        models, gpus = len(self.instance.models), len(self.instance.gpus)
        return f"{counted(models, 'model')} on {counted(gpus, 'GPU')}"

    # -- as a picture ----------------------------------------------------------------

    def _repr_html_(self) -> str:
        from kvpr_opt.drawing.page import answer_html

        rows = None if self.placement is None else self.placement.gpus
        status = self.status.value.upper()
        return answer_html(rows, status, self.ending, self.facts, max_gpus=MAX_GPUS)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the placement, as :meth:`Placement.plot` does.

        Raises
        ------
        InputError
            If there is no placement, or matplotlib is not installed (extra ``study``).
        """
        if self.placement is None:
            raise InputError(f"there is no placement to draw: the fleet is {self.status.value}")
        return self.placement.plot(ax)

    def plot_progress(self, ax: Axes | None = None) -> Axes:
        """Draw how the best placement and the lower bound came together over the run.

        Parameters
        ----------
        ax
            Where to draw; a figure is made without.

        Returns
        -------
        matplotlib.axes.Axes
            The axis, with seconds and KVPR.

        Raises
        ------
        InputError
            If matplotlib is not installed (extra ``study``).
        """
        from kvpr_opt.drawing.plot import plot_progress

        return plot_progress(self.statistics.get("trajectory", ()), ax)

    # -- as data ---------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain data, ready for JSON: what the result file holds.

        Returns
        -------
        dict
            KVPR and bound as ``{"exact": "29/777", "decimal": 0.0373}`` or ``None``; all
            other quantities as floats, in the units of the fleet. An infeasible fleet has
            no bound there: its status says it all. The certificate is left out.
        """
        placement = self.placement
        data = {
            "schema": SCHEMA,
            "instance_sha256": digest(self.instance),
            "status": self.status.value,
            "stop_reason": self.stop_reason.value,
            "message": self.message,
            "certified": self.certified,
            "grade": None if self.grade is None else self.grade.value,
            "max_kvpr": _number(self.max_kvpr),
            "lower_bound": _number(self.lower_bound),
            "gap": None if self.gap is None else float(self.gap),
            "assignment": None if placement is None else dict(placement.assignment),
            "gpus": [] if placement is None else [_load(gpu) for gpu in placement.gpus],
            "seconds": round(self.seconds, 4),
            "versions": dict(self.versions),
            "parameters": dict(self.parameters),
            "statistics": dict(self.statistics),
        }
        plain: dict[str, Any] = msgspec.to_builtins(data)
        return plain


def _number(value: Fraction | float | None) -> dict[str, Any] | None:
    if not isinstance(value, Fraction):
        return None
    return {"exact": fraction_text(value), "decimal": float(value)}


def _load(gpu: GPULoad) -> dict[str, Any]:
    return {
        "name": gpu.name,
        "memory": float(gpu.memory),
        "used": float(gpu.used),
        "pressure": float(gpu.pressure),
        "kvpr": float(gpu.kvpr),
    }
