"""``kvpr-opt study``: measure methods on suites of fleets, and tabulate the results."""

from __future__ import annotations

import sys
from collections.abc import Iterable
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
from kvpr_opt.study.analysis.pcmax import CONTRADICTIONS, contradictions, schedule_report
from kvpr_opt.study.analysis.table import report as report_of
from kvpr_opt.study.execution.local import LocalExecutor
from kvpr_opt.study.execution.runner import StudyProgress, run_study
from kvpr_opt.study.record import Record, count_left, read_record, write_asked
from kvpr_opt.study.recorded_run import RecordedRun
from kvpr_opt.study.report import PAGE_NAME, write_report
from kvpr_opt.study.spec.read import read_spec
from kvpr_opt.text import printable

if TYPE_CHECKING:
    from kvpr_opt.study.execution.dask import DaskExecutor

#: The copy of the study file in the record's folder, as last run.
SPEC_COPY = "study.toml"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Measure methods on many fleets; can be stopped and resumed at any moment."""


class EngineName(str, Enum):
    """What executes the runs."""

    PROCESSES = "processes"
    DASK = "dask"


@app.command("run")
def run(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="The study: a TOML file.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder of the record; default: 'output' in the file.",
        ),
    ] = None,
    engine: Annotated[
        EngineName,
        typer.Option("--engine", help="Where to run: on this machine or on a Dask cluster."),
    ] = EngineName.PROCESSES,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            help="Number of runs at the same time on this machine; default: 1.",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", metavar="URL", help="Address of the Dask scheduler: tcp://host:port."
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Repeat runs that are recorded as failed.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Run everything in a study that is not in its record yet.

    Exit code: 0 every run is recorded, possibly as failed; 2 bad input; 3 stopped by
    Ctrl-C, SIGTERM or SIGHUP, or the cluster was lost: the same command then continues;
    6 a run contradicts the optimum that a collection of P||Cmax states.
    """
    _check_engine(engine, jobs, address)
    if "" not in sys.path:
        sys.path.insert(0, "")  # modules in the current folder, as with `python -m`
    study = read_spec(spec)
    folder = output or study.output
    if not folder:
        raise InputError("no folder: pass --output or set 'output' in the file", source=spec)
    console = remark_console(quiet=quiet)
    with _executor(jobs, address) as executor, Record(folder) as record:
        _remark(console, record.remarks)
        write_text(Path(folder) / SPEC_COPY, study.text)
        write_asked(folder, (run.key for run in study.runs))
        with LiveStudy(console, StudyProgress(len(study.runs))) as live:
            end = run_study(
                study.runs, record, executor, retry_failed=retry_failed, on_progress=live.update
            )
    _tell(console, end, record)
    wrong = contradictions(recorded for run in study.runs if (recorded := record.runs.get(run.key)))
    _remark(remark_console(), [CONTRADICTIONS, *wrong] if wrong else [])
    if end.interrupted:
        raise typer.Exit(ExitCode.UNFINISHED)
    raise typer.Exit(ExitCode.FAILED if wrong else ExitCode.DONE)


def _tell(console: Console, end: StudyProgress, record: Record) -> None:
    if end.reason:
        console.print(printable(end.reason), markup=False, soft_wrap=True)
    console.print(
        f"{'stopped' if end.interrupted else 'done'}: {end.done} runs done, {end.failed} failed, "
        f"{end.known} known before, {end.left} left; {printable(str(record.path))}",
        markup=False,
        soft_wrap=True,
    )


def _check_engine(engine: EngineName, jobs: int | None, address: str | None) -> None:
    if engine is EngineName.DASK and address is None:
        raise InputError(
            "--engine dask requires --address, the address of its scheduler", place="--engine"
        )
    if engine is EngineName.PROCESSES and address is not None:
        raise InputError("requires --engine dask", place="--address")
    if engine is EngineName.DASK and jobs is not None:
        raise InputError(
            "not accepted with --engine dask, which runs one run per thread of the cluster",
            place="--jobs",
        )


def _executor(jobs: int | None, address: str | None) -> LocalExecutor | DaskExecutor:
    if address is None:
        return LocalExecutor(jobs or 1)
    # Imported here: Dask is needed only with a cluster.
    from kvpr_opt.study.execution.dask import DaskExecutor

    return DaskExecutor(address)


def _read(folder: str) -> tuple[RecordedRun, ...]:
    """The runs of a record; unreadable entries are reported on stderr."""
    content = read_record(folder)
    _remark(remark_console(), content.remarks)
    return content.runs


def _remark(console: Console, remarks: Iterable[str]) -> None:
    for remark in remarks:
        console.print(printable(remark), markup=False, soft_wrap=True)


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
            "default: DIR/report.html.",
        ),
    ] = None,
    html: Annotated[
        bool,
        typer.Option(
            "--html",
            help="Also write a page with tables and figures, and the figures as SVG and PDF "
            "into the folder 'figures' beside it.",
        ),
    ] = False,
) -> None:
    """Write the results of a study as tables in Markdown.

    Counts, times and gaps by cell and method; for instances of P||Cmax also a comparison
    with the optima of their collection. With --html the tables go to stdout, and a page
    with figures to a file.
    """
    runs = _read(folder)
    left = count_left(folder, runs)
    table = report_of(runs, left=left)
    schedules = schedule_report(runs)
    if schedules:
        table += "\n" + schedules
    if not html:
        write_text(output or STANDARD_STREAM, table)
        return
    if output == STANDARD_STREAM:
        raise InputError(
            "stdout is used for the table; give a file name for the page", place="--output"
        )
    path = output or Path(folder) / PAGE_NAME
    spec = Path(folder) / SPEC_COPY
    text = read_text(spec) if spec.exists() else ""
    written = write_report(runs, path, left=left, spec=text)
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
    """Write the record of a study as one table with a row for each run, for other programs."""
    rows = export_to(_read(folder), output)
    remark_console().print(f"{rows} runs written to {output}", markup=False, soft_wrap=True)


@app.command("compare")
def compare(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Folder of a study.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Folder of the same study, run later.")],
    gap: Annotated[
        float, typer.Option("--gap", metavar="G", min=0, help="Tolerated growth of a relative gap.")
    ] = Tolerance.gap,
    factor: Annotated[
        float, typer.Option("--factor", metavar="X", min=1, help="Tolerated factor between times.")
    ] = Tolerance.factor,
    margin: Annotated[
        float,
        typer.Option(
            "--margin", metavar="S", min=0, help="Tolerated difference of times in seconds."
        ),
    ] = Tolerance.margin,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="F", help="File to write; - for stdout.")
    ] = "-",
) -> None:
    """Compare two records run by run and list what got worse: status, gap, value or time.

    A run counts as slower only if it exceeds both --factor and --margin.

    Exit code: 0 no regression, 2 bad input or no run in common, 6 at least one
    regression.
    """
    tolerance = Tolerance(gap, factor, margin)
    found = compare_records(_read(old), _read(new), tolerance)
    if not found.pairs:
        raise InputError(f"no run in common with {new}", source=old)
    write_text(output, comparison_text(found, tolerance))
    raise typer.Exit(ExitCode.FAILED if found.regressions else ExitCode.DONE)
