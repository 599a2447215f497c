"""``kvpr-opt solve``: place a fleet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from kvpr_opt.cli.console import screen
from kvpr_opt.cli.options import (
    Fleet,
    Gpus,
    Memory,
    check_apart,
    naming_options,
    read_fleet,
    seconds,
)
from kvpr_opt.cli.progress_view import LiveStatus
from kvpr_opt.cli.result_view import show
from kvpr_opt.errors import InputError
from kvpr_opt.files import check_writable, write_result, write_text
from kvpr_opt.limits import Limits
from kvpr_opt.result import Result, Status, StopReason
from kvpr_opt.solve import solve


def command(
    fleet: Fleet,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="F", help="Write the result as JSON; - for stdout."),
    ] = None,
    certificate: Annotated[
        str | None, typer.Option("--certificate", metavar="F", help="Write the certificate.")
    ] = None,
    html: Annotated[
        str | None, typer.Option("--html", metavar="F", help="Write a page to look at.")
    ] = None,
    gpus: Gpus = None,
    memory: Memory = None,
    time_limit: Annotated[
        str, typer.Option("--time-limit", metavar="S", help="Seconds, or none.")
    ] = "60",
    gap: Annotated[
        str, typer.Option("--gap", metavar="G", help="Stop at this relative gap, such as 0.001.")
    ] = "0",
    method: Annotated[
        str,
        typer.Option(
            "--method", metavar="M", help="auto, heuristic, a formulation, or NAME:SOLVER."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Random seed.")] = 0,
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", help="Cores to use; all by default.")
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="STAGE", help="Leave a stage out; may be repeated."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Nothing on the screen but errors.")
    ] = False,
) -> None:
    """Place a fleet so that its highest KVPR is as low as it can be, and prove it.

    Exit code: 0 proved to the gap asked for (with --method heuristic: placed),
    2 bad input, 3 stopped before that, 4 no placement exists.
    """
    limit = seconds(time_limit)
    check_apart(fleet, output=output, certificate=certificate, html=html)
    for path in (output, certificate, html):
        if path is not None:
            check_writable(path)
    instance = read_fleet(fleet, gpus, memory)
    console = screen(to_stderr="-" in (output, certificate, html), quiet=quiet)
    with (
        naming_options("gap", "method", "seed", "threads", "skip"),
        LiveStatus(console, limit) as live,
    ):
        result = solve(
            instance,
            time_limit=limit,
            gap=gap,
            method=method,
            seed=seed,
            threads=threads,
            skip=skip or (),
            on_progress=live.update,
        )
    # From here on it takes no time, and a Ctrl-C that was meant for the search must not
    # cost the answer.
    with Limits().heeding_ctrl_c():
        try:
            show(console, result)
        finally:
            # Also where the reader of the screen has gone.
            _write(result, output, certificate, html)
    raise typer.Exit(exit_code(result))


def _write(result: Result, output: str | None, certificate: str | None, html: str | None) -> None:
    """Write all files, even where one of them fails: the answer may have taken hours."""
    writers: list[Callable[[], None]] = []
    if output is not None:
        writers.append(partial(write_result, result, output))
    if certificate is not None and result.certificate is not None:
        writers.append(partial(write_text, certificate, result.certificate.to_json()))
    if html is not None:
        writers.append(partial(_write_page, result, html))
    failures: list[InputError | BrokenPipeError] = []
    for write in writers:
        try:
            write()
        except (InputError, BrokenPipeError) as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _write_page(result: Result, path: str) -> None:
    # Few runs need it.
    from kvpr_opt.integrations.result_page import result_page

    write_text(path, result_page(result))


def exit_code(result: Result) -> int:
    """0 proved to the gap asked for, 3 stopped early, 4 proved infeasible."""
    if result.status is Status.INFEASIBLE:
        return 4
    done = {StopReason.PROVED, StopReason.GAP}
    if result.parameters["method"] == "heuristic" and result.placement is not None:
        done.add(StopReason.FINISHED)
    return 0 if result.stop_reason in done else 3
