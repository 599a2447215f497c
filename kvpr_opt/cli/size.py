"""``kvpr-opt size``: the fewest GPUs for a target."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from kvpr_opt._interrupt import ignore_stop_signals
from kvpr_opt.cli.console import answer_console, line_width, print_line, remark_console
from kvpr_opt.cli.evaluate import TimeLimit
from kvpr_opt.cli.operate_views import sizing_lines
from kvpr_opt.cli.options import (
    Fleet,
    Gpus,
    Memory,
    check_apart,
    check_suffix,
    naming_options,
    read_fleet,
    seconds,
)
from kvpr_opt.cli.progress_view import LiveCount
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.files import check_writable, write_text
from kvpr_opt.files.source import STANDARD_STREAM
from kvpr_opt.limits import Limits
from kvpr_opt.operate.size import Sizing, size
from kvpr_opt.problem.instance import Instance

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
    html: Annotated[
        str | None, typer.Option("--html", metavar="F", help="Write a page to look at.")
    ] = None,
    gpus: Gpus = None,
    memory: Memory = None,
    time_limit: TimeLimit = "60",
) -> None:
    """Find the fewest GPUs of a type that keep the fleet within a target, and prove it.

    Exit code: 0 proved, 2 bad input, 3 stopped before that, 4 no number of GPUs does.
    """
    limit = seconds(time_limit)
    check_apart(fleet, html=html)
    check_suffix(".html", html=html)
    if html is not None:
        check_writable(html)
    instance = read_fleet(fleet, gpus, memory)
    with Limits().heeding_signals():
        with (
            naming_options("target", "gpu"),
            LiveCount(remark_console(), "adding GPUs"),
        ):
            made = size(instance, target, gpu=gpu, time_limit=limit)
        console = answer_console(stdout_taken=html == STANDARD_STREAM)
        try:
            for line in sizing_lines(made, line_width(console)):
                print_line(console, line)
        finally:
            # Runs even if the reader of the output has gone.
            if html is not None:
                _write_page(instance, made, html)
        ignore_stop_signals()
    if made.lower_bound == math.inf:
        raise typer.Exit(ExitCode.INFEASIBLE)
    raise typer.Exit(ExitCode.DONE if made.proved else ExitCode.UNFINISHED)


def _write_page(instance: Instance, made: Sizing, path: str) -> None:
    # Imported here: few runs need it.
    from kvpr_opt.operate.pages import size_page

    write_text(path, size_page(instance, made))
