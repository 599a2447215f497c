"""Named sets of fleets that are the same for everybody, so that results can be compared.

A suite is a list of seeded cells with a name and a version; its content never changes
within a version. ``prism50`` is the public benchmark, whose optima are
shipped with their proofs. The graded suites have 2, 3, 4, 6 and 8 models a GPU on
4 to 32 GPUs: the first are solved in milliseconds, the last are open. ``evolve-train``
and ``evolve-held-out`` are for heuristics that are found by search; their optima are
shipped, too.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kvpr_opt.errors import InputError, nearest
from kvpr_opt.files.reading import read_instance
from kvpr_opt.problem.instance import Instance
from kvpr_opt.suites.cells import CONSTRAINED, PRISM, Cell
from kvpr_opt.suites.optima import Optimum, optimum
from kvpr_opt.suites.pcmax import EMBEDDINGS, read_schedules

__all__ = ["SUITES", "Optimum", "Suite", "load", "named", "optimum", "read_fleets", "read_pcmax"]

#: A fleet and its name, which is unique within its suite.
Named = tuple[str, Instance]

# The grades: models a GPU, and GPUs.
_PER_GPU = (2, 3, 4, 6, 8)
_GPUS = (4, 8, 16, 32)

# Suffixes of the fleet files in a folder, and the characters that make a path a pattern.
_SUFFIXES = (".json", ".yaml", ".yml")
_PATTERN = "*?["


@dataclass(frozen=True)
class Suite:
    """A named set of fleets.

    Attributes
    ----------
    name
        As in :data:`SUITES`.
    version
        Increased whenever its content changes.
    about
        One line.
    cells
        Its cells, and the seeds of each.
    """

    name: str
    version: int
    about: str
    cells: tuple[tuple[Cell, tuple[int, ...]], ...]

    def members(self) -> Iterator[tuple[Cell, int]]:
        """Cell and seed of each fleet, in order."""
        return ((cell, seed) for cell, seeds in self.cells for seed in seeds)

    def fleets(self) -> list[Named]:
        """All its fleets by name, in order."""
        return [(cell.fleet_name(seed), cell.fleet(seed)) for cell, seed in self.members()]


def _graded(family: str, about: str, **options: str) -> Suite:
    cells = tuple(
        (Cell(family, gpus, per_gpu * gpus, tuple(options.items())), (0, 1))
        for per_gpu in _PER_GPU
        for gpus in _GPUS
    )
    return Suite(family, 1, about, cells)


def _members(
    seeds: tuple[int, ...], *shapes: tuple[str, int, int]
) -> tuple[tuple[Cell, tuple[int, ...]], ...]:
    """Cells of a family, GPUs and models each, with the same seeds."""
    skew = {"long-tail": (("skew", "0.5"),)}
    return tuple((Cell(*shape, skew.get(shape[0], ())), seeds) for shape in shapes)


def _paper(version: int, family: str, about: str) -> Suite:
    cells = tuple(
        (Cell(family, 32, 58, (("skew", skew),)), tuple(range(5))) for skew in ("0.5", "0.9")
    )
    return Suite("paper", version, f"{about}; flat and steep popularity", cells)


#: Every suite by name, in its newest version.
SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "prism50",
            1,
            "the 50 fleets of the public Prism benchmark",
            ((Cell(PRISM), tuple(range(50))),),
        ),
        _graded("uniform", "whole numbers, GPUs of 80"),
        _graded("zero-heavy", "the same with 30 % of the models without traffic"),
        _graded("long-tail", "few large and popular models, many idle ones", skew="0.5"),
        _graded("precise", "pressures of six decimals"),
        _graded("mixed", "GPUs of 60, 80 and 100"),
        Suite(
            "evolve-train",
            1,
            "to evolve a heuristic on: 14 small fleets of equal GPUs",
            _members(
                (100, 101),
                ("uniform", 4, 12),
                ("uniform", 8, 16),
                ("uniform", 8, 24),
                ("uniform", 8, 32),
                ("zero-heavy", 8, 24),
                ("zero-heavy", 8, 32),
                ("long-tail", 8, 24),
            ),
        ),
        Suite(
            "evolve-held-out",
            1,
            "to see what it is worth elsewhere: other seeds, larger, unequal GPUs, constraints",
            _members(
                (200, 201),
                ("uniform", 16, 48),
                ("uniform", 16, 64),
                ("uniform", 32, 96),
                ("zero-heavy", 16, 48),
                ("zero-heavy", 16, 64),
                ("long-tail", 16, 48),
                ("precise", 8, 24),
                ("mixed", 8, 24),
                ("mixed", 16, 48),
            )
            + tuple(
                (Cell(family, gpus, 3 * gpus, ((CONSTRAINED, "1"),)), (200, 201))
                for family, gpus in (("uniform", 4), ("zero-heavy", 6))
            ),
        ),
        _paper(2, "paper@2", "58 models on 32 GPUs as in the Prism paper, popular ones split"),
    )
}

#: Suites that have a newer version, by name and version.
OLDER: dict[tuple[str, int], Suite] = {
    (suite.name, suite.version): suite
    for suite in (_paper(1, "paper", "58 models on 32 GPUs as in the Prism paper"),)
}


def named(name: str, *, place: str = "suite") -> Suite:
    """The suite with a name, in its newest version, or as ``name@version``.

    Raises
    ------
    InputError
        If there is no such suite, or not in that version.
    """
    plain, _, version = name.partition("@")
    if plain not in SUITES:
        raise InputError(
            f"suite {name!r} is not known{nearest(plain, SUITES)}; known: {', '.join(SUITES)}",
            place=place,
        )
    newest = SUITES[plain]
    known = [newest, *(suite for suite in OLDER.values() if suite.name == plain)]
    for suite in known:
        if version in ("", str(suite.version)):
            return suite
    versions = " and ".join(str(suite.version) for suite in reversed(known))
    raise InputError(f"suite {plain!r} has version {versions} here, not {version!r}", place=place)


def load(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Named]:
    """The fleets of a suite, of files or of P||Cmax instances.

    Parameters
    ----------
    source
        The name of a suite, ``name@version``, a folder of fleet files, a pattern of
        paths, a fleet file, a ``.jsonl`` file of P||Cmax instances (each in both
        embeddings), or a list of paths.

    Returns
    -------
    list of (str, Instance)
        Names are unique.

    Raises
    ------
    InputError
        If it is none of these, or one of its files cannot be read.
    """
    if not isinstance(source, str | os.PathLike):
        return read_fleets(source)
    text = os.fspath(source)
    if text.partition("@")[0] in SUITES:
        return named(text).fleets()
    if text.endswith(".jsonl"):
        return read_pcmax(text)
    if _leads_to_files(text):
        return read_fleets([text])
    raise InputError(
        f"{text!r} is neither a suite{nearest(text, SUITES)} nor a file; "
        f"suites: {', '.join(SUITES)}",
        place="suite",
    )


def files_of(source: str) -> list[str]:
    """The files that :func:`load` reads for a suite given as text; none for a named one."""
    if source.partition("@")[0] in SUITES or not _leads_to_files(source):
        return []
    return expand(source)


def read_fleets(paths: Sequence[str | os.PathLike[str]]) -> list[Named]:
    """The fleets of files, folders and patterns; each is named by its file.

    Parameters
    ----------
    paths
        Files, folders (of which all ``.json``, ``.yaml`` and ``.yml`` files are
        taken) and patterns such as ``fleets/*.yaml``; what these find is sorted.

    Raises
    ------
    InputError
        If a path does not exist, a file is not a fleet, or two have the same name.
    """
    fleets: dict[str, tuple[str, Instance]] = {}
    for path in paths:
        for file in expand(os.fspath(path)):
            name = os.path.basename(file)
            if name in fleets:
                raise InputError(f"{fleets[name][0]} has the same name", source=file)
            fleets[name] = file, read_instance(file)
    return [(name, instance) for name, (_, instance) in fleets.items()]


def read_pcmax(path: str | os.PathLike[str], embeddings: Sequence[str] = EMBEDDINGS) -> list[Named]:
    """The instances of a P||Cmax file as fleets; see :mod:`kvpr_opt.suites.pcmax`.

    Raises
    ------
    InputError
        If the file is not as described there.
    """
    return [
        (f"{schedule.name}@{embedding}", schedule.fleet(embedding))
        for schedule in read_schedules(path)
        for embedding in embeddings
    ]


def _leads_to_files(text: str) -> bool:
    return os.path.exists(text) or any(sign in text for sign in _PATTERN)


def expand(path: str, suffixes: tuple[str, ...] = _SUFFIXES) -> list[str]:
    """The files that a path, a folder or a pattern stands for, sorted.

    Of a folder only those with one of the `suffixes` are taken.

    Raises
    ------
    InputError
        If a folder or a pattern has no file. A path that is neither is not checked.
    """
    if os.path.isdir(path):
        try:
            found = [entry.path for entry in os.scandir(path) if entry.name.endswith(suffixes)]
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", source=path) from None
        wanted = f"the folder has no file ending in {', '.join(suffixes)}"
    elif os.path.exists(path) or not any(sign in path for sign in _PATTERN):
        return [path]
    else:
        found = glob.glob(path, recursive=True)
        wanted = "no file matches the pattern"
    if not found:
        raise InputError(wanted, source=path)
    return sorted(found)
