"""``kvpr-opt size``: the fewest GPUs for a target."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from kvpr_opt.cli.console import answer_console, print_line
from kvpr_opt.cli.evaluate import TimeLimit
from kvpr_opt.cli.operate_views import sizing_lines
from kvpr_opt.cli.options import Fleet, Gpus, Memory, naming_options, read_fleet, seconds
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.operate.size import size

Target = Annotated[
    str, typer.Option("--target", metavar="T", help="The largest KVPR that is wanted, above 0.")
]


def command(
    fleet: Fleet,
    target: Target,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", metavar="NAME", help="The GPU of the fleet to have more or less of."),
    ] = None,
    gpus: Gpus = None,
    memory: Memory = None,
    time_limit: TimeLimit = "60",
) -> None:
    """Find the fewest GPUs of a kind that keep the fleet within a target, and prove it.

    Exit code: 0 proved, 2 bad input, 3 stopped before that, 4 no number of GPUs does.
    """
    limit = seconds(time_limit)
    instance = read_fleet(fleet, gpus, memory)
    with naming_options("target", "gpu"):
        made = size(instance, target, gpu=gpu, time_limit=limit)
    console = answer_console()
    for line in sizing_lines(made):
        print_line(console, line)
    if made.lower_bound == math.inf:
        raise typer.Exit(ExitCode.INFEASIBLE)
    raise typer.Exit(ExitCode.DONE if made.proved else ExitCode.UNFINISHED)
