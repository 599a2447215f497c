"""``kvpr-opt headroom``: by what factor demand can grow within a target."""

from __future__ import annotations

from typing import Annotated

import typer

from kvpr_opt.cli.console import answer_console, line_width, print_line, remark_console
from kvpr_opt.cli.evaluate import TimeLimit
from kvpr_opt.cli.operate_views import headroom_lines
from kvpr_opt.cli.options import Fleet, Gpus, Memory, naming_options, read_fleet, seconds
from kvpr_opt.cli.progress_view import LiveCount
from kvpr_opt.cli.size import Target
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.limits import Limits
from kvpr_opt.operate.headroom import headroom
from kvpr_opt.result import Status


def command(
    fleet: Fleet,
    target: Target,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="Only this model grows; else all do."),
    ] = None,
    gpus: Gpus = None,
    memory: Memory = None,
    time_limit: TimeLimit = "60",
) -> None:
    """Find by what factor the rates can grow within a target, and prove it.

    Exit code: 0 proved, 2 bad input, 3 stopped before that, 4 no placement exists.
    """
    limit = seconds(time_limit)
    instance = read_fleet(fleet, gpus, memory)
    with Limits().heeding_signals():
        with (
            naming_options("target", "model"),
            LiveCount(remark_console(), "raising the demand"),
        ):
            made = headroom(instance, target, model=model, time_limit=limit)
        console = answer_console()
        for line in headroom_lines(made, line_width(console)):
            print_line(console, line)
    if made.evidence is not None and made.evidence.status is Status.INFEASIBLE:
        raise typer.Exit(ExitCode.INFEASIBLE)
    raise typer.Exit(ExitCode.DONE if made.proved else ExitCode.UNFINISHED)
