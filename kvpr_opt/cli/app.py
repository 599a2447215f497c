"""The command line as a whole: its commands, its errors, its exit codes."""

from __future__ import annotations

import contextlib
import os
import sys

import typer

from kvpr_opt._interrupt import EXIT_STOPPED
from kvpr_opt.cli import (
    audit,
    canonical,
    configure,
    export,
    generate,
    import_fleet,
    solve,
    study,
    verify,
    warmup,
)
from kvpr_opt.errors import KvprError
from kvpr_opt.files.text import printable

#: Exit code of bad input or usage.
EXIT_BAD_INPUT = 2

# What typer exits with when the reader of a pipe has gone, and for a Ctrl-C.
_TYPER_STOPPED, _TYPER_INTERRUPTED = 1, 130

# The highest of the three descriptors that every program is given.
_STDERR = 2

app = typer.Typer(
    name="kvpr-opt",
    help="Place language models on GPUs so that the highest KV-cache pressure ratio "
    "is as low as it can be, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("solve")(solve.command)
app.command("verify")(verify.command)
app.command("canonical")(canonical.command)
app.command("export")(export.command)
app.command("generate")(generate.command)
app.command("import")(import_fleet.command)
app.command("configure")(configure.command)
app.command("warmup")(warmup.command)
app.command("audit")(audit.command)
app.add_typer(study.app, name="study")


@app.callback(invoke_without_command=True)
def _top(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"kvpr-opt {version_of('kvpr-opt')}")
        raise typer.Exit


def run() -> int:
    """Run the command line; the one place where errors become exit codes.

    Raises
    ------
    KeyboardInterrupt
        After a Ctrl-C that no command has taken care of.
    """
    _fill_closed_descriptors()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows a question mark.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except SystemExit as stop:
        if stop.code == _TYPER_INTERRUPTED:
            raise KeyboardInterrupt from None
        if stop.code == _TYPER_STOPPED:
            return EXIT_STOPPED
        return stop.code if isinstance(stop.code, int) else 0
    except KvprError as error:
        _complain(str(error))
        return EXIT_BAD_INPUT
    except OSError as error:  # files that cannot be written are InputErrors
        _complain(f"the screen cannot be written: {error.strerror or error}")
        return EXIT_BAD_INPUT
    return 0


def _complain(message: str) -> None:
    lines = [printable(line) for line in message.splitlines()]
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # there is nowhere else to say it
            print("error: " + "\n".join(lines), file=sys.stderr)


def _fill_closed_descriptors() -> None:
    # Started without one of the standard streams, the next file to be opened would
    # take its number, and what a solver prints would end up in that file.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        continue
    os.close(descriptor)
