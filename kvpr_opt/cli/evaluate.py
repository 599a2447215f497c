"""``kvpr-opt evaluate``: score a placement that exists."""

from __future__ import annotations

from typing import Annotated

import typer

from kvpr_opt.cli.console import answer_console, print_line
from kvpr_opt.cli.operate_views import evaluation_lines
from kvpr_opt.cli.options import Fleet, Gpus, Memory, read_fleet, seconds
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.files.placements import read_placement
from kvpr_opt.operate.evaluate import evaluate

Current = Annotated[
    str | None,
    typer.Argument(
        metavar="PLACEMENT",
        help="A result, JSON {model: gpu} or CSV model,gpu; by default the keys 'current'.",
    ),
]
TimeLimit = Annotated[str, typer.Option("--time-limit", metavar="S", help="Seconds, or none.")]


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
    given = None if placement is None else read_placement(placement, instance)
    made = evaluate(instance, given, time_limit=limit)
    console = answer_console()
    for line in evaluation_lines(made):
        print_line(console, line)
    raise typer.Exit(ExitCode.DONE if made.valid else ExitCode.REJECTED)
