"""``kvpr-opt replan``: the trade-off of KVPR and moves, and an ordered plan."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Annotated

import typer

from kvpr_opt.cli.console import answer_console, print_line
from kvpr_opt.cli.evaluate import Current, TimeLimit
from kvpr_opt.cli.operate_views import joined, plan_lines, trade_off_lines
from kvpr_opt.cli.options import Fleet, Gpus, Memory, check_apart, read_fleet, seconds
from kvpr_opt.errors import InputError
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.files import check_writable, write_text
from kvpr_opt.files.placements import read_placement
from kvpr_opt.operate.replan import COSTS, Replan, ReplanRow, replan
from kvpr_opt.problem.exact import to_fraction


def command(
    fleet: Fleet,
    placement: Current = None,
    max_moves: Annotated[
        int, typer.Option("--max-moves", metavar="N", help="Rows for 0 to so many moves.")
    ] = 10,
    max_memory: Annotated[
        str | None,
        typer.Option("--max-memory", metavar="X", help="Count the memory moved, up to this."),
    ] = None,
    cost: Annotated[
        str, typer.Option("--cost", metavar="C", help=f"What is counted: {', '.join(COSTS)}.")
    ] = "moves",
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
    gpus: Gpus = None,
    memory: Memory = None,
    time_limit: TimeLimit = "60",
) -> None:
    """Show the lowest KVPR for each cost of moving, and how to get to the chosen row.

    The row chosen is the cheapest one --within so much of the optimum, by default the elbow of the
    trade-off. Exit code: 0 every row proved, 2 bad input, 3 a row has a gap, 4 no placement exists.
    """
    limit = seconds(time_limit)
    check_apart(fleet, output=output, certificate=certificate)
    for path in (output, certificate):
        if path is not None:
            check_writable(path)
    share = None if within is None else _share(within)
    instance = read_fleet(fleet, gpus, memory)
    given = None if placement is None else read_placement(placement, instance)
    made = replan(
        instance,
        given,
        max_moves=max_moves,
        max_cost=max_memory,
        cost="memory" if max_memory is not None else cost,
        time_limit=limit,
    )
    chosen = made.elbow if share is None else made.within(share)
    _show(made, chosen, stdout_taken="-" in (output, certificate))
    if chosen is not None and chosen.placement is not None and output is not None:
        text = json.dumps(chosen.placement.assignment, ensure_ascii=False, indent=2)
        write_text(output, text + "\n")
    if chosen is not None and chosen.certificate is not None and certificate is not None:
        write_text(certificate, chosen.certificate.to_json())
    raise typer.Exit(_exit_code(made))


def _show(made: Replan, chosen: ReplanRow | None, *, stdout_taken: bool) -> None:
    parts = [trade_off_lines(made, chosen)]
    if chosen is not None and chosen.placement is not None:
        parts.append(plan_lines(made.plan(chosen)))
    console = answer_console(stdout_taken=stdout_taken)
    for line in joined(parts):
        print_line(console, line)


def _share(text: str) -> Fraction:
    number = text.strip().removesuffix("%")
    try:
        value = to_fraction(number.strip(), "within")
    except InputError:
        value = Fraction(-1)
    if value < 0:
        raise InputError(f"{text!r} is not a share such as 2% or 0.02", place="--within")
    return value / 100 if text.strip().endswith("%") else value


def _exit_code(made: Replan) -> ExitCode:
    if made.optimum.lower_bound == float("inf"):
        return ExitCode.INFEASIBLE
    return ExitCode.DONE if all(row.proved for row in made.rows) else ExitCode.UNFINISHED
