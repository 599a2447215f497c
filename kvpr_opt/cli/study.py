"""``kvpr-opt study``: measure methods on suites of fleets, and tabulate what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kvpr_opt.cli.live import LiveStudy
from kvpr_opt.cli.screen import screen
from kvpr_opt.errors import InputError
from kvpr_opt.files import write_text
from kvpr_opt.study.record import Record, read_entries
from kvpr_opt.study.runner import StudyProgress, run_study
from kvpr_opt.study.spec import read_spec
from kvpr_opt.study.table import report as report_of

#: The copy of the spec in the folder of a study: what was asked for last.
SPEC_COPY = "study.toml"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Measure methods on many fleets; stop and resume at any moment."""


@app.command("run")
def run(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="What to run: a TOML file.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder; else as the file names it."),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Runs at the same time.")
    ] = 1,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run again what is recorded as failed.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Nothing on the screen but errors.")
    ] = False,
) -> None:
    """Run what a study asks for and its record does not have yet.

    Exit code: 0 every run has an entry (a failed run is one, too), 2 bad input,
    3 stopped by Ctrl-C; the same command then goes on from there.
    """
    study = read_spec(spec)
    folder = output or study.output
    if not folder:
        raise InputError("no folder: give --output, or the key 'output' in the file", source=spec)
    console = screen(quiet=quiet)
    with Record(folder) as record:
        if record.note:
            console.print(f"{record.path}: {record.note}", markup=False)
        write_text(Path(folder) / SPEC_COPY, study.text)
        with LiveStudy(console, StudyProgress(len(study.runs))) as live:
            end = run_study(
                study.runs, record, jobs=jobs, retry_failed=retry_failed, on_progress=live.update
            )
    console.print(
        f"{'stopped' if end.interrupted else 'done'}: {end.done} runs done, {end.failed} failed, "
        f"{end.known} known before, {end.left} left; {record.path}",
        markup=False,
        soft_wrap=True,
    )
    raise typer.Exit(3 if end.interrupted else 0)


@app.command("report")
def report(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of a study.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="F", help="File to write; - for stdout.")
    ] = "-",
) -> None:
    """Write the table of a study: counts, times and gaps by cell and method, in Markdown."""
    entries = read_entries(folder)
    spec = Path(folder) / SPEC_COPY
    known = {entry["key"] for entry in entries}
    left = sum(run.key not in known for run in read_spec(spec).runs) if spec.exists() else 0
    write_text(output, report_of(entries, left=left))
