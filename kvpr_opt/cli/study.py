"""``kvpr-opt study``: measure methods on suites of fleets, and tabulate what was measured."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from kvpr_opt.cli.console import remark_console
from kvpr_opt.cli.progress_view import LiveStudy
from kvpr_opt.errors import InputError
from kvpr_opt.exit_codes import ExitCode
from kvpr_opt.files import write_text
from kvpr_opt.files.source import STANDARD_STREAM, read_text
from kvpr_opt.study.analysis.compare import Tolerance, comparison_text
from kvpr_opt.study.analysis.compare import compare as compare_records
from kvpr_opt.study.analysis.export import export as export_to
from kvpr_opt.study.analysis.table import report as report_of
from kvpr_opt.study.execution.local import LocalExecutor
from kvpr_opt.study.execution.runner import StudyProgress, run_study
from kvpr_opt.study.record import Record, count_left, read_entries, write_asked
from kvpr_opt.study.report import PAGE_NAME, write_report
from kvpr_opt.study.spec.read import read_spec

if TYPE_CHECKING:
    from kvpr_opt.study.execution.dask import DaskExecutor

#: The copy of the spec in the folder of a study: what was asked for last.
SPEC_COPY = "study.toml"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Measure methods on many fleets; stop and resume at any moment."""


class EngineName(str, Enum):
    """What works on the runs."""

    PROCESSES = "processes"
    DASK = "dask"


@app.command("run")
def run(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="What to run: a TOML file.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder; else as the file names it."),
    ] = None,
    engine: Annotated[
        EngineName, typer.Option("--engine", help="Where: on this machine, or on a Dask cluster.")
    ] = EngineName.PROCESSES,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", metavar="N", min=1, help="Runs at the same time on this machine; 1."
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="URL", help="Of the Dask scheduler: tcp://host:port."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run again what is recorded as failed.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Nothing on the screen but errors.")
    ] = False,
) -> None:
    """Run what a study asks for and its record does not have yet.

    Exit code: 0 every run has an entry (a failed run is one, too), 2 bad input,
    3 stopped by Ctrl-C, or the cluster was lost; the same command then goes on
    from there.
    """
    _check_engine(engine, jobs, address)
    if "" not in sys.path:
        sys.path.insert(0, "")  # modules of the folder at hand, as with `python -m`
    study = read_spec(spec)
    folder = output or study.output
    if not folder:
        raise InputError("no folder: give --output, or the key 'output' in the file", source=spec)
    console = remark_console(quiet=quiet)
    with _engine(jobs, address) as works, Record(folder) as record:
        if record.note:
            console.print(f"{record.path}: {record.note}", markup=False)
        write_text(Path(folder) / SPEC_COPY, study.text)
        write_asked(folder, (run.key for run in study.runs))
        with LiveStudy(console, StudyProgress(len(study.runs))) as live:
            end = run_study(
                study.runs, record, works, retry_failed=retry_failed, on_progress=live.update
            )
    _tell(console, end, record)
    raise typer.Exit(ExitCode.UNFINISHED if end.interrupted else ExitCode.DONE)


def _tell(console: Console, end: StudyProgress, record: Record) -> None:
    if end.reason:
        console.print(end.reason, markup=False, soft_wrap=True)
    console.print(
        f"{'stopped' if end.interrupted else 'done'}: {end.done} runs done, {end.failed} failed, "
        f"{end.known} known before, {end.left} left; {record.path}",
        markup=False,
        soft_wrap=True,
    )


def _check_engine(engine: EngineName, jobs: int | None, address: str | None) -> None:
    if engine is EngineName.DASK and address is None:
        raise InputError(
            "the engine 'dask' needs --address, that of its scheduler", place="--engine"
        )
    if engine is EngineName.PROCESSES and address is not None:
        raise InputError("it goes with --engine dask", place="--address")
    if engine is EngineName.DASK and jobs is not None:
        raise InputError("a cluster runs as many as it has threads", place="--jobs")


def _engine(jobs: int | None, address: str | None) -> LocalExecutor | DaskExecutor:
    if address is None:
        return LocalExecutor(jobs or 1)
    # Imported here: whoever has no cluster needs no Dask.
    from kvpr_opt.study.execution.dask import DaskExecutor

    return DaskExecutor(address)


@app.command("report")
def report(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of a study.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="F",
            help="File for the table, - for stdout; with --html the file for the page, "
            "DIR/report.html if not given.",
        ),
    ] = None,
    html: Annotated[
        bool,
        typer.Option(
            "--html",
            help="Write a page with tables and figures, too, and the figures as SVG and PDF "
            "into the folder figures beside it.",
        ),
    ] = False,
) -> None:
    """Write the table of a study: counts, times and gaps by cell and method, in Markdown.

    With --html the table goes to stdout, and a page on the whole study to a file.
    """
    entries = read_entries(folder)
    left = count_left(folder, entries)
    table = report_of(entries, left=left)
    if not html:
        write_text(output or STANDARD_STREAM, table)
        return
    if output == STANDARD_STREAM:
        raise InputError(
            "stdout carries the table; give the page the name of a file", place="--output"
        )
    path = output or Path(folder) / PAGE_NAME
    spec = Path(folder) / SPEC_COPY
    text = read_text(spec) if spec.exists() else ""
    written = write_report(entries, path, left=left, spec=text)
    write_text(STANDARD_STREAM, table)
    remark_console().print(
        f"{path} written, and {len(written) - 1} files of figures beside it",
        markup=False,
        soft_wrap=True,
    )


@app.command("export")
def export(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of a study.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="F", help="A .csv or .parquet file.")
    ],
) -> None:
    """Write the record of a study as one table, a row a run, for other programs."""
    rows = export_to(read_entries(folder), output)
    remark_console().print(f"{rows} runs written to {output}", markup=False, soft_wrap=True)


@app.command("compare")
def compare(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Folder of a study.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Folder of the same study, later.")],
    gap: Annotated[
        float, typer.Option("--gap", metavar="G", min=0, help="Growth of relative gaps allowed.")
    ] = Tolerance.gap,
    factor: Annotated[
        float, typer.Option("--factor", metavar="X", min=1, help="Times slower allowed.")
    ] = Tolerance.factor,
    margin: Annotated[
        float, typer.Option("--margin", metavar="S", min=0, help="Seconds slower allowed.")
    ] = Tolerance.margin,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="F", help="File to write; - for stdout.")
    ] = "-",
) -> None:
    """Compare two records run by run: status, gap and value, time; name what got worse.

    A run is slower only beyond both --factor and --margin.

    Exit code: 0 no regression, 2 bad input or no run in common, 6 at least one
    regression.
    """
    tolerance = Tolerance(gap, factor, margin)
    found = compare_records(read_entries(old), read_entries(new), tolerance)
    if not found.pairs:
        raise InputError(f"no run in common with {new}", source=old)
    write_text(output, comparison_text(found, tolerance))
    raise typer.Exit(ExitCode.FAILED if found.regressions else ExitCode.DONE)
