"""``kvpr-opt audit``: an honest score for an external placement program."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from kvpr_opt.audit.cases import Case, prove_cases
from kvpr_opt.audit.export import audit_text
from kvpr_opt.audit.outcome import Audit
from kvpr_opt.audit.page import page
from kvpr_opt.audit.program import Program
from kvpr_opt.audit.resource_limits import (
    DEFAULT_MEGABYTES,
    DEFAULT_SECONDS,
    MAX_MEGABYTES,
    MAX_SECONDS,
    ResourceLimits,
)
from kvpr_opt.audit.runner import audit
from kvpr_opt.cli.audit_view import show
from kvpr_opt.cli.console import answer_console, remark_console
from kvpr_opt.cli.options import check_apart, check_suffix, naming_options, seconds
from kvpr_opt.cli.progress_view import LiveCount
from kvpr_opt.environment import usable_cores
from kvpr_opt.errors import InputError
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.files import check_writable, write_text
from kvpr_opt.files.source import STANDARD_STREAM
from kvpr_opt.suites import catalogue


def command(
    program: Annotated[
        str,
        typer.Argument(
            metavar="PROGRAM",
            help="Python file with compute_model_placement(gpu_num, models) or place(instance), "
            "or an executable that is given the path of a fleet and prints JSON {model: gpu}.",
        ),
    ],
    suite: Annotated[
        str, typer.Option("--suite", metavar="NAME", help="A suite, or a folder of fleets.")
    ] = "prism50",
    time_limit: Annotated[
        str, typer.Option("--time-limit", metavar="S", help="Seconds for each run of a case.")
    ] = str(DEFAULT_SECONDS),
    memory_limit: Annotated[
        str, typer.Option("--memory-limit", metavar="MB", help="Memory of each run, or none.")
    ] = str(DEFAULT_MEGABYTES),
    prove: Annotated[
        str,
        typer.Option(
            "--prove", metavar="S", help="Seconds to prove each optimum that is not known yet."
        ),
    ] = "60",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", metavar="N", min=1, help="Runs at the same time; default: one per core."
        ),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(
            "--python", metavar="P", help="Interpreter for a Python file; default: this one."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="F", help="Write the results as JSON or .csv; - for stdout."
        ),
    ] = None,
    html: Annotated[
        str | None, typer.Option("--html", metavar="F", help="Write one page of HTML.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Score a placement program honestly, against certified optima.

    Every case runs twice, in a fresh process that is ended on time. Files are written as
    results come. Exit code: 0 every case valid, 2 bad input, 3 stopped by Ctrl-C, SIGTERM
    or SIGHUP, 6 a case is not valid.
    """
    limits = ResourceLimits(_limit(time_limit), _memory(memory_limit))
    check_apart(program, "the program", output=output, html=html)
    for fleet in catalogue.files_of(suite):
        check_apart(fleet, "a fleet of the suite", output=output, html=html)
    check_suffix(".json", ".csv", output=output)
    check_suffix(".html", html=html)
    for path in (output, html):
        if path is not None:
            check_writable(path)
    audited = Program.at(program, python)
    remarks = remark_console(quiet=quiet)
    answers = answer_console(quiet=quiet, stdout_taken="-" in (output, html))
    record = _Record(output, html)
    cases = _cases(audited, suite, seconds(prove, "--prove"), remarks)
    try:
        with LiveCount(remarks, "runs") as live:

            def on_progress(done: int, total: int, so_far: Callable[[], Audit | None]) -> None:
                live.update(done, total)
                record.update(so_far)

            found = audit(
                audited,
                suite,
                cases,
                limits,
                jobs=jobs or usable_cores(),
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        partial = record.latest()
        if partial is not None:
            _report(answers, partial, record)
        raise
    _report(answers, found, record)
    raise typer.Exit(ExitCode.DONE if found.valid else ExitCode.FAILED)


class _Record:
    """The files of an audit, written as results come, and the latest results.

    Parameters
    ----------
    output, html
        Where to write; ``None`` for nowhere.
    """

    def __init__(self, output: str | None, html: str | None) -> None:
        self._output = output
        self._html = html
        self._so_far: Callable[[], Audit | None] = lambda: None
        self._next = 0.0

    def latest(self) -> Audit | None:
        """The latest results."""
        return self._so_far()

    def update(self, so_far: Callable[[], Audit | None]) -> None:
        """Record new results, and write them unless writing would take too much of the time."""
        self._so_far = so_far
        start = time.monotonic()
        if start < self._next:
            return
        found = so_far()
        if found is not None:
            # A stream cannot be rewritten, so it gets only the final result.
            self.write(found, streams=False)
            end = time.monotonic()
            self._next = end + max(1.0, 20 * (end - start))

    def write(self, found: Audit, *, streams: bool = True) -> None:
        """Write the files, each completely or not at all."""
        if self._output is not None and (streams or not _is_stream(self._output)):
            write_text(self._output, audit_text(found, self._output))
        if self._html is not None and (streams or not _is_stream(self._html)):
            write_text(self._html, page(found))


def _is_stream(path: str) -> bool:
    return path == STANDARD_STREAM or (os.path.exists(path) and not os.path.isfile(path))


def _report(console: Console, found: Audit, record: _Record) -> None:
    """Show and write an audit; it is written even if it cannot be shown."""
    try:
        show(console, found)
    finally:
        record.write(found)


def _limit(text: str) -> float:
    limit = seconds(text)
    if limit is None or limit > MAX_SECONDS:
        raise InputError(
            f"{text!r} is not a number of seconds above 0, up to {MAX_SECONDS}",
            place="--time-limit",
        )
    return limit


def _memory(text: str) -> int:
    """Bytes; 0 for no limit."""
    if text.strip().lower() == "none":
        return 0
    if not text.strip().isdecimal() or not 1 <= int(text[:20]) <= MAX_MEGABYTES:
        raise InputError(
            f"{text!r} is not a whole number of megabytes above 0, or 'none'",
            place="--memory-limit",
        )
    return int(text) << 20


def _cases(program: Program, suite: str, limit: float | None, console: Console) -> list[Case]:
    """The fleets of a suite, with their proved bounds."""
    with naming_options("suite"):
        fleets = catalogue.load(suite)
    for name, instance in fleets:
        program.check(instance, name)
    with LiveCount(console, "optima") as live:
        return prove_cases(
            fleets,
            limit,
            on_progress=live.update,
            on_note=lambda note: console.print(note, markup=False, soft_wrap=True),
        )
