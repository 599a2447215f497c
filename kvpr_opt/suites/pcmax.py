r"""Instances of the scheduling problem P\|\|Cmax as fleets.

P\|\|Cmax: assign n jobs of given lengths to m identical machines such that the makespan
Cmax, the time at which the last machine finishes, is as small as possible. Two embeddings
preserve the optimum:

``pressure``
    A job of length p is a model without weights and of pressure p. On GPUs of
    memory C the maximum KVPR of a schedule is Cmax / C.
``both``
    A job of length p is a model of size p and pressure r p, for a fixed rate r.
    A GPU with the load M has the KVPR r M / (C - M), which grows with M: the
    maximum KVPR of a schedule is r Cmax / (C - Cmax), as long as C > Cmax.

So published instances, and what is known about them, can be used here. P\|\|Cmax is
strongly NP-hard [1]_.

References
----------
.. [1] M. R. Garey, D. S. Johnson, Computers and Intractability, 1979, problem SS8.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from fractions import Fraction

import msgspec

from kvpr_opt.errors import InputError, check_known
from kvpr_opt.files.source import label, read_text
from kvpr_opt.problem.instance import GPU, LLM, Instance

#: The two embeddings by name.
EMBEDDINGS = ("pressure", "both")

# C and r are arbitrary: the optimal schedules do not depend on them.
_MEMORY = 100
_RATE = Fraction(3, 7)


class PublishedSchedule(msgspec.Struct, frozen=True, rename={"group": "class"}):
    """What is known of an instance that a fleet embeds.

    Attributes
    ----------
    embedding
        Of :data:`EMBEDDINGS`.
    memory
        Of every GPU.
    optimum
        The smallest makespan; ``None`` where its collection has none.
    group
        The class of the instance in its collection; empty if the file has none.
    """

    embedding: str
    memory: int
    optimum: int | None = None
    group: str = ""

    def max_kvpr(self, makespan: Fraction | int) -> Fraction:
        """The maximum KVPR of a schedule of this makespan."""
        if self.embedding == "both":
            return _RATE * makespan / (self.memory - makespan)
        return Fraction(makespan, self.memory)

    def makespan(self, max_kvpr: Fraction) -> Fraction:
        """The makespan of a schedule of this maximum KVPR."""
        if self.embedding == "both":
            return max_kvpr * self.memory / (_RATE + max_kvpr)
        return max_kvpr * self.memory


@dataclass(frozen=True)
class Schedule:
    """One instance of the scheduling problem.

    Attributes
    ----------
    name
        As published.
    machines
        How many, at least 1.
    items
        The lengths of the jobs, at least 0.
    optimum
        The smallest makespan, where it is published.
    group
        Its class in the collection that it comes from.
    """

    name: str
    machines: int
    items: tuple[int, ...]
    optimum: int | None = None
    group: str = ""

    def published(self, embedding: str) -> PublishedSchedule:
        """What is known of the instance, for the fleet of an embedding."""
        return PublishedSchedule(embedding, self._memory(embedding), self.optimum, self.group)

    def fleet(self, embedding: str) -> Instance:
        """The instance as a fleet.

        Parameters
        ----------
        embedding
            Of :data:`EMBEDDINGS`, as the description of this module has them.

        Raises
        ------
        InputError
            For another embedding.
        """
        check_known("embedding", embedding, EMBEDDINGS, place="embedding")
        heavy = embedding == "both"
        return Instance(
            [GPU(f"gpu{index}", self._memory(embedding)) for index in range(self.machines)],
            [
                LLM(f"job{index}", size=p if heavy else 0, pressure=_RATE * p if heavy else p)
                for index, p in enumerate(self.items)
            ],
        )

    def max_kvpr(self, makespan: int, embedding: str) -> Fraction:
        """The maximum KVPR of a schedule of this makespan."""
        return self.published(embedding).max_kvpr(makespan)

    def _memory(self, embedding: str) -> int:
        if embedding == "pressure":
            return _MEMORY
        # List scheduling keeps below mean load + longest job (Graham 1966,
        # doi:10.1002/j.1538-7305.1966.tb01709.x), so more than that has room for an optimum.
        mean = -(-sum(self.items) // self.machines)
        return mean + 2 * max(self.items, default=0) + 1


class _ScheduleLine(msgspec.Struct, forbid_unknown_fields=True, rename={"group": "cls"}):
    """One line of the file."""

    name: str
    machines: int
    items: list[int]
    optimum: int | None = None
    group: str = ""


def read_schedules(path: str | os.PathLike[str]) -> list[Schedule]:
    """Read instances from a file of one JSON object a line.

    Each has the keys ``name``, ``machines`` and ``items`` (the lengths of the jobs);
    ``optimum`` and ``cls`` (the class of the instance in its collection) may be
    left out. Empty lines are skipped.

    Raises
    ------
    InputError
        If the file cannot be read, has no instance, or a line is not an instance; the
        error names the line.
    """
    schedules: dict[str, Schedule] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            schedule = _schedule(line)
            if schedule.name in schedules:
                raise InputError(f"name {schedule.name!r} appears twice", place="name")
        except InputError as error:
            raise error.within(place=f"line {number}", source=label(path)) from None
        schedules[schedule.name] = schedule
    if not schedules:
        raise InputError("the file has no instance", source=label(path))
    return list(schedules.values())


def _schedule(line: str) -> Schedule:
    try:
        read = msgspec.json.decode(line, type=_ScheduleLine)
    except msgspec.DecodeError as error:
        raise InputError(f"not an instance of P||Cmax: {error}") from None
    for name, value, least in (
        ("machines", read.machines, 1),
        ("optimum", read.optimum, 0),
        *((f"items[{index}]", item, 0) for index, item in enumerate(read.items)),
    ):
        if value is not None and value < least:
            raise InputError(f"{json.dumps(value)} is not at least {least}", place=name)
    return Schedule(read.name, read.machines, tuple(read.items), read.optimum, read.group)
