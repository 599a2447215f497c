"""The command line as a whole: its commands, its errors, its exit codes."""

from __future__ import annotations

import sys

import typer

from kvpr_opt.cli import canonical, generate, solve, verify
from kvpr_opt.errors import KvprError

#: Exit code of bad input or usage.
EXIT_BAD_INPUT = 2

#: Exit code of a run that was stopped before it was done.
EXIT_STOPPED = 3

# What typer exits with for a Ctrl-C outside a run, or when the reader of a pipe has gone.
_TYPER_STOPPED = (1, 130)

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
app.command("generate")(generate.command)


@app.callback(invoke_without_command=True)
def _top(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"kvpr-opt {version_of('kvpr-opt')}")
        raise typer.Exit


def main() -> None:
    """Run the command line; the one place where errors become exit codes."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows a question mark.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except SystemExit as stop:
        code = EXIT_STOPPED if stop.code in _TYPER_STOPPED else stop.code
    except KvprError as error:
        print(f"error: {error}", file=sys.stderr)
        code = EXIT_BAD_INPUT
    sys.exit(code)
