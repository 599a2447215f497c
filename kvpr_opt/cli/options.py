"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from kvpr_opt.errors import InputError

Fleet = Annotated[
    str,
    typer.Argument(
        metavar="FLEET", help="Fleet file: .json, .yaml, .csv, or - for standard input."
    ),
]
Gpus = Annotated[
    int | None,
    typer.Option("--gpus", metavar="N", help="Number of GPUs, for a file with models only."),
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", metavar="C", help="Usable memory of each of these GPUs."),
]


def seconds(text: str) -> float | None:
    """A time limit as written: a number of seconds above 0, or ``none``."""
    if text.strip().lower() == "none":
        return None
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise InputError(
            f"{text!r} is not a number of seconds above 0, or 'none'", place="--time-limit"
        )
    return number
