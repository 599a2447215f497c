"""Arguments and options shared by several commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from kvpr_opt.errors import InputError
from kvpr_opt.files import read_instance, same_file
from kvpr_opt.files.source import STANDARD_STREAM
from kvpr_opt.problem.instance import Instance

#: Suffixes of the formats that commands read or write.
_FORMATS = frozenset(
    [".csv", ".html", ".json", ".lp", ".md", ".mps", ".parquet", ".svg", ".toml", ".yaml", ".yml"]
)

Fleet = Annotated[
    str,
    typer.Argument(
        metavar="FLEET",
        help="Fleet file: .json, .yaml or .csv; - reads any of them from standard input.",
    ),
]


def whole(option: str) -> Callable[[str | int], int]:
    """A parser for an option that takes a whole number; its range is checked later."""

    def parse(text: str | int) -> int:
        if isinstance(text, int):  # the default
            return text
        try:
            # No more digits than any limit has: int() is slow for thousands of digits.
            return int(text[:30])
        except ValueError:
            raise InputError(f"{text[:30]!r} is not a whole number", place=option) from None

    return parse


Gpus = Annotated[
    int | None,
    typer.Option(
        "--gpus",
        metavar="N",
        parser=whole("--gpus"),
        help="Number of GPUs, for a file with models only.",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", metavar="C", help="Usable memory of each of these GPUs."),
]


def names_starting(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Shell completion for an option that takes one of these names."""
    known = tuple(names)
    return lambda incomplete: [name for name in known if name.startswith(incomplete)]


def check_suffix(suffix: str, /, *others: str, **outputs: str | None) -> None:
    """Reject a file name whose suffix does not match the format written.

    Parameters
    ----------
    suffix
        The suffix of the format written.
    *others
        Other accepted suffixes.
    **outputs
        File names by option.

    Raises
    ------
    InputError
        For the first such name; unknown suffixes are allowed.
    """
    right = (suffix, *others)
    for name, path in outputs.items():
        if path is not None:
            found = os.path.splitext(path)[1].lower()
            if found in _FORMATS and found not in right:
                raise InputError(
                    f"{path} would hold {suffix[1:].upper()}; "
                    f"choose a name that ends in {' or '.join(right)}",
                    place=f"--{name}",
                )


def seconds(text: str, option: str = "--time-limit") -> float | None:
    """Parse a time limit: a number of seconds above 0, or ``none``."""
    if text.strip().lower() == "none":
        return None
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise InputError(f"{text!r} is not a number of seconds above 0, or 'none'", place=option)
    return number


@contextmanager
def naming_options(*arguments: str, **options: str) -> Iterator[None]:
    """Make errors about these arguments name the option that set them.

    Parameters
    ----------
    arguments
        Arguments whose options have the same name.
    options
        All other arguments, each with its option.
    """
    try:
        yield
    except InputError as error:
        if error.source or error.place not in (*arguments, *options):
            raise
        option = options.get(error.place, "--" + error.place.replace("_", "-"))
        raise InputError(error.message, place=option) from None


def read_fleet(fleet: str, gpus: int | None, memory: str | None) -> Instance:
    """Read the fleet given to a command."""
    with naming_options("gpus", "memory"):
        return read_instance(fleet, gpus=gpus, memory=memory)


def check_apart(source: str, what: str = "the fleet", /, **outputs: str | None) -> None:
    """Reject outputs that would overwrite the input or each other.

    Parameters
    ----------
    source
        The file that is read.
    what
        Description of the source, for the error.
    outputs
        The files to write, by the name of their option.

    Raises
    ------
    InputError
        For the first such output.
    """
    written: dict[str, str] = {}
    for name, path in outputs.items():
        if path is None:
            continue
        if (
            STANDARD_STREAM not in (source, path)
            and os.path.isfile(source)
            and same_file(source, path)
        ):
            raise InputError(f"{path} is {what} itself, which it would replace", place=f"--{name}")
        for other, other_path in written.items():
            if same_file(path, other_path):
                raise InputError(
                    f"{path} is what --{other} writes to; choose another", place=f"--{name}"
                )
        written[name] = path
