"""``kvpr-opt generate``: write a seeded fleet."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from kvpr_opt.cli.options import naming_options
from kvpr_opt.errors import InputError
from kvpr_opt.files import write_instance
from kvpr_opt.generate import FAMILIES, PRISM_CASES, prism_instance, random_instance
from kvpr_opt.problem.instance import Instance

#: GPUs and models of the family that exists in only one size.
_PAPER = (32, 58)


def command(
    family: Annotated[str, typer.Argument(metavar="FAMILY", help=f"prism, {', '.join(FAMILIES)}.")],
    gpus: Annotated[int | None, typer.Option("--gpus", metavar="G", help="Number of GPUs.")] = None,
    models: Annotated[
        int | None, typer.Option("--models", metavar="N", help="Number of models.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="S", help="Random seed; default: 0.")
    ] = None,
    skew: Annotated[
        str | None,
        typer.Option("--skew", metavar="S", help="For long-tail, fine, paper: skew of the rates."),
    ] = None,
    case: Annotated[
        int | None, typer.Option("--case", metavar="K", help="For prism: 0 to 49.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="For prism: all 50, into the folder named by --output.")
    ] = False,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="F", help="File to write; - for stdout.")
    ] = "-",
) -> None:
    """Write a fleet drawn from a documented family; the same seed gives the same fleet."""
    with naming_options("gpus", "models", "seed", "skew", "case"):
        if family == "prism":
            if (gpus, models, seed, skew) != (None, None, None, None):
                raise InputError("the fleets of prism are fixed: choose one by --case, or --all")
            _write_prism(case, everything, output)
            return
        if case is not None or everything:
            raise InputError("--case and --all require the family prism")
        write_instance(_drawn(family, gpus, models, seed or 0, skew), output)


def _drawn(
    family: str, gpus: int | None, models: int | None, seed: int, skew: str | None
) -> Instance:
    if family == "paper":
        gpus = _PAPER[0] if gpus is None else gpus
        models = _PAPER[1] if models is None else models
    if gpus is None or models is None:
        if family in FAMILIES:
            raise InputError(f"family {family!r} needs --gpus and --models")
        gpus, models = 1, 0  # the family is rejected later
    return random_instance(family, gpus=gpus, models=models, seed=seed, skew=skew)


def _write_prism(case: int | None, everything: bool, output: str) -> None:
    if everything and case is None:
        _write_all(output)
    elif case is not None and not everything:
        write_instance(prism_instance(case), output)
    else:
        raise InputError(f"prism needs either --case 0 to {PRISM_CASES - 1}, or --all")


def _write_all(folder: str) -> None:
    if folder == "-":
        raise InputError("--all needs a folder", place="--output")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", source=folder) from None
    for case in range(PRISM_CASES):
        write_instance(prism_instance(case), os.path.join(folder, f"prism-{case:02}.json"))
