"""``kvpr-opt why``: what binds, and what a change would buy."""

from __future__ import annotations

import typer

from kvpr_opt.cli.console import answer_console, print_line
from kvpr_opt.cli.evaluate import TimeLimit
from kvpr_opt.cli.operate_views import explanation_lines
from kvpr_opt.cli.options import Fleet, Gpus, Memory, read_fleet, seconds
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.operate.why import why
from kvpr_opt.result import Status


def command(
    fleet: Fleet, gpus: Gpus = None, memory: Memory = None, time_limit: TimeLimit = "60"
) -> None:
    """Say which GPUs, models and constraints bind, and what lifting them would buy.

    Exit code: 0 explained, 2 bad input, 3 stopped before that, 4 no placement exists.
    """
    limit = seconds(time_limit)
    made = why(read_fleet(fleet, gpus, memory), time_limit=limit)
    console = answer_console()
    for line in explanation_lines(made):
        print_line(console, line)
    if made.result.status is Status.INFEASIBLE:
        raise typer.Exit(ExitCode.INFEASIBLE)
    raise typer.Exit(ExitCode.DONE if made.gpus else ExitCode.UNFINISHED)
