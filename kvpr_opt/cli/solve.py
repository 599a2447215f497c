"""``kvpr-opt solve``: place a fleet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from kvpr_opt._interrupt import ignore_stop_signals
from kvpr_opt.cli.console import answer_console, line_width, remark_console
from kvpr_opt.cli.options import (
    Fleet,
    Gpus,
    Memory,
    check_apart,
    check_suffix,
    names_starting,
    naming_options,
    read_fleet,
    seconds,
    whole,
)
from kvpr_opt.cli.progress_view import LiveStatus
from kvpr_opt.drawing.rows import MAX_GPUS
from kvpr_opt.errors import InputError
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.files import check_writable, write_result, write_text
from kvpr_opt.files.source import STANDARD_STREAM
from kvpr_opt.limits import Limits
from kvpr_opt.result import Result, Status, StopReason
from kvpr_opt.solve import known_methods, solve
from kvpr_opt.stages import STAGES


def command(
    fleet: Fleet,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="F", help="Write the result as JSON; - for stdout."),
    ] = None,
    certificate: Annotated[
        str | None,
        typer.Option("--certificate", metavar="F", help="Write the certificate; - for stdout."),
    ] = None,
    html: Annotated[
        str | None, typer.Option("--html", metavar="F", help="Write the result as a page of HTML.")
    ] = None,
    gpus: Gpus = None,
    memory: Memory = None,
    time_limit: Annotated[
        str, typer.Option("--time-limit", metavar="S", help="Seconds, or none for no limit.")
    ] = "60",
    gap: Annotated[
        str,
        typer.Option("--gap", metavar="G", help="Stop at this relative gap, such as 0.001."),
    ] = "0",
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="M",
            autocompletion=names_starting(known_methods()),
            help=f"One of {', '.join(known_methods())}. A name that ends in _pulp may be "
            "followed by :SOLVER, such as :cbc.",
        ),
    ] = "auto",
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", parser=whole("--seed"), help="Random seed.")
    ] = 0,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            parser=whole("--threads"),
            help="Cores to use; all by default.",
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            "--skip",
            metavar="STAGE",
            autocompletion=names_starting(STAGES),
            help=f"Leave a stage out; may be repeated. Stages: {', '.join(STAGES)}.",
        ),
    ] = None,
    all_gpus: Annotated[
        bool,
        typer.Option(
            "--all", help=f"Show every GPU on the terminal, not only {MAX_GPUS} of a large fleet."
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Place a fleet so that its highest KVPR is as low as it can be, and prove it.

    Exit code: 0 proved to the gap asked for (with --method heuristic: placed),
    2 bad input, 3 stopped before that, 4 no placement exists.
    """
    limit = seconds(time_limit)
    check_apart(fleet, output=output, certificate=certificate, html=html)
    check_suffix(".json", output=output, certificate=certificate)
    check_suffix(".html", html=html)
    for path in (output, certificate, html):
        if path is not None:
            check_writable(path)
    instance = read_fleet(fleet, gpus, memory)
    # The outer block catches signals that arrive between the run and the output; the inner
    # one catches a second Ctrl-C that was meant for the search.
    with Limits().heeding_signals():
        with (
            naming_options("gap", "method", "seed", "threads", "skip"),
            LiveStatus(remark_console(quiet=quiet), limit) as live,
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
        with Limits().heeding_signals():
            try:
                taken = STANDARD_STREAM in (output, certificate, html)
                show(answer_console(quiet=quiet, stdout_taken=taken), result, all_gpus=all_gpus)
            finally:
                # Runs even if the reader of the output has gone.
                _write(result, output, certificate, html)
            ignore_stop_signals()
    raise typer.Exit(exit_code(result))


def show(console: Console, result: Result, *, all_gpus: bool = False) -> None:
    """Write a result: fitted to a terminal's width, or in full to a pipe or file."""
    width = line_width(console)
    most = None if all_gpus or width is None else MAX_GPUS
    text = result.styled_text(width=width, max_gpus=most, hint="--all shows every GPU")
    console.print(text, soft_wrap=True)


def _write(result: Result, output: str | None, certificate: str | None, html: str | None) -> None:
    """Write all files, even if one of them fails: the answer may have taken hours."""
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
    # Imported here: few runs need it.
    from kvpr_opt.integrations.result_page import result_page

    write_text(path, result_page(result))


def exit_code(result: Result) -> ExitCode:
    """Whether the run reached the requested proof, stopped early, or proved infeasibility."""
    if result.status is Status.INFEASIBLE:
        return ExitCode.INFEASIBLE
    done = {StopReason.PROVED, StopReason.GAP}
    if result.parameters["method"] == "heuristic" and result.placement is not None:
        done.add(StopReason.FINISHED)
    return ExitCode.DONE if result.stop_reason in done else ExitCode.UNFINISHED
