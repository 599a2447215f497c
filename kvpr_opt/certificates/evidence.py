"""Why a threshold cannot be met: the arguments behind a lower bound.

Every argument speaks about the bin-packing problem of one threshold (see
:mod:`kvpr_opt.problem.scaled`). An argument that the checker can repeat with integer
arithmetic is *certified*; a solver's answer is only a claim. A new kind of
argument is one class here, the form in which it is written in
:mod:`kvpr_opt.certificates.certificate`, and its check in :mod:`kvpr_opt.verify`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar, NamedTuple

from kvpr_opt.verify import LIMITS, bundles, row_bytes

#: Bytes that the checker changes in some tenths of a second.
QUICK_WORK = 300_000_000


@dataclass(frozen=True)
class Volume:
    """All models together are larger than all GPUs together."""

    kind: ClassVar[str] = "volume"
    certified: ClassVar[bool] = True


@dataclass(frozen=True)
class Counting:
    """More of these models than the GPUs can hold, however they are chosen.

    A GPU holds at most k of them if the k + 1 smallest exceed its capacity; the
    k of all GPUs add up to less than their number. One model that no GPU can
    hold is the simplest case.

    Attributes
    ----------
    models
        Indices, in input order.
    """

    models: tuple[int, ...]
    kind: ClassVar[str] = "counting"
    certified: ClassVar[bool] = True


@dataclass(frozen=True)
class Pinned:
    """What is pinned to one GPU is more than it can hold.

    Attributes
    ----------
    gpu
        Its number.
    """

    gpu: int
    kind: ClassVar[str] = "pinned"
    certified: ClassVar[bool] = True


@dataclass(frozen=True)
class DualVector:
    """Points for the models that add up to more than the GPUs can hold.

    No set of models that fits a GPU is worth more points than the GPU's type
    may hold, yet all models together are worth more than all GPUs may hold.
    Such points are a solution, scaled to integers, of the linear program dual
    to packing by patterns (Gilmore and Gomory 1961, doi:10.1287/opre.9.6.849).

    Attributes
    ----------
    models
        Points by model, in input order; natural numbers.
    gpus
        The most points that fit a GPU, by type, in the order of
        :attr:`kvpr_opt.problem.scaled.ScaledInstance.types`.
    """

    models: tuple[int, ...]
    gpus: tuple[int, ...]
    kind: ClassVar[str] = "dual"
    certified: ClassVar[bool] = True

    def row_work(self, sizes: Sequence[int], room: int) -> int | None:
        """Bytes that the checker changes, given the sizes of the models and the largest capacity.

        Its row has the least size for each number of points, or the most points for each size,
        and is changed once for each model; of equal ones, for bundles of those that fit beside
        each other. ``None`` where the checker uses no row, since it or the work would be too long.
        """
        return row_work(Counter(zip(sizes, self.models, strict=True)), max(self.gpus), room)


def row_work(held: Mapping[tuple[int, int], int], most: int, room: int) -> int | None:
    """As :meth:`DualVector.row_work`.

    Parameters
    ----------
    held
        How many models there are of each size and points.
    most, room
        The most points of any type, and the largest capacity.
    """
    row = row_bytes(most, room)
    fitting = {item: min(n, room // item[0]) for item, n in held.items() if item[0]}
    work = row * len(bundles(fitting))
    return work if row <= LIMITS.row_bytes and work <= LIMITS.row_work else None


@dataclass(frozen=True)
class ConstrainedVector:
    """Points as in :class:`DualVector`, for the sets of models that constraints allow.

    Pinned models are not items but take up capacity; a GPU holds at most one of a group.
    Nodes are left out, and so are all groups of a model but the largest.

    Attributes
    ----------
    models
        Points by model, in input order; natural numbers. Those of pinned models are ignored.
    gpus
        The most points that fit a GPU, by type.
    types
        The type of each GPU, in input order.
    """

    models: tuple[int, ...]
    gpus: tuple[int, ...]
    types: tuple[int, ...]
    kind: ClassVar[str] = "constrained"
    certified: ClassVar[bool] = True

    def row_work(self, room: int, profiles: int, grouped: int) -> int | None:
        """Bytes that the checker changes; ``None`` where that is more than it does.

        Parameters
        ----------
        room
            The largest capacity.
        profiles
            How many sets of models there are that some GPU may hold.
        grouped
            Names in all groups whose models are to be apart: the checker asks each GPU for
            each of them and for each model.
        """
        row = row_bytes(max(self.gpus), room)
        work = row * len(self.models) * profiles
        pairs = len(self.types) * (len(self.models) + grouped)
        within = row <= LIMITS.row_bytes and work <= LIMITS.row_work and pairs <= LIMITS.pairs
        return work if within else None


class Refuted(NamedTuple):
    """A packing that the checker's routine has ruled out, and what it said.

    Attributes
    ----------
    items
        Size and points of each model.
    bins
        Number, capacity and points of the GPUs of each type.
    said
        The routine's answer.
    """

    items: tuple[tuple[int, int], ...]
    bins: tuple[tuple[int, int, int], ...]
    said: str


@dataclass(frozen=True)
class Tree:
    """Points as in :class:`DualVector`, but with some to spare, and few ways to lose them.

    A GPU of a packing holds at most so many points less than its type may hold
    as all GPUs together may hold more than the models have. Few sets of models
    stay within that, and no choice of them, one for each GPU, holds all models.
    The points are nearly a solution of the linear program of
    :class:`DualVector`; a set that loses too many of them is one whose reduced
    cost exceeds the gap (Nemhauser and Wolsey 1988,
    doi:10.1002/9781118627372, section II.1.5).

    Attributes
    ----------
    models, gpus
        As in :class:`DualVector`.
    refuted
        What the checker's routine has ruled out when the proof was made, if it was asked.
    """

    models: tuple[int, ...]
    gpus: tuple[int, ...]
    refuted: Refuted | None = field(default=None, compare=False, repr=False)
    kind: ClassVar[str] = "tree"
    certified: ClassVar[bool] = True


@dataclass(frozen=True)
class SolverClaim:
    """A solver's claim, which the checker cannot repeat.

    Attributes
    ----------
    solver, version
        What made the claim.
    threshold
        What it refutes: "there is a placement with max KVPR <= threshold".
    parameters
        The settings under which it was run.
    """

    solver: str
    version: str
    threshold: Fraction | float
    parameters: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    kind: ClassVar[str] = "solver"
    certified: ClassVar[bool] = False


@dataclass(frozen=True)
class Rounded:
    """What `proof` says of the fleet whose pressures are rounded down to multiples of `unit`.

    No placement is worth more there than it is, so a bound of that fleet is one of this.
    """

    unit: Fraction
    proof: Volume | Counting | Pinned | DualVector | ConstrainedVector | Tree | SolverClaim
    kind: ClassVar[str] = "rounded"

    @property
    def certified(self) -> bool:
        """Whether the checker can repeat it."""
        return self.proof.certified


Evidence = (
    Volume | Counting | Pinned | DualVector | ConstrainedVector | Tree | SolverClaim | Rounded
)


@dataclass(frozen=True)
class LowerBound:
    """No placement has a smaller maximum KVPR than `value`, because of `evidence`.

    `value` is ``math.inf`` where no placement has a finite one: the fleet is
    infeasible.
    """

    value: Fraction | float
    evidence: Evidence
