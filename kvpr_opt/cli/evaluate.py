"""``kvpr-opt evaluate``: score an existing placement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer

from kvpr_opt.cli.console import answer_console, line_width, print_line, remark_console
from kvpr_opt.cli.operate_views import evaluation_lines
from kvpr_opt.cli.options import Fleet, Gpus, Memory, read_fleet, seconds
from kvpr_opt.cli.progress_view import LiveCount
from kvpr_opt.errors import InputError, InvalidPlacementError
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.files.placements import read_placement
from kvpr_opt.files.source import STANDARD_STREAM, label
from kvpr_opt.limits import Limits
from kvpr_opt.operate.evaluate import evaluate
from kvpr_opt.problem.instance import Instance

Current = Annotated[
    str | None,
    typer.Argument(
        metavar="PLACEMENT",
        help="A result, JSON {model: gpu} or CSV model,gpu; by default the keys 'current'.",
    ),
]
TimeLimit = Annotated[str, typer.Option("--time-limit", metavar="S", help="Seconds, or none.")]


@contextmanager
def read_current(
    fleet: str, placement: str | None, instance: Instance
) -> Iterator[Mapping[str, str] | None]:
    """Where the models run, from a file if one is given; errors within name the file."""
    if placement == fleet == STANDARD_STREAM:
        raise InputError("the fleet is read from standard input already", place="PLACEMENT")
    try:
        yield None if placement is None else read_placement(placement, instance)
    except InvalidPlacementError as error:
        source = label(fleet if placement is None else placement)
        raise InvalidPlacementError(f"{source}: {error}") from None
    except InputError as error:
        raise error.within(source=label(fleet)) if error.place == "current" else error from None


def command(
    fleet: Fleet,
    placement: Current = None,
    gpus: Gpus = None,
    memory: Memory = None,
    time_limit: TimeLimit = "60",
) -> None:
    """Score a placement against the certified optimum of its fleet.

    Exit code: 0 valid, 2 bad input, 5 not a legal placement.
    """
    limit = seconds(time_limit)
    instance = read_fleet(fleet, gpus, memory)
    with Limits().heeding_signals():
        with (
            read_current(fleet, placement, instance) as given,
            LiveCount(remark_console(), "looking for the optimum"),
        ):
            made = evaluate(instance, given, time_limit=limit)
        console = answer_console()
        for line in evaluation_lines(made, line_width(console)):
            print_line(console, line)
    raise typer.Exit(ExitCode.DONE if made.valid else ExitCode.REJECTED)
