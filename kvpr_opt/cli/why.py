"""``kvpr-opt why``: what binds, and what a change would buy."""

from __future__ import annotations

import typer

from kvpr_opt.cli.console import answer_console, line_width, print_line, remark_console
from kvpr_opt.cli.evaluate import TimeLimit
from kvpr_opt.cli.operate_views import explanation_lines
from kvpr_opt.cli.options import Fleet, Gpus, Memory, read_fleet, seconds
from kvpr_opt.cli.progress_view import LiveCount
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.limits import Limits
from kvpr_opt.operate.why import why
from kvpr_opt.result import Status


def command(
    fleet: Fleet, gpus: Gpus = None, memory: Memory = None, time_limit: TimeLimit = "60"
) -> None:
    """Say which GPUs, models and constraints bind, and what lifting them would buy.

    Exit code: 0 all of it proved, 2 bad input, 3 stopped before that, 4 no placement exists.
    """
    limit = seconds(time_limit)
    instance = read_fleet(fleet, gpus, memory)
    with Limits().heeding_signals():
        with LiveCount(remark_console(), "trying changes"):
            made = why(instance, time_limit=limit)
        console = answer_console()
        for line in explanation_lines(made, line_width(console)):
            print_line(console, line)
    if made.result.status is Status.INFEASIBLE:
        raise typer.Exit(ExitCode.INFEASIBLE)
    raise typer.Exit(ExitCode.DONE if made.proved else ExitCode.UNFINISHED)
