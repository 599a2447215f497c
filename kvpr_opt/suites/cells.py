"""The sources of fleets in suites and studies: drawn by family and seed, or given."""

from __future__ import annotations

from dataclasses import dataclass, field

from kvpr_opt.certificates.canonical import digest
from kvpr_opt.generate import prism_instance, random_instance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.suites.constrained import constrained
from kvpr_opt.suites.pcmax import PublishedSchedule
from kvpr_opt.text import writable

#: The family of the public benchmark; its seeds are the numbers of its cases.
PRISM = "prism"

#: The family of fleets that are not drawn.
GIVEN = "given"


#: The option of cells whose fleets get constraints; see :mod:`kvpr_opt.suites.constrained`.
CONSTRAINED = "constrained"


@dataclass(frozen=True)
class Cell:
    """Fleets that differ only in their seed.

    Attributes
    ----------
    family
        A name in :data:`kvpr_opt.generate.FAMILIES`, or ``prism``.
    gpus, models
        Their numbers; ``None`` for ``prism``.
    options
        Further options of the family: names and values, as text.
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
            If the family cannot draw such a fleet.
        """
        if self.family == PRISM:
            return prism_instance(seed)
        assert self.gpus is not None
        assert self.models is not None
        options = dict(self.options)
        kind = options.pop(CONSTRAINED, None)
        fleet = random_instance(
            self.family, gpus=self.gpus, models=self.models, seed=seed, **options
        )
        return fleet if kind is None else constrained(fleet)

    @property
    def is_plain(self) -> bool:
        """Whether the fleets are as the family draws them, without constraints."""
        return CONSTRAINED not in dict(self.options)

    def fleet_name(self, seed: int) -> str:
        """A name for the fleet of one seed, usable as a file name."""
        if self.family == PRISM:
            return f"{PRISM}-{seed:02}"
        options = "".join(f"-{name}{text.replace('/', '_')}" for name, text in self.options)
        return f"{self.family}{options}-{self.gpus}x{self.models}-s{seed}"

    def __str__(self) -> str:
        size = "" if self.gpus is None else f" {self.gpus} x {self.models}"
        return f"{self.family}{size}" + "".join(f", {name} {text}" for name, text in self.options)


@dataclass(frozen=True)
class FixedFleet:
    """A fleet that is given, not drawn.

    Attributes
    ----------
    cell
        Where it comes from: the path or pattern in the study.
    name
        Unique within the cell.
    sha256
        Digest of the fleet: a file that changes is another fleet.
    gpus, models
        Their numbers.
    instance
        The fleet; ``None`` in what was read from a record.
    published
        What is known of the instance of P||Cmax that the fleet embeds, if it does.
    """

    cell: str
    name: str
    sha256: str
    gpus: int
    models: int
    instance: Instance | None = field(default=None, compare=False, repr=False)
    published: PublishedSchedule | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls,
        cell: str,
        name: str,
        instance: Instance,
        published: PublishedSchedule | None = None,
    ) -> FixedFleet:
        """The given fleet, under a name."""
        sizes = len(instance.gpus), len(instance.models)
        # File names may hold bytes that are not valid text.
        return cls(writable(cell), writable(name), digest(instance), *sizes, instance, published)

    def fleet(self, _seed: int) -> Instance:
        """The fleet itself."""
        assert self.instance is not None, "a record does not hold the fleets"
        return self.instance

    def fleet_name(self, _seed: int) -> str:
        """Its name."""
        return self.name

    def __str__(self) -> str:
        return self.cell
