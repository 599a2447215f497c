"""``kvpr-opt replan``: the trade-off of KVPR and moves, and an ordered plan."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import Annotated, NamedTuple

import typer

from kvpr_opt._interrupt import ignore_stop_signals
from kvpr_opt.cli.console import answer_console, line_width, print_line, remark_console
from kvpr_opt.cli.evaluate import Current, TimeLimit, read_current
from kvpr_opt.cli.operate_views import joined, plan_lines, trade_off_lines
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
from kvpr_opt.cli.progress_view import LiveCount
from kvpr_opt.errors import InputError, InvalidPlacementError
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.files import check_writable, write_text
from kvpr_opt.files.source import STANDARD_STREAM
from kvpr_opt.limits import Limits
from kvpr_opt.operate.replan import COSTS, Replan, ReplanRow, replan
from kvpr_opt.problem.exact import to_fraction


class _Choice(NamedTuple):
    """The row to show in full."""

    row: ReplanRow | None
    why: str


class _Outputs(NamedTuple):
    """The requested output files."""

    output: str | None
    certificate: str | None
    html: str | None


def command(
    fleet: Fleet,
    placement: Current = None,
    max_moves: Annotated[
        int,
        typer.Option(
            "--max-moves",
            metavar="N",
            parser=whole("--max-moves"),
            help="Rows for 0 to so many moves.",
        ),
    ] = 10,
    max_memory: Annotated[
        str | None,
        typer.Option(
            "--max-memory", metavar="X", help="Count the memory of the weights moved, up to this."
        ),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            "--cost",
            metavar="C",
            autocompletion=names_starting(COSTS),
            help=f"What is counted: {', '.join(COSTS)}; by default moves.",
        ),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option("--within", metavar="P", help="Choose the cheapest row this close, as 2%."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="F", help="Write the chosen placement as JSON."),
    ] = None,
    certificate: Annotated[
        str | None,
        typer.Option("--certificate", metavar="F", help="Write the claim of the chosen row."),
    ] = None,
    html: Annotated[
        str | None, typer.Option("--html", metavar="F", help="Write a page to look at.")
    ] = None,
    gpus: Gpus = None,
    memory: Memory = None,
    time_limit: TimeLimit = "60",
) -> None:
    """Show the lowest KVPR for each cost of moving, and how to get to the chosen row.

    The row chosen is the cheapest one --within so much of the optimum, by default the elbow of the
    trade-off. Exit code: 0 every row proved, 2 bad input, 3 stopped before that or no row --within,
    4 no placement exists.
    """
    limit = seconds(time_limit)
    outputs = _Outputs(output, certificate, html)
    _check_outputs(fleet, placement, outputs)
    if max_memory is not None and cost not in (None, "memory"):
        raise InputError(f"--cost {cost} does not count memory", place="--max-memory")
    share = None if within is None else _share(within)
    instance = read_fleet(fleet, gpus, memory)
    with Limits().heeding_signals():
        with (
            naming_options("max_moves", "cost", max_cost="--max-memory"),
            read_current(fleet, placement, instance) as given,
            LiveCount(remark_console(), "rows proved") as live,
        ):
            made = replan(
                instance,
                given,
                max_moves=max_moves,
                max_cost=max_memory,
                cost="memory" if max_memory is not None else cost or "moves",
                time_limit=limit,
                on_progress=lambda rows: live.update(sum(r.proved for r in rows), len(rows)),
            )
        choice = _choose(made, share, within)
        try:
            _show(made, choice, stdout_taken=STANDARD_STREAM in outputs)
        finally:
            # Runs even if the reader of the output has gone.
            _write(made, choice, outputs)
        ignore_stop_signals()
    raise typer.Exit(_exit_code(made, choice))


def _check_outputs(fleet: str, placement: str | None, outputs: _Outputs) -> None:
    output, certificate, html = outputs
    check_apart(fleet, output=output, certificate=certificate, html=html)
    if placement is not None:
        check_apart(placement, "the placement", output=output, certificate=certificate, html=html)
    check_suffix(".json", output=output, certificate=certificate)
    check_suffix(".html", html=html)
    for path in outputs:
        if path is not None:
            check_writable(path)


def _choose(made: Replan, share: Fraction | None, within: str | None) -> _Choice:
    if made.elbow is None:
        return _Choice(None, "")
    if share is None:
        return _Choice(made.elbow, "the elbow of the trade-off")
    row = made.within(share)
    if row is None:
        return _Choice(None, f"no row is within {within} of the optimum; allow more moves, or time")
    return _Choice(row, f"the cheapest within {within} of the optimum")


def _show(made: Replan, choice: _Choice, *, stdout_taken: bool) -> None:
    console = answer_console(stdout_taken=stdout_taken)
    width = line_width(console)
    parts: list[Iterable[str]] = [trade_off_lines(made, choice.row, width)]
    if choice.row is None:
        parts.append([choice.why] if choice.why else [])
    elif choice.row.placement is not None:
        try:
            plan = made.plan(choice.row)
        except InvalidPlacementError as error:
            parts.append([f"there is no order of steps: {error}"])
        else:
            parts.append(plan_lines(plan, width))
    for line in joined(parts):
        print_line(console, line)


def _write(made: Replan, choice: _Choice, outputs: _Outputs) -> None:
    row = choice.row
    if outputs.output is not None and row is not None and row.placement is not None:
        text = json.dumps(row.placement.assignment, ensure_ascii=False, indent=2)
        write_text(outputs.output, text + "\n")
    if outputs.certificate is not None and row is not None and row.certificate is not None:
        write_text(outputs.certificate, row.certificate.to_json())
    if outputs.html is not None:
        # Imported here: few runs need it.
        from kvpr_opt.operate.pages import replan_page

        write_text(outputs.html, replan_page(made, row, choice.why))


def _share(text: str) -> Fraction:
    number = text.strip().removesuffix("%")
    percent = number != text.strip()
    try:
        value = to_fraction(number.strip(), "within") / (100 if percent else 1)
    except InputError:
        value = Fraction(-1)
    # A plain 2 more likely means 2 % than three times the optimum.
    if value < 0 or (value >= 1 and not percent):
        raise InputError(f"{text!r} is not a share such as 2% or 0.02", place="--within")
    return value


def _exit_code(made: Replan, choice: _Choice) -> ExitCode:
    if made.optimum.lower_bound == float("inf"):
        return ExitCode.INFEASIBLE
    done = choice.row is not None and all(row.proved for row in made.rows)
    return ExitCode.DONE if done else ExitCode.UNFINISHED
